"""`heartline mdb`: what a database holds, whether it loads, and what changed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pipeline.mdb import expression, schema
from tests.conftest import PROJECT
from tests.unit.cli.test_cli import heartline
from tests.unit.mdb.test_mdb import INT, INT8, ROOT, document

DEMO = PROJECT / "missions" / "demo" / "hl1.xml"
TYPES = (
    INT.format(INT8)
    + INT.format(
        '<IntegerDataEncoding sizeInBits="12"><DefaultCalibrator><PolynomialCalibrator>'
        '<Term exponent="1" coefficient="0.5"/></PolynomialCalibrator></DefaultCalibrator>'
        "</IntegerDataEncoding>"
    ).replace('"T"', '"V"')
    + '<StringParameterType name="S"><StringDataEncoding><SizeInBits><Fixed><FixedValue>80'
    "</FixedValue></Fixed><TerminationChar/></SizeInBits></StringDataEncoding></StringParameterType>"
)
PARAMETERS = "".join(
    f'<Parameter name="{name}" parameterTypeRef="{of}"/>'
    for name, of in (("P", "T"), ("VOLTS", "V"), ("WORD", "S"), ("TAIL", "T"))
)
ENTRIES = (
    '<ParameterRefEntry parameterRef="VOLTS"><RepeatEntry><Count><FixedValue>2</FixedValue></Count>'
    '</RepeatEntry></ParameterRefEntry><ParameterRefEntry parameterRef="WORD"><IncludeCondition>'
    '<Comparison parameterRef="P" value="3"/></IncludeCondition></ParameterRefEntry>'
    '<ParameterRefEntry parameterRef="TAIL"/>'
)
CHILD = (
    f'{ROOT}<SequenceContainer name="Child"><EntryList>{ENTRIES}</EntryList><BaseContainer '
    'containerRef="Root"><RestrictionCriteria><Comparison parameterRef="P" value="7"/>'
    "</RestrictionCriteria></BaseContainer></SequenceContainer>"
)
TEXT = document(TYPES, PARAMETERS, CHILD)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "m.xml"
    path.write_text(TEXT)
    return path


def changed(file: Path, *replacements: tuple[str, str]) -> str:
    """A second database beside the first, which differs in this."""
    text = TEXT
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new)
    path = file.with_name("new.xml")
    path.write_text(text)
    return str(path)


def test_show_tells_containers_places_and_criteria(file: Path) -> None:
    done = heartline("mdb", "show", str(file))
    assert done.exit_code == 0
    for line in (
        "Root (root)",
        "0+8 P: integer, 8 bits unsigned",
        "Child if P == 7",
        "8+12 VOLTS: integer, 12 bits unsigned, 2 times",
        "32+80 WORD: string, UTF-8, in 80 bits, ended by 0x00, if P == 3",
        "?+8 TAIL",
    ):
        assert line in done.output


def test_show_one_parameter_and_one_container(file: Path) -> None:
    one = heartline("mdb", "show", str(file), "VOLTS").output
    assert "polynomial 0 + 0.5 x^1" in one
    assert "in Child" in one
    columns = heartline("mdb", "show", str(file), "Child").output
    assert re.search(r"0\+8 .* P ", columns)
    assert "WORD" in columns
    none = heartline("mdb", "show", str(file), "NOPE")
    assert none.exit_code == 1
    assert "neither a parameter nor a container 'NOPE'" in none.stderr


def test_check_tells_refusals_notes_and_violations(file: Path) -> None:
    bad = file.with_name("bad.xml")
    bad.write_text(TEXT.replace("<EntryList>", "<EntryList><StreamSegmentEntry/>", 1))
    commands = changed(
        file,
        ("</TelemetryMetaData>", "</TelemetryMetaData><CommandMetaData><Odd/></CommandMetaData>"),
    )
    done = heartline("mdb", "check", str(DEMO), str(bad), commands)
    assert done.exit_code == 1
    assert f"{DEMO}: good: 8 containers, 52 parameters" in done.output
    assert re.search(r"refused: .*bad\.xml, line \d+, <StreamSegmentEntry>", done.output)
    assert "passed over:" in done.output
    assert re.search(r"warning: .*new\.xml, line \d+, not as the schema .*'Odd'", done.output)
    assert heartline("mdb", "check", commands).exit_code == 0


def test_check_without_the_schema_says_how_to_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "PACKAGE", "a_package_that_is_not_there")
    done = heartline("mdb", "check", str(DEMO))
    assert done.exit_code == 0
    assert "pip install space_packet_parser" in done.output


def test_diff_of_the_same_is_nothing(file: Path) -> None:
    done = heartline("mdb", "diff", str(file), changed(file, ("<EntryList>", "<EntryList >")))
    assert (done.exit_code, done.output) == (0, "")


DIFFERENCES = {
    "an encoding": (('sizeInBits="12"', 'sizeInBits="13"'), "encoding: 12 bits unsigned → 13 bits"),
    "a place": (('sizeInBits="12"', 'sizeInBits="13"'), "+ bit 34: WORD, 80 bits, if P == 3"),
    "a calibrator": (('coefficient="0.5"', 'coefficient="2"'), "calibrator: polynomial 0 + 0.5 x^1 →"),
    "an alarm": (
        ("</PolynomialCalibrator></DefaultCalibrator></IntegerDataEncoding>", "</PolynomialCalibrator></DefaultCalibrator></IntegerDataEncoding><DefaultAlarm><StaticAlarmRanges><CriticalRange maxInclusive=\"9\"/></StaticAlarmRanges></DefaultAlarm>"),
        "alarm: none → critical [-inf, 9]",
    ),
    "a criterion": (('parameterRef="P" value="7"', 'parameterRef="P" value="8"'), "+ extends Root where P == 8"),
    "another parameter": (("</ParameterSet>", '<Parameter name="N" parameterTypeRef="T"/></ParameterSet>'), "added parameter N"),
    "another container": (("</ContainerSet>", '<SequenceContainer name="N"><EntryList/><BaseContainer containerRef="Root"/></SequenceContainer></ContainerSet>'), "added container N"),
}  # fmt: skip


@pytest.mark.parametrize("what", DIFFERENCES)
def test_diff_tells(what: str, file: Path) -> None:
    replacement, told = DIFFERENCES[what]
    new = changed(file, replacement)
    done = heartline("mdb", "diff", str(file), new)
    assert done.exit_code == 1
    assert told in done.output
    if told.startswith("added"):
        back = heartline("mdb", "diff", new, str(file))
        assert told.replace("added", "removed") in back.output


def test_the_page_names_every_function_and_operator() -> None:
    page = (PROJECT / "docs" / "expressions.md").read_text()
    told = set(re.findall(r"`(\w+)\(", page))
    assert told == set(expression.FUNCTIONS)
    assert re.findall(r"^\| (`[^a-z]+?`(?: `[^a-z]+?`)*) \|", page, re.MULTILINE)[
        : len(expression._LEVELS)
    ] == [" ".join(f"`{w}`".replace("|", "\\|") for w in level) for level in expression._LEVELS]
    for limit in (expression.MAX_TEXT, expression.MAX_DEPTH):
        assert str(limit) in page
