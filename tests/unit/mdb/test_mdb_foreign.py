"""What stands in a database that is none of XTCE's, and what is written in another's habit."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from agents.cli import main
from pipeline.errors import MissionError
from pipeline.mdb import load_xtce
from schemas.mission import FloatEncoding, StringEncoding
from tests.unit.mdb.test_mdb import HEAD, INT8, ROOT, document, load

VENDOR = 'xmlns:v="http://vendor.example/xtce"'


OF_IT = f'<IntegerParameterType name="T"><IntegerDataEncoding {VENDOR} v:sizeInBits="16"/></IntegerParameterType>'
ITS = f'<IntegerParameterType name="T"><v:IntegerDataEncoding {VENDOR} sizeInBits="16"/></IntegerParameterType>'


@pytest.mark.parametrize(
    ("types", "why"),
    [
        (OF_IT, r"attribute 'sizeInBits' of http://vendor.example/xtce is none of XTCE 1\.2"),
        (ITS, r"<IntegerDataEncoding>: is of http://vendor.example/xtce, and none of XTCE 1\.2"),
    ],
)
def test_a_vendors_namespace_is_refused(types: str, why: str, tmp_path: Path) -> None:
    """It was passed over, or taken for XTCE by its local name: the values were wrong."""
    with pytest.raises(MissionError, match=why):
        load(tmp_path, document(types))


def test_a_vendors_entry_is_no_entry(tmp_path: Path) -> None:
    root = ROOT.replace(
        "<EntryList>", f'<EntryList><v:ParameterRefEntry {VENDOR} parameterRef="P"/>'
    )
    with pytest.raises(MissionError, match="and none of XTCE"):
        load(tmp_path, document(containers=root))


def test_what_xml_says_of_itself_stays(tmp_path: Path) -> None:
    text = document().replace(
        "<SpaceSystem ",
        '<SpaceSystem xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xml:lang="en" '
        'xsi:schemaLocation="a b" ',
    )
    assert load(tmp_path, text).parameters


def nested(reference: str, inner: str = "") -> str:
    """A container of /S/A/B that names a parameter of /S, or one of its own surroundings."""
    entry = f'<ParameterRefEntry parameterRef="{reference}"/>'
    container = f'<SequenceContainer name="C"><EntryList>{entry}</EntryList></SequenceContainer>'
    return (
        f'{HEAD}<ParameterTypeSet><IntegerParameterType name="T">{INT8}</IntegerParameterType>'
        '</ParameterTypeSet><ParameterSet><Parameter name="P" parameterTypeRef="T"/>'
        '</ParameterSet></TelemetryMetaData><SpaceSystem name="A"><SpaceSystem name="B">'
        f"<TelemetryMetaData>{inner}<ContainerSet>{container}</ContainerSet></TelemetryMetaData>"
        "</SpaceSystem></SpaceSystem></SpaceSystem>"
    )


@pytest.mark.parametrize("reference", ["P", "/S/P", "../../P", "./../../P", "../../A/../P"])
def test_parameters_of_a_system_above(reference: str, tmp_path: Path) -> None:
    (entry,) = load(tmp_path, nested(reference)).containers["A/B/C"].entries
    assert entry.name == "P"


@pytest.mark.parametrize("reference", ["../P", "../../../P", "../B/P"])
def test_parameters_that_are_not_there(reference: str, tmp_path: Path) -> None:
    with pytest.raises(MissionError, match=re.escape(f"there is no parameter {reference!r}")):
        load(tmp_path, nested(reference))


def test_an_encoding_goes_on_from_its_base_type(tmp_path: Path) -> None:
    """A derived type that adds a calibrator alone keeps the size and byte order of its base: it was
    read as 32 bits, the most significant byte first."""
    base = (
        '<FloatParameterType name="B"><FloatDataEncoding sizeInBits="64" '
        'byteOrder="leastSignificantByteFirst"/></FloatParameterType>'
    )
    derived = (
        '<FloatParameterType name="T" baseType="B"><FloatDataEncoding><DefaultCalibrator>'
        '<PolynomialCalibrator><Term coefficient="2" exponent="1"/></PolynomialCalibrator>'
        "</DefaultCalibrator></FloatDataEncoding></FloatParameterType>"
    )
    of = load(tmp_path, document(base + derived)).parameters["P"].type
    assert of.encoding == FloatEncoding(64, "IEEE754", True)
    assert of.calibrator


@pytest.mark.parametrize("end", ["<TerminationChar>00</TerminationChar>", "<LeadingSize/>"])
def test_a_dummy_stands_for_nothing(end: str, tmp_path: Path) -> None:
    dummy = '<DynamicValue><ParameterInstanceRef parameterRef="_yamcs_ignore"/></DynamicValue>'
    text = (
        '<StringParameterType name="T"><StringDataEncoding><Variable maxSizeInBits="48">{}'
        "</Variable></StringDataEncoding></StringParameterType>"
    )
    found = load(tmp_path, document(text.format(dummy + end)))
    encoding = found.parameters["P"].type.encoding
    assert isinstance(encoding, StringEncoding)
    assert encoding.box is None
    assert "_yamcs_ignore stands for no parameter" in found.notes[0]
    with pytest.raises(MissionError, match="there is no parameter '_yamcs_ignore'"):
        load(tmp_path, document(text.format(dummy)))


def test_what_decodes_nothing_is_not_good(tmp_path: Path) -> None:
    """A condition on a parameter that no container carries: it was good, with status 0."""
    condition = (
        '<ParameterRefEntry parameterRef="P"><IncludeCondition><Comparison parameterRef="K" '
        'value="1"/></IncludeCondition></ParameterRefEntry>'
    )
    parameters = (
        '<Parameter name="P" parameterTypeRef="T"/><Parameter name="K" parameterTypeRef="T"/>'
    )
    root = ROOT.replace("<EntryList>", f"<EntryList>{condition}")
    path = tmp_path / "m.xml"
    path.write_text(document(parameters=parameters, containers=root))
    assert load_xtce(path).parameters
    done = CliRunner().invoke(main, ["mdb", "check", str(path)])
    assert done.exit_code == 1
    assert "is read, and decodes nothing" in done.output
    assert "refused: cannot be decoded" in done.output
