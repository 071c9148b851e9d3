"""The watch among strangers' records: counted or shown, and what is shown gives no orders."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import orjson

from agents.watch import Board
from agents.watch.lines import Lines, alarm_line
from schemas import topics
from tests.fuzz.inputs import Input
from tests.fuzz.mutate import WORDS, damage, damage_text
from tests.fuzz.targets import Refused
from tests.watching import NOW, S, alert, pane, state

_TOPICS = (topics.ALARMS, topics.ALERTS, topics.STATISTICS)
_KINDS = ("limit", "time_to_limit", "stale")
_LEVELS = ("normal", "watch", "warning", "distress", "critical", "severe")
_DONE = ("raised", "changed", "cleared", "acknowledged", "inhibited", "enabled", "limits_set")
WILD = (
    None, True, 0, -1, 1.5, 2**63, -(2**63), 2**64 - 1, 1e308, "", "x" * 2000, "\x1b]0;x\x07", "[/s]",
    "\u202e", "\n", [], {}, [None], {"who": "ann"}, {"who": 3}, {"kind": "limit"}, {"kind": {}},
)  # fmt: skip
TOKENS = (
    "null", "NaN", "1e999", '"\\ud800"', "[" * 2000, "1" * 400, '"level"', '"severe"', '"[/s]"',
    '"\\u001b[2J"', "-0", '"lead_s":', '"acknowledged":',
)  # fmt: skip
Record = tuple[str, bytes, bytes | None]


def watch(rnd: random.Random, _: Path) -> tuple[Input, Refused]:
    """Every record is understood or counted; all that is shown is printable and a line long."""
    records = [record(rnd) for _ in range(rnd.choice((1, 20, 60)))]
    board, said = Board(), list[str]()
    lines = Lines(board, said.append)
    now = NOW
    board.begin(now)
    for topic, key, value in records:
        before, seen = board.not_understood, board.records
        now += rnd.choice((0, S // 100, 30 * S))
        row = board.take(topic, key, value, now, rnd.choice((None, 0, now - S, now + S)))
        assert board.records == seen + 1
        assert row is None or board.not_understood == before
        if row:
            lines.alert(row)
        if rnd.random() < 0.05:
            rnd.choice((board.begin, board.known))(now)
    board.known(now)
    lines.status(now)
    lines.standing(now)
    rows = [board.alarm_row(a, now) for a in board.alarms]
    said += [x for r in rows for x in (alarm_line(r), *r.about)]
    said += [str(board.figure_row(k, now)) for k in board.figures]
    for line in said:
        assert "\n" not in line
        assert all(c.isprintable() or c.isspace() for c in line)
        assert len(line) < 4000
    size = sum(len(key) + len(value or b"") for _, key, value in records)
    return Input(records, size, True), Refused(not_understood=board.not_understood)


def record(rnd: random.Random) -> Record:
    """Of one of the topics, damaged or not."""
    topic = rnd.choice(_TOPICS)
    name = rnd.choice(("/S/A/P", "/S/B/P", "P", "/", rnd.choice(WORDS)))
    kind, level, when = rnd.choice(_KINDS), rnd.choice(_LEVELS), NOW - rnd.randrange(10**12)
    key, value = b"hl1", pane([name, "/S/A/Q"], rnd.choice((60, 600.5)))
    if topic == topics.ALARMS:
        key, value = state(name, level, kind=kind, lead_s=9.0, reception_ns=when)
    elif topic == topics.ALERTS:
        more = {"control": {"who": "ann", "why": "x"}} if rnd.random() < 0.3 else {}
        value = alert(
            name, level, rnd.randrange(1000), kind=kind, transition=rnd.choice(_DONE), **more
        )
    return damaged(rnd, (topic, key, value), ("acknowledged", "inhibited", "label"))


def damaged(
    rnd: random.Random, given: tuple[str, bytes, bytes], more: Sequence[str], within: str = ""
) -> Record:
    """As it should be, with another field, with other characters, or with other bytes. more: fields
    that it may get. within: a field that is an object itself, whose fields are others too."""
    topic, key, value = given
    how = rnd.randrange(8)
    if how == 0:
        return topic, rnd.choice((key, b"")), None
    if how == 1:
        return topic, key, rnd.randbytes(rnd.randint(0, 300))
    if how == 2:
        return topic, damage(rnd, key, 2), value
    if how == 3:
        return topic, key, damage(rnd, value, 3)
    if how == 4:
        return topic, key, damage_text(rnd, value.decode(), TOKENS, 3).encode(errors="replace")
    if how < 7:
        fields = orjson.loads(value)
        inside = fields.get(within) if within and rnd.random() < 0.4 else None
        where = inside if isinstance(inside, dict) else fields
        for _ in range(rnd.randint(1, 3)):
            where[rnd.choice((*where, *more))] = rnd.choice(WILD)
        return topic, key, orjson.dumps(fields)
    return topic, key, value
