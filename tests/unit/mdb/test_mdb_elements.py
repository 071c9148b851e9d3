"""XTCE elements that the drawn databases lack, and what was once let stand without being read."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import MissionError
from schemas.mission import BinaryEncoding
from tests.unit.mdb.test_mdb import INT, INT8, ROOT, document, load

TIME = (
    '<AbsoluteTimeParameterType name="{}"><Encoding><IntegerDataEncoding sizeInBits="32"/>'
    "</Encoding><ReferenceTime>{}</ReferenceTime></AbsoluteTimeParameterType>"
)
CUC = (
    '<AbsoluteTimeParameterType name="T"><Encoding><BinaryDataEncoding><SizeInBits><FixedValue>32'
    '</FixedValue></SizeInBits><FromBinaryTransformAlgorithm name="A"><AlgorithmText language='
    '"CCSDS 301.0-B">CUC 4+0</AlgorithmText>{}</FromBinaryTransformAlgorithm></BinaryDataEncoding>'
    "</Encoding><ReferenceTime><Epoch>TAI</Epoch></ReferenceTime></AbsoluteTimeParameterType>"
)


def test_five_ranges_of_an_alarm_in_rising_order(tmp_path: Path) -> None:
    ranges = (
        '<WatchRange minInclusive="-1" maxInclusive="1"/>'
        '<WarningRange minInclusive="-2" maxInclusive="2"/>'
        '<DistressRange minInclusive="-3" maxInclusive="3"/>'
        '<CriticalRange minInclusive="-4" maxInclusive="4"/>'
        '<SevereRange minInclusive="-5" maxInclusive="5"/>'
    )
    alarm = f"<DefaultAlarm><StaticAlarmRanges>{ranges}</StaticAlarmRanges></DefaultAlarm>"
    found = load(tmp_path, document(INT.format(INT8 + alarm))).parameters["P"].type.alarm
    assert found is not None
    assert found.low == tuple(-float(i) for i in range(1, 6))
    assert found.high == tuple(float(i) for i in range(1, 6))


def test_a_time_counted_from_another(tmp_path: Path) -> None:
    types = TIME.format("BOOT", "<Epoch>UNIX</Epoch>") + TIME.format(
        "T", '<OffsetFrom parameterRef="START"/>'
    )
    parameters = '<Parameter name="START" parameterTypeRef="BOOT"/><Parameter name="P" parameterTypeRef="T"/>'
    time = load(tmp_path, document(types, parameters)).parameters["P"].type.time
    assert time is not None
    assert time.offset_from == "START"


def test_properties_of_a_parameter_are_for_people(tmp_path: Path) -> None:
    parameters = (
        '<Parameter name="P" parameterTypeRef="T"><ParameterProperties dataSource="telemetered" '
        'readOnly="true"><SystemName>bus</SystemName></ParameterProperties></Parameter>'
    )
    assert set(load(tmp_path, document(parameters=parameters)).parameters) == {"P"}


@pytest.mark.parametrize("more", ["<InputSet/>", "<ExternalAlgorithmSet/>"])
def test_a_time_code_with_more_to_it_is_refused(more: str, tmp_path: Path) -> None:
    assert load(tmp_path, document(CUC.format(""))).parameters["P"].type.time
    with pytest.raises(MissionError, match=r"m\.xml, line \d+, <(Input|External)"):
        load(tmp_path, document(CUC.format(more)))


def test_an_attribute_of_no_meaning_is_refused_everywhere(tmp_path: Path) -> None:
    for tag in ("<EntryList", "<ParameterSet", "<ParameterTypeSet"):
        with pytest.raises(MissionError, match="attribute 'often' is not supported"):
            load(tmp_path, document(containers=ROOT).replace(tag, f'{tag} often="1"'))


def test_a_comment_ends_no_number(tmp_path: Path) -> None:
    """<FixedValue>1 and a comment, then 6</FixedValue> are 16 bits, not 1."""
    binary = (
        '<BinaryParameterType name="T"><BinaryDataEncoding><SizeInBits><FixedValue>1<!-- ten -->6'
        "</FixedValue></SizeInBits></BinaryDataEncoding></BinaryParameterType>"
    )
    encoding = load(tmp_path, document(binary)).parameters["P"].type.encoding
    assert encoding == BinaryEncoding(16)
    with pytest.raises(MissionError, match="<b>: not supported inside <FixedValue>"):
        load(tmp_path, document(binary.replace("<!-- ten -->", "<b/>")))
