"""Alarms of an XTCE through the whole chain: static, change and state in one monitor."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import orjson
import pytest
from jsonschema import Draft202012Validator

from pipeline.chain import Chain
from pipeline.errors import MissionError
from pipeline.mission.folder import load_mission
from schemas import topics
from schemas.records import PACKETS_HEADERS, RawRecord, encode_packets
from tests.unit.mdb.test_mdb import document

SCHEMA = Path(__file__).parents[3] / "schemas" / "json" / "alert.schema.json"
SECOND = 1_000_000_000
F4 = '<FloatDataEncoding sizeInBits="32" encoding="IEEE754_1985"/>'
INT8 = '<IntegerDataEncoding sizeInBits="8" encoding="unsigned"/>'


ROOT = (
    '<SequenceContainer name="Root"><EntryList><ParameterRefEntry parameterRef="P">'
    '<LocationInContainerInBits referenceLocation="containerStart"><FixedValue>48</FixedValue>'
    "</LocationInContainerInBits></ParameterRefEntry></EntryList></SequenceContainer>"
)


def numeric(alarm: str) -> str:
    return f'<FloatParameterType name="T">{F4}{alarm}</FloatParameterType>'


def run(
    folder: Path,
    types: str,
    packing: str,
    values: list[Any],
    seconds: list[int] | None = None,
    settings: str = "",
) -> list[dict[str, Any]]:
    """Alerts of values at these seconds; one a second by default."""
    at = seconds or list(range(len(values)))
    (folder / "x.xml").write_text(document(types, containers=ROOT))
    (folder / "mission.toml").write_text(f'name = "m"\nxtce = "x.xml"\n{settings}')
    chain = Chain(load_mission(folder))
    records = []
    for i, value in enumerate(values):
        body = struct.pack(packing, value)
        packet = struct.pack(">HHH", 1, 0xC000 | i, len(body) - 1) + body
        content = encode_packets([(1_700_000_000 + at[i]) * SECOND], packet)
        records.append(RawRecord(i, content, PACKETS_HEADERS))
    outputs = [o for _, o in chain.feed(records).outputs if o.topic == topics.ALERTS]
    alerts = [orjson.loads(o.value) for o in outputs]
    for alert in alerts:
        Draft202012Validator(orjson.loads(SCHEMA.read_bytes())).validate(alert)
    return [a for a in alerts if a["monitor"]["kind"] == "limit"]


def told(alerts: list[dict[str, Any]]) -> list[tuple[int, str, list[str]]]:
    """(second, level, checks that had something to say)"""
    return [
        (a["input"]["last_offset"], a["level_after"], [r["check"] for r in a["reasons"]])
        for a in alerts
    ]


def test_violations_and_conformance(tmp_path: Path) -> None:
    """Three samples in a row to enter, two to leave (XTCE 1.2, AlarmType)."""
    alarm = (
        '<DefaultAlarm minViolations="3" minConformance="2"><StaticAlarmRanges>'
        '<CriticalRange maxInclusive="10"/></StaticAlarmRanges></DefaultAlarm>'
    )
    values = [11, 11, 5, 11, 11, 11, 5, 11, 5, 5]
    alerts = run(tmp_path, numeric(alarm), ">f", values)
    assert told(alerts) == [(5, "critical", ["static"]), (9, "normal", [])]


@pytest.mark.parametrize("kind", ["changePerSecond", "changePerSample"])
def test_change(tmp_path: Path, kind: str) -> None:
    alarm = (
        f'<DefaultAlarm><ChangeAlarmRanges changeType="{kind}">'
        '<WarningRange minInclusive="-2" maxInclusive="2"/></ChangeAlarmRanges></DefaultAlarm>'
    )
    alerts = run(tmp_path, numeric(alarm), ">f", [0, 2, 4, 7, 7, float("nan"), 9.5, 9])
    # a NaN is passed over: from 7 to 9.5 in two seconds is slow enough, in one step it is not
    late = [(6, "warning", ["change"]), (7, "normal", [])] if kind.endswith("Sample") else []
    assert told(alerts) == [(3, "warning", ["change"]), (4, "normal", []), *late]
    assert "changing by 3" in alerts[0]["sentence"]


def test_several_reasons(tmp_path: Path) -> None:
    """One monitor hears both, the more severe counts, and both are listed."""
    alarm = (
        '<DefaultAlarm><StaticAlarmRanges><WarningRange maxInclusive="10"/></StaticAlarmRanges>'
        '<ChangeAlarmRanges changeType="changePerSample"><CriticalRange maxInclusive="5"/>'
        "</ChangeAlarmRanges></DefaultAlarm>"
    )
    alerts = run(tmp_path, numeric(alarm), ">f", [0, 12, 13, 9])
    assert told(alerts) == [
        (1, "critical", ["static", "change"]),
        (2, "warning", ["static"]),
        (3, "normal", []),
    ]


def test_states(tmp_path: Path) -> None:
    types = (
        f'<EnumeratedParameterType name="T">{INT8}<EnumerationList>'
        '<Enumeration value="0" label="SAFE"/><Enumeration value="1" label="ARMED"/>'
        '<Enumeration value="2" label="FIRED"/></EnumerationList>'
        '<DefaultAlarm defaultAlarmLevel="watch"><EnumerationAlarmList>'
        '<EnumerationAlarm alarmLevel="normal" enumerationLabel="SAFE"/>'
        '<EnumerationAlarm alarmLevel="severe" enumerationLabel="FIRED"/>'
        "</EnumerationAlarmList></DefaultAlarm></EnumeratedParameterType>"
    )
    alerts = run(tmp_path, types, ">B", [0, 1, 2, 9, 0])  # 9 has no label: it says nothing
    assert [(s, level) for s, level, _ in told(alerts)] == [
        (1, "watch"),
        (2, "severe"),
        (4, "normal"),
    ]
    assert alerts[1]["sentence"] == "P is 2, which is FIRED (severe)."


def test_conformance_is_as_many_as_violations_by_default(tmp_path: Path) -> None:
    alarm = (
        '<DefaultAlarm minViolations="2"><StaticAlarmRanges><WatchRange maxInclusive="10"/>'
        "</StaticAlarmRanges></DefaultAlarm>"
    )
    alerts = run(tmp_path, numeric(alarm), ">f", [11, 11, 5, 11, 5, 5])
    assert [(s, level) for s, level, _ in told(alerts)] == [(1, "watch"), (5, "normal")]


def test_a_repeated_time_clears_no_rate(tmp_path: Path) -> None:
    alarm = (
        '<DefaultAlarm><ChangeAlarmRanges><WarningRange minInclusive="-2" maxInclusive="2"/>'
        "</ChangeAlarmRanges></DefaultAlarm>"
    )
    values, seconds = [0, 5, 5, 10, 10.5], [0, 1, 1, 2, 3]
    alerts = run(tmp_path, numeric(alarm), ">f", values, seconds)
    assert told(alerts) == [(1, "warning", ["change"]), (4, "normal", [])]


def test_each_reason_has_its_own_level(tmp_path: Path) -> None:
    alarm = (
        '<DefaultAlarm><StaticAlarmRanges><WarningRange maxInclusive="10"/></StaticAlarmRanges>'
        '<ChangeAlarmRanges changeType="changePerSample"><CriticalRange maxInclusive="5"/>'
        "</ChangeAlarmRanges></DefaultAlarm>"
    )
    (alert,) = run(tmp_path, numeric(alarm), ">f", [0, 12])
    assert "beyond its warning limit 10" in alert["sentence"]
    assert "beyond its critical limit 5" in alert["sentence"]


TEXT = (
    '<StringParameterType name="T"><StringDataEncoding encoding="UTF-8"><SizeInBits><Fixed>'
    "<FixedValue>48</FixedValue></Fixed><TerminationChar/></SizeInBits></StringDataEncoding>"
    '<DefaultAlarm defaultAlarmLevel="watch"><StringAlarmList>{}</StringAlarmList></DefaultAlarm>'
    "</StringParameterType>"
)


def test_texts(tmp_path: Path) -> None:
    """The first pattern that fits, as a whole; else the default."""
    patterns = [
        ("OK", "normal"),
        ("ERR.*", "severe"),
        (".*ED", "warning"),
        (r".*A\.B.*", "critical"),
    ]
    rows = "".join(
        f'<StringAlarm matchPattern="{p}" alarmLevel="{level}"/>' for p, level in patterns
    )
    values = [b"OK", b"ERR 7", b"ARMED", b"xA.By", b"xAxBy", b"OKAY", b"OK", b"A.B", b"RR", b"OK"]
    alerts = run(tmp_path, TEXT.format(rows), ">6s", values)
    assert told(alerts) == [
        (1, "severe", ["condition"]), (2, "warning", ["condition"]), (3, "critical", ["condition"]),
        (4, "watch", ["condition"]), (6, "normal", []), (7, "critical", ["condition"]),
        (8, "watch", ["condition"]), (9, "normal", []),
    ]  # fmt: skip


@pytest.mark.parametrize("pattern", ["A+", "[AB]", "A|B", ".*A.*B", "^A"])
def test_a_pattern_beyond_a_text_is_refused(tmp_path: Path, pattern: str) -> None:
    row = f'<StringAlarm matchPattern="{pattern}" alarmLevel="watch"/>'
    with pytest.raises(MissionError, match="more than a text"):
        run(tmp_path, TEXT.format(row), ">6s", [b"A"])


def test_conditions_of_a_boolean_and_of_a_binary(tmp_path: Path) -> None:
    alarm = (
        "<AlarmConditions><WarningAlarm><Comparison parameterRef='P' value='BAD'/></WarningAlarm>"
        "</AlarmConditions>"
    )
    boolean = (
        f'<BooleanParameterType name="T" oneStringValue="BAD">{INT8}<DefaultAlarm>{alarm}'
        "</DefaultAlarm></BooleanParameterType>"
    )
    assert told(run(tmp_path, boolean, ">B", [0, 1, 0])) == [
        (1, "warning", ["condition"]),
        (2, "normal", []),
    ]


def test_alarms_of_a_duration(tmp_path: Path) -> None:
    types = (
        f'<RelativeTimeParameterType name="T"><Encoding>{INT8}</Encoding><DefaultAlarm>'
        '<StaticAlarmRanges timeUnits="seconds"><WatchRange maxInclusive="9"/></StaticAlarmRanges>'
        '<ChangePerSecondAlarmRanges><SevereRange maxInclusive="3"/></ChangePerSecondAlarmRanges>'
        "</DefaultAlarm></RelativeTimeParameterType>"
    )
    assert told(run(tmp_path, types, ">B", [8, 10, 15, 16, 9])) == [
        (1, "watch", ["static"]),
        (2, "severe", ["static", "change"]),
        (3, "watch", ["static"]),
        (4, "severe", ["change"]),
    ]


def test_a_level_must_last(tmp_path: Path) -> None:
    alarm = (
        '<DefaultAlarm><StaticAlarmRanges><WarningRange maxInclusive="10"/></StaticAlarmRanges>'
        "</DefaultAlarm>"
    )
    settings = "[alarms.P]\nmin_s = 2.0\n"
    values = [11, 11, 5, 11, 11, 11, 5, 5, 5]
    alerts = run(tmp_path, numeric(alarm), ">f", values, settings=settings)
    assert told(alerts) == [(5, "warning", ["static"]), (8, "normal", [])]


def test_every_condition(tmp_path: Path) -> None:
    """The most severe that holds, in whatever order they are written."""
    rows = (
        "<WatchAlarm>{}1'/></WatchAlarm><WarningAlarm>{}2'/></WarningAlarm>"
        "<DistressAlarm>{}3'/></DistressAlarm><CriticalAlarm>{}4'/></CriticalAlarm>"
        "<SevereAlarm>{}5'/></SevereAlarm>"
    ).replace("{}", "<Comparison parameterRef='P' comparisonOperator='&gt;=' value='")
    alarm = f"<DefaultAlarm><AlarmConditions>{rows}</AlarmConditions></DefaultAlarm>"
    alerts = run(tmp_path, numeric(alarm), ">f", [0, 1, 2, 3, 4, 5, 0])
    words = [level for _, level, _ in told(alerts)]
    assert words == ["watch", "warning", "distress", "critical", "severe", "normal"]
