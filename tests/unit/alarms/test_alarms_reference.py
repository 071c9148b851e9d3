"""Alarms of drawn databases against a slow reading of the standard, sample by sample."""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest

from pipeline.chain import Chain
from pipeline.mission.folder import load_mission
from schemas import topics
from schemas.records import PACKETS_HEADERS, RawRecord, encode_packets
from tests.unit.mdb.test_mdb import document

SECOND = 1_000_000_000
LEVELS = ("normal", "watch", "warning", "distress", "critical", "severe")
TYPES = (
    '<IntegerParameterType name="M"><IntegerDataEncoding sizeInBits="8"/></IntegerParameterType>'
    '<FloatParameterType name="T"><FloatDataEncoding sizeInBits="32"/>{}</FloatParameterType>'
)
ROOT = (
    '<SequenceContainer name="Root"><EntryList><ParameterRefEntry parameterRef="MODE">'
    '<LocationInContainerInBits referenceLocation="containerStart"><FixedValue>48</FixedValue>'
    '</LocationInContainerInBits></ParameterRefEntry><ParameterRefEntry parameterRef="P"/>'
    "</EntryList></SequenceContainer>"
)
PARAMETERS = (
    '<Parameter name="MODE" parameterTypeRef="M"/><Parameter name="P" parameterTypeRef="T"/>'
)


@dataclass
class Alarm:
    """One DefaultAlarm or ContextAlarm; mode: of its context."""

    enter: int
    leave: int
    mode: int = -1
    outside: list[tuple[int, float, float]] = field(default_factory=list)
    inside: list[tuple[int, float, float]] = field(default_factory=list)
    change: tuple[int, float] | None = None
    conditions: list[tuple[int, float]] = field(default_factory=list)  # level, P > number

    def level(self, x: float, moved: float | None) -> int:
        found = [v for v, low, high in self.outside if not low <= x <= high]
        found += [v for v, low, high in self.inside if low <= x <= high]
        found += [v for v, above in self.conditions if x > above]
        if self.change and moved is not None and abs(moved) > self.change[1]:
            found.append(self.change[0])
        return max(found, default=0)


def draw(rnd: random.Random, mode: int) -> tuple[Alarm, str, str]:
    """An alarm, and the same in XTCE: its attributes, its content."""
    one = Alarm(rnd.randint(1, 3), rnd.randint(1, 3), mode)
    parts = ""
    if rnd.random() < 0.3:
        for level in sorted(rnd.sample(range(1, 6), 2)):
            one.conditions.append((level, float(rnd.randint(-5, 9))))
        rows = (
            f"<{LEVELS[v].title()}Alarm><Comparison parameterRef='P' comparisonOperator='&gt;' "
            f"value='{x}'/></{LEVELS[v].title()}Alarm>"
            for v, x in one.conditions
        )
        parts += f"<AlarmConditions>{''.join(rows)}</AlarmConditions>"
    if rnd.random() < 0.6:
        form, into = rnd.choice([("outside", one.outside), ("inside", one.inside)])
        rows = ""
        for level in sorted(rnd.sample(range(1, 6), rnd.randint(1, 3))):
            low = rnd.randint(-8, 4)
            into.append((level, low, low + rnd.randint(0, 9)))
            name = LEVELS[level].title()
            rows += f'<{name}Range minInclusive="{low}" maxInclusive="{into[-1][2]}"/>'
        parts += f'<StaticAlarmRanges rangeForm="{form}">{rows}</StaticAlarmRanges>'
    if rnd.random() < 0.4:
        one.change = (rnd.randint(1, 5), float(rnd.randint(1, 6)))
        name, most = LEVELS[one.change[0]].title(), one.change[1]
        parts += (
            f'<ChangeAlarmRanges changeType="changePerSample"><{name}Range maxInclusive="{most}"/>'
            "</ChangeAlarmRanges>"
        )
    if rnd.random() < 0.4 or not parts:
        rows = ""
        for _ in range(rnd.randint(1, 3)):
            form, into = rnd.choice([("outside", one.outside), ("inside", one.inside)])
            level, low = rnd.randint(1, 5), rnd.randint(-8, 4)
            into.append((level, low, low + rnd.randint(0, 9)))
            rows += (
                f'<Range rangeForm="{form}" level="{LEVELS[level]}" minInclusive="{low}" '
                f'maxInclusive="{into[-1][2]}"/>'
            )
        parts += f"<AlarmMultiRanges>{rows}</AlarmMultiRanges>"
    return one, f'minViolations="{one.enter}" minConformance="{one.leave}"', parts


class Slow:
    """One monitor, as the standard tells it."""

    def __init__(self, alarms: list[Alarm]) -> None:
        self.alarms, self.level, self.before = alarms, 0, None
        self.run: list[int] = []  # levels of the run, all above or all below

    def sample(self, mode: int, x: float) -> tuple[int, int, int] | None:
        """(level before, level after, what this sample alone says) of a transition."""
        if x != x:
            return None
        alarm = next((a for a in self.alarms[1:] if a.mode == mode), self.alarms[0])
        moved = None if self.before is None else x - self.before
        self.before = x
        now = alarm.level(x, moved)
        if now == self.level:
            self.run = []
            return None
        up = now > self.level
        if self.run and (self.run[-1] > self.level) != up:
            self.run = []
        self.run.append(now)
        if len(self.run) < (alarm.enter if up else alarm.leave):
            return None
        old, self.level = self.level, min(self.run) if up else max(self.run)
        self.run = []
        return old, self.level, now


@pytest.mark.parametrize("seed", range(40))
def test_drawn_alarms(seed: int, tmp_path: Path) -> None:
    rnd = random.Random(seed)
    made = [draw(rnd, mode) for mode in (-1, *rnd.sample(range(4), rnd.randint(0, 3)))]
    alarms = [one for one, *_ in made]
    (_, attributes, body), *contexts = made
    xml = f"<DefaultAlarm {attributes}>{body}</DefaultAlarm>"
    if contexts:
        rows = "".join(
            f"<ContextAlarm {attributes}>{body}<ContextMatch><Comparison parameterRef='MODE' "
            f"value='{alarm.mode}'/></ContextMatch></ContextAlarm>"
            for alarm, attributes, body in contexts
        )
        xml += f"<ContextAlarmList>{rows}</ContextAlarmList>"
    (tmp_path / "x.xml").write_text(document(TYPES.format(xml), PARAMETERS, ROOT))
    (tmp_path / "mission.toml").write_text('name = "m"\nxtce = "x.xml"\n')
    mode, x, slow = 0, 0.0, Slow(alarms)
    records, expected = [], []
    for i in range(400):
        mode = rnd.randint(0, 4) if rnd.random() < 0.2 else mode
        x += rnd.choice([0, 0, 1, -1, 3, -3, 0.5])
        x = max(-10, min(x, 10))
        value = float("nan") if rnd.random() < 0.05 else x
        packet = struct.pack(">HHHBf", 1, 0xC000 | i, 4, mode, value)
        # far enough apart that no alarm is told as flapping
        content = encode_packets([(1_700_000_000 + 20 * i) * SECOND], packet)
        records.append(RawRecord(i, content, PACKETS_HEADERS))
        step = slow.sample(mode, value)
        if step:
            expected.append((i, *(LEVELS[level] for level in step)))
    chain, told = Chain(load_mission(tmp_path)), []
    for a, b in ((0, 137), (137, 400)):
        for _, out in chain.feed(records[a:b]).outputs:
            alert: dict[str, Any] = orjson.loads(out.value) if out.topic == topics.ALERTS else {}
            if alert and alert["monitor"]["kind"] == "limit":
                now = max((LEVELS.index(r["level"]) for r in alert["reasons"]), default=0)
                levels = alert["level_before"], alert["level_after"], LEVELS[now]
                told.append((alert["input"]["last_offset"], *levels))
    assert told == expected, f"seed {seed}"
    assert expected, f"seed {seed} draws an alarm that never speaks"
