"""XTCE: what is supported is read, everything else is refused with file, line and element."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from pipeline.errors import MissionError
from pipeline.mdb import load_xtce
from pipeline.mdb.epochs import parse_epoch
from schemas.mission import FloatEncoding, IntegerEncoding

HEAD = '<SpaceSystem name="S" xmlns="http://www.omg.org/spec/XTCE/20180204"><TelemetryMetaData>'
FOOT = "</TelemetryMetaData></SpaceSystem>"
INT8 = '<IntegerDataEncoding sizeInBits="8"/>'
ROOT = '<SequenceContainer name="Root"><EntryList><ParameterRefEntry parameterRef="P"/></EntryList></SequenceContainer>'


def document(
    types: str = f'<IntegerParameterType name="T">{INT8}</IntegerParameterType>',
    parameters: str = '<Parameter name="P" parameterTypeRef="T"/>',
    containers: str = ROOT,
) -> str:
    return (
        f"{HEAD}\n<ParameterTypeSet>{types}</ParameterTypeSet>\n"
        f"<ParameterSet>{parameters}</ParameterSet>\n<ContainerSet>{containers}</ContainerSet>{FOOT}"
    )


def load(tmp_path: Path, text: str):  # type: ignore[no-untyped-def]
    path = tmp_path / "m.xml"
    path.write_text(text)
    return load_xtce(path)


def test_the_least(tmp_path: Path) -> None:
    mdb = load(tmp_path, document())
    assert mdb.root == "Root"
    assert mdb.parameters["P"].qualified_name == "/S/P"
    assert mdb.parameters["P"].type.encoding == IntegerEncoding(8)


def test_both_spellings_of_ieee754(tmp_path: Path) -> None:
    for word in ("IEEE754", "IEEE754_1985"):
        types = f'<FloatParameterType name="T"><FloatDataEncoding sizeInBits="64" encoding="{word}"/></FloatParameterType>'
        assert load(tmp_path, document(types)).parameters["P"].type.encoding == FloatEncoding(64)


def test_time_scale_is_exact(tmp_path: Path) -> None:
    types = (
        '<AbsoluteTimeParameterType name="T"><Encoding units="seconds" scale="1e-6" offset="2">'
        '<IntegerDataEncoding sizeInBits="64"/></Encoding><ReferenceTime><Epoch>2000-01-01T12:00:00'
        "</Epoch></ReferenceTime></AbsoluteTimeParameterType>"
    )
    time = load(tmp_path, document(types)).parameters["P"].type.time
    assert time is not None
    assert time.ns_per_unit == Fraction(1000)
    assert time.epoch_ns == 946_728_002 * 10**9


@pytest.mark.parametrize("scale", ["1e999999999", "1e-999999999", "1e40", "one", "0/0"])
def test_a_time_scale_that_no_time_has(tmp_path: Path, scale: str) -> None:
    """Refused before anything counts with it: the first one has a thousand million digits."""
    types = (
        f'<AbsoluteTimeParameterType name="T"><Encoding units="seconds" scale="{scale}">'
        '<IntegerDataEncoding sizeInBits="64"/></Encoding><ReferenceTime><Epoch>2000-01-01T12:00:00'
        "</Epoch></ReferenceTime></AbsoluteTimeParameterType>"
    )
    with pytest.raises(MissionError, match="scale is not a number that a time could have"):
        load(tmp_path, document(types))


def test_exclusive_limits_become_the_next_float(tmp_path: Path) -> None:
    types = (
        f'<IntegerParameterType name="T">{INT8}<DefaultAlarm minViolations="3"><StaticAlarmRanges>'
        '<WarningRange minExclusive="1" maxInclusive="9"/></StaticAlarmRanges></DefaultAlarm>'
        "</IntegerParameterType>"
    )
    alarm = load(tmp_path, document(types)).parameters["P"].type.alarm
    assert alarm is not None
    assert alarm.min_violations == 3
    assert 1 < alarm.low[1] < 1.0000001
    assert alarm.high[1] == 9


INT = '<IntegerParameterType name="T">{}</IntegerParameterType>'
REFUSED = {
    "more than 1,024 bits": document(INT.format('<IntegerDataEncoding sizeInBits="1025"/>')),
    "an unknown encoding": document(INT.format('<IntegerDataEncoding encoding="Gray"/>')),
    "a spline": document(
        INT.format(
            "<IntegerDataEncoding><DefaultCalibrator><SplineCalibrator/></DefaultCalibrator>"
            "</IntegerDataEncoding>"
        )
    ),
    "a context without its calibrator": document(
        INT.format(
            "<IntegerDataEncoding><ContextCalibratorList><ContextCalibrator/>"
            "</ContextCalibratorList></IntegerDataEncoding>"
        )
    ),
    "a base type": document('<IntegerParameterType name="T" baseType="B"/>'),
    "a string without an end": document(
        '<StringParameterType name="T"><StringDataEncoding><SizeInBits/></StringDataEncoding>'
        "</StringParameterType>"
    ),
    "an odd little-endian": document(
        INT.format('<IntegerDataEncoding sizeInBits="12" byteOrder="leastSignificantByteFirst"/>')
    ),
    "a missing type": document(parameters='<Parameter name="P" parameterTypeRef="X"/>'),
    "a missing parameter": document(containers=ROOT.replace('"P"', '"Q"')),
    "an include condition": document(
        containers=ROOT.replace(
            '<ParameterRefEntry parameterRef="P"/>',
            '<ParameterRefEntry parameterRef="P"><IncludeCondition/></ParameterRefEntry>',
        )
    ),
    "a repeat entry": document(
        containers=ROOT.replace(
            '<ParameterRefEntry parameterRef="P"/>',
            '<ParameterRefEntry parameterRef="P"><RepeatEntry/></ParameterRefEntry>',
        )
    ),
    "a boolean expression": document(
        containers=ROOT
        + '<SequenceContainer name="C"><EntryList/><BaseContainer containerRef="Root">'
        "<RestrictionCriteria><BooleanExpression/></RestrictionCriteria></BaseContainer>"
        "</SequenceContainer>"
    ),
    "a container of itself": document(
        containers='<SequenceContainer name="Root"><EntryList><ContainerRefEntry containerRef="Root"/>'
        "</EntryList></SequenceContainer>"
    ),
    "an inside range of a change": document(
        INT.format(INT8 + '<DefaultAlarm><ChangeAlarmRanges rangeForm="inside"/></DefaultAlarm>')
    ),
    "a change that is too slow": document(
        INT.format(
            INT8 + '<DefaultAlarm><ChangeAlarmRanges><WatchRange minInclusive="1"/>'
            "</ChangeAlarmRanges></DefaultAlarm>"
        )
    ),
    "a change alarm over many samples": document(
        INT.format(
            INT8 + '<DefaultAlarm><ChangeAlarmRanges spanOfInterestInSamples="5"/></DefaultAlarm>'
        )
    ),
    "an alarm without ranges": document(INT.format(INT8 + "<DefaultAlarm/>")),
    "an alarm of a boolean": document(
        f'<BooleanParameterType name="T">{INT8}<DefaultAlarm/></BooleanParameterType>'
    ),
    "an alarm of a label that is none": document(
        f'<EnumeratedParameterType name="T">{INT8}<EnumerationList>'
        '<Enumeration value="1" label="ON"/></EnumerationList><DefaultAlarm><EnumerationAlarmList>'
        '<EnumerationAlarm alarmLevel="critical" enumerationLabel="OFF"/></EnumerationAlarmList>'
        "</DefaultAlarm></EnumeratedParameterType>"
    ),
    "an epoch that is none": document(
        '<AbsoluteTimeParameterType name="T"><Encoding><IntegerDataEncoding/></Encoding>'
        "<ReferenceTime><Epoch>Easter</Epoch></ReferenceTime></AbsoluteTimeParameterType>"
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused_with_file_line_and_element(what: str, tmp_path: Path) -> None:
    with pytest.raises(MissionError, match=r"m\.xml, line \d+, <\w+"):
        load(tmp_path, REFUSED[what])


def test_not_xml_and_not_there(tmp_path: Path) -> None:
    with pytest.raises(MissionError, match="not well-formed"):
        load(tmp_path, "<SpaceSystem>")
    with pytest.raises(MissionError, match="cannot be read"):
        load_xtce(tmp_path / "none.xml")


def test_epoch() -> None:
    assert parse_epoch("1970-01-01") == 0
    assert parse_epoch("1958-01-01") == -4383 * 86400 * 10**9
    assert parse_epoch("2026-03-01T12:00:00+00:00") == 1_772_366_400 * 10**9
