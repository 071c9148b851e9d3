"""Sources that nobody gave a mission for, in one lane with those that have one."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from jsonschema import Draft202012Validator

from agents.lane.chains import Chains
from agents.lane.strangers import RECORDS
from schemas import topics
from schemas.columns import Output
from schemas.records import TICK_HEADERS, RawRecord, encode_tick
from tests.chunks import chunk_of
from tests.laws.vehicle import vehicle_mission
from tests.unit.alarms.test_alarms import SCHEMA, SECOND

BASE = 1_700_000_000


def lane() -> Chains:
    return Chains({"known": vehicle_mission()}, 0)


def records(keys: list[tuple[str, int]]) -> list[tuple[str, RawRecord]]:
    """A record of each key at its second: ticks of the known one, anything of others."""
    return [
        (key, RawRecord(i, encode_tick((BASE + t) * SECOND), TICK_HEADERS, (BASE + t) * SECOND))
        for i, (key, t) in enumerate(keys)
    ]


def told(outputs: list[Output]) -> list[tuple[str, str, int]]:
    """(source, transition, offset)"""
    found = []
    for o in outputs:
        alert: dict[str, Any] = orjson.loads(o.value) if o.topic == topics.ALERTS else {}
        if alert and alert["monitor"]["kind"] == "unknown_source":
            Draft202012Validator(orjson.loads(SCHEMA.read_bytes())).validate(alert)
            found.append((alert["source"], alert["transition"], int(o.id.split("-")[-2])))
    return found


def test_a_stranger_that_stays_is_told_and_one_that_goes_is_cleared() -> None:
    keys = [("who", t) for t in range(20)] + [("known", t) for t in range(20, 120)]
    assert told(lane().feed(chunk_of(records(keys))).outputs) == [
        ("who", "raised", RECORDS - 1),
        ("who", "cleared", 80),
    ]


def test_another_stranger_lets_time_go_on() -> None:
    keys = [("a", t) for t in range(20)] + [("b", t) for t in range(20, 120)]
    assert ("a", "cleared", 80) in told(lane().feed(chunk_of(records(keys))).outputs)


def test_a_hundred_of_one_record_hide_nobody() -> None:
    keys = [(f"s{i}", 0) for i in range(100)] + [("late", 3600 + t) for t in range(20)]
    assert [x[:2] for x in told(lane().feed(chunk_of(records(keys))).outputs)] == [
        ("late", "raised")
    ]


def test_every_refused_record_is_counted() -> None:
    fed = lane().feed(chunk_of(records([(f"s{i}", 0) for i in range(300)])))
    assert sum(fed.unknown.values()) == 300
    assert fed.unknown["(others)"] == 200


@pytest.mark.parametrize("cut", [1, 7])
def test_any_cut_and_a_restored_state_give_the_same(cut: int) -> None:
    keys = [("who" if t % 3 else "known", t) for t in range(60)]
    keys += [("known", t) for t in range(60, 200)] + [("who", 200 + t) for t in range(15)]
    given = records(keys)
    want = [(o.id, o.value) for o in lane().feed(chunk_of(given)).outputs]
    assert len({id_ for id_, _ in want}) == len(want)
    got, one = [], lane()
    for i in range(0, len(given), cut):
        got += [(o.id, o.value) for o in one.feed(chunk_of(given[i : i + cut])).outputs]
        other = lane()
        other.restore(one.snapshot())
        one = other
    assert got == want


def test_a_source_called_like_the_state_is_a_source() -> None:
    one = Chains({"strangers": vehicle_mission()}, 0)
    one.feed(chunk_of(records([("strangers", 1), ("who", 1)])))
    other = Chains({"strangers": vehicle_mission()}, 0)
    other.restore(one.snapshot())
    assert one.snapshot().keys() == other.snapshot().keys()
