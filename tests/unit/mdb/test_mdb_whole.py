"""A database as a whole: all its refusals at once, what changes no value, and files that it
includes."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from agents.cli import main
from pipeline.decode import Decoder, compile_plans
from pipeline.errors import MissionError
from pipeline.flights.table import cells, guarded
from pipeline.mdb import load_xtce
from pipeline.mission.folder import load_mission
from pipeline.packets import PacketReader
from schemas.columns import Quality
from schemas.records import RawRecord
from schemas.settings import TimeSettings
from tests.unit.alarms.test_alarms import ROOT as BEHIND_HEADER
from tests.unit.mdb.test_mdb import FOOT, HEAD, INT8, ROOT, document, load

AT_ITS_TIME = (
    '<ParameterRefEntry parameterRef="P"><TimeAssociation parameterRef="P" offset="-0.8"/>'
    "</ParameterRefEntry>"
)
NUMBER = f'<IntegerParameterType name="T">{INT8}</IntegerParameterType>'


def test_all_refusals_at_once(tmp_path: Path) -> None:
    bad = (
        '<IntegerParameterType name="A"><IntegerDataEncoding sizeInBits="2000"/>'
        '</IntegerParameterType><StringParameterType name="B" restrictionPattern="x">'
        "<StringDataEncoding><SizeInBits><Fixed><FixedValue>8</FixedValue></Fixed></SizeInBits>"
        "</StringDataEncoding></StringParameterType>"
    )
    parameters = (
        '<Parameter name="P" parameterTypeRef="T"/><Parameter name="Q" parameterTypeRef="A"/>'
        '<Parameter name="R" parameterTypeRef="nowhere"/>'
    )
    text = document(NUMBER + bad, parameters, ROOT.replace('parameterRef="P"', 'parameterRef="Z"'))
    with pytest.raises(MissionError) as told:
        load(tmp_path, text)
    lines = str(told.value).splitlines()
    assert [
        next(w for w in ("2000 bits", "restrictionPattern", "'nowhere'", "'Z'") if w in line)
        for line in lines
    ] == ["2000 bits", "restrictionPattern", "'nowhere'", "'Z'"]
    done = CliRunner().invoke(main, ["mdb", "check", str(tmp_path / "m.xml")])
    assert done.exit_code == 1
    assert done.output.count("refused: ") == 4


def test_what_changes_no_value_is_passed_over(tmp_path: Path) -> None:
    types = NUMBER.replace('encoding="unsigned"', 'encoding="unsigned" changeThreshold="2"')
    text = (
        document(types)
        .replace('<ParameterRefEntry parameterRef="P"/>', AT_ITS_TIME)
        .replace(
            "</ContainerSet>",
            '</ContainerSet><StreamSet><FixedFrameStream name="F"/></StreamSet><AlgorithmSet>'
            '<CustomAlgorithm name="JS"><AlgorithmText language="JavaScript">x.value = 1;'
            "</AlgorithmText><OutputSet/></CustomAlgorithm></AlgorithmSet>",
        )
    )
    found = load(tmp_path, text)
    assert [note.split(": ", 1)[1] for note in found.notes] == [
        "says how frames come: passed over.",
        "passed over: all values of a packet have its time.",
        "an algorithm in JavaScript: passed over, its outputs are not computed.",
    ]


IN_LETTERS = (
    "<StringDataEncoding><SizeInBits><Fixed><FixedValue>48</FixedValue></Fixed></SizeInBits>"
    "</StringDataEncoding>"
)


@pytest.mark.parametrize(
    ("text", "integer", "real", "boolean"),
    [
        (b"100", 100.0, 100.0, None),
        (b" -3 ", -3.0, -3.0, None),
        (b"1.5", None, 1.5, None),
        (b"-2.5e1", None, -25.0, None),
        (b".5", None, 0.5, None),
        (b"1e999", None, None, None),
        (b"999", None, None, None),  # of the integer and the float beyond their ranges
        (b"nan", None, None, None),
        (b"1_0", None, None, None),
        (b"", None, None, None),
        (b"yes!", None, None, 1.0),
        (b"Yes!", None, None, 1.0),
        (b"NOOO", None, None, 0.0),
    ],
)
def test_numbers_and_booleans_that_come_as_text(
    text: bytes, integer: float | None, real: float | None, boolean: float | None, tmp_path: Path
) -> None:
    """What is none of its kind, or outside its ValidRange, is invalid; what was sent is shown."""
    valid = '<ValidRange minInclusive="-100" maxInclusive="100"/>'
    types = (
        f'<IntegerParameterType name="T">{IN_LETTERS}{valid}</IntegerParameterType>'
        f'<FloatParameterType name="F">{IN_LETTERS}{valid}</FloatParameterType>'
        f'<BooleanParameterType name="B" zeroStringValue="nooo" oneStringValue="yes!">{IN_LETTERS}'
        "</BooleanParameterType>"
    )
    parameters = "".join(
        f'<Parameter name="{name}" parameterTypeRef="{of}"/>'
        for name, of in zip("PQR", "TFB", strict=True)
    )
    entries = '<ParameterRefEntry parameterRef="Q"/><ParameterRefEntry parameterRef="R"/>'
    root = BEHIND_HEADER.replace("</EntryList>", f"{entries}</EntryList>")
    found = load(tmp_path, document(types, parameters, root))
    assert not found.notes
    plans = compile_plans(found, TimeSettings())
    content = b"\x08\x05\xc0\x00\x00\x11" + 3 * text.ljust(6, b"\0")
    batch, _ = PacketReader().feed([RawRecord(0, content, ())])
    (rows,) = Decoder(plans).feed(batch).rows
    wanted = (integer, real, boolean)
    for column, value in enumerate(wanted, rows.eng.shape[1] - 3):
        good = not rows.quality[0, column] & Quality.INVALID
        assert (rows.eng[0, column] if good else None) == value
    shown = text.decode().rstrip()
    assert next(cells(rows, plans, False))[-3:] == tuple(guarded(shown) for _ in range(3))


def test_a_condition_sees_the_text_that_was_sent(tmp_path: Path) -> None:
    """It compared the place of the text with the number, which was never equal."""
    types = f'<IntegerParameterType name="T">{IN_LETTERS}</IntegerParameterType>' + NUMBER.replace(
        '"T"', '"N"'
    )
    parameters = (
        '<Parameter name="P" parameterTypeRef="T"/><Parameter name="Q" parameterTypeRef="N"/>'
    )
    entry = (
        '<ParameterRefEntry parameterRef="Q"><IncludeCondition><Comparison parameterRef="P" '
        'value="100000"/></IncludeCondition></ParameterRefEntry>'
    )
    root = BEHIND_HEADER.replace("</EntryList>", f"{entry}</EntryList>")
    plans = compile_plans(load(tmp_path, document(types, parameters, root)), TimeSettings())
    content = b"\x08\x05\xc0\x00\x00\x06" + b"100000" + b"\x07"
    batch, _ = PacketReader().feed([RawRecord(0, content, ())])
    (rows,) = Decoder(plans).feed(batch).rows
    assert rows.eng[0, -1] == 7
    with pytest.raises(MissionError, match="have no order"):
        load(
            tmp_path,
            document(
                types, parameters, root.replace('"100000"', '"100000" comparisonOperator="&lt;"')
            ),
        )


def test_a_time_without_an_encoding_is_of_the_ground(tmp_path: Path) -> None:
    types = NUMBER + '<AbsoluteTimeParameterType name="G"/>'
    parameters = (
        '<Parameter name="P" parameterTypeRef="T"/><Parameter name="Q" parameterTypeRef="G"/>'
    )
    assert load(tmp_path, document(types, parameters)).parameters["Q"].type.encoding is None
    root = ROOT.replace('parameterRef="P"', 'parameterRef="Q"')
    with pytest.raises(MissionError, match="has no encoding, so no packet has it"):
        compile_plans(load(tmp_path, document(types, parameters, root)), TimeSettings())


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        (
            '<IndirectParameterRefEntry aliasNameSpace="x"/>',
            "XTCE 1.2, IndirectParameterRefEntryType",
        ),
        ('<StreamSegmentEntry streamRef="F"/>', r"XTCE 1\.2, StreamSegmentEntryType"),
    ],
)
def test_entries_that_are_refused_by_the_standards_name(
    entry: str, why: str, tmp_path: Path
) -> None:
    with pytest.raises(MissionError, match=why):
        load(tmp_path, document(containers=ROOT.replace("</EntryList>", f"{entry}</EntryList>")))


def test_a_database_of_1_1_is_told(tmp_path: Path) -> None:
    text = document()
    assert "xmlns" in text
    namespace = text.split('xmlns="')[1].split('"')[0]
    found = load(tmp_path, text.replace(namespace, "http://www.omg.org/space/xtce"))
    assert "XTCE 1.1 is read as one of 1.2" in found.notes[0]


def _included(folder: Path, inner: str) -> str:
    (folder / "sub").mkdir(exist_ok=True)
    (folder / "sub" / "types.xml").write_text(inner)
    return document().replace(
        f"<ParameterTypeSet>{NUMBER}</ParameterTypeSet>",
        '<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="sub/types.xml"/>',
    )


def test_files_that_are_included(tmp_path: Path) -> None:
    whole = load(tmp_path, document())
    namespace = document().split('xmlns="')[1].split('"')[0]
    inner = f'<ParameterTypeSet xmlns="{namespace}">\n\n{NUMBER}</ParameterTypeSet>'
    found = load(tmp_path, _included(tmp_path, inner))
    assert found.parameters == whole.parameters
    first = found.sha256
    again = load(tmp_path, _included(tmp_path, inner.replace('sizeInBits="8"', 'sizeInBits="4"')))
    assert again.sha256 != first, "the fingerprint is of all files"
    bad = inner.replace('sizeInBits="8"', 'sizeInBits="0"')
    with pytest.raises(MissionError, match=r"types\.xml, line 3"):
        load(tmp_path, _included(tmp_path, bad))


SUBSYSTEM = (
    HEAD.replace('"S"', '"SUB"') + f"<ParameterTypeSet>{NUMBER}</ParameterTypeSet><ParameterSet>"
    f'<Parameter name="Q" parameterTypeRef="/S/T"/></ParameterSet>{FOOT}'
)


def test_subsystems_are_files_of_their_own(tmp_path: Path) -> None:
    """As Yamcs has it: the roots of further files stand inside the first's, by mission.toml too."""
    (tmp_path / "m.xml").write_text(document())
    (tmp_path / "sub.xml").write_text(SUBSYSTEM)
    found = load_xtce(tmp_path / "m.xml", subsystems=[tmp_path / "sub.xml"])
    assert found.parameters["SUB/Q"].qualified_name == "/S/SUB/Q"
    assert found.sha256 != load_xtce(tmp_path / "m.xml").sha256, "the fingerprint is of all files"
    (tmp_path / "mission.toml").write_text('name = "m"\nxtce = "m.xml"\nsubsystems = ["sub.xml"]\n')
    assert load_mission(tmp_path).mdb.sha256 == found.sha256
    (tmp_path / "sub.xml").write_text(SUBSYSTEM.replace('"/S/T"', '"/S/NONE"'))
    with pytest.raises(MissionError, match=r"sub\.xml, line \d+, <Parameter name='Q'>.*NONE"):
        load_mission(tmp_path)
    (tmp_path / "sub.xml").write_text("<Other/>")
    with pytest.raises(MissionError, match=r"sub\.xml.*is a SpaceSystem"):
        load_mission(tmp_path)


@pytest.mark.parametrize(
    ("href", "why"),
    [
        ("../outside.xml", "no file beside the database"),
        ("http://example.com/x.xml", "no file beside the database"),
        ("/etc/hostname", "no file beside the database"),
        ("m.xml", "includes itself"),
        ("gone.xml", "cannot be read"),
    ],
)
def test_files_that_are_not(href: str, why: str, tmp_path: Path) -> None:
    include = f'<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="{href}"/>'
    with pytest.raises(MissionError, match=why):
        load(tmp_path, f"{HEAD}{include}{FOOT}")


def test_a_points_order_that_says_nothing(tmp_path: Path) -> None:
    """Of a stepped spline whose points have the schema's default written out."""
    for order, points, fits in ((0, 1, True), (1, 1, True), (1, 0, False), (2, 2, False)):
        spline = (
            f'<DefaultCalibrator><SplineCalibrator order="{order}">'
            f'<SplinePoint raw="0" calibrated="0" order="{points}"/>'
            f'<SplinePoint raw="9" calibrated="1" order="{points}"/></SplineCalibrator>'
            "</DefaultCalibrator></IntegerDataEncoding>"
        )
        types = NUMBER.replace("/></IntegerP", f">{spline}</IntegerP")
        if fits:
            assert load(tmp_path, document(types)).parameters["P"].type.calibrator
            continue
        with pytest.raises(MissionError, match=r"XTCE 1\.2, Spline"):
            load(tmp_path, document(types))
