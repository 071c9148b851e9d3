"""What stands and what was done about it (agents/desk/board.py, incidents.py, deeds.py)."""

from __future__ import annotations

import contextlib
import json
import random
from dataclasses import replace
from importlib.resources import files
from typing import Any

import jsonschema
import pytest

from agents.desk.board import Board
from agents.desk.deeds import DeedError, NothingError, UnknownError
from agents.desk.incidents import LOSS_OF_SIGNAL, STORM
from agents.desk.notices import notices
from agents.desk.views import alarm_view
from agents.settings import DeskSettings
from schemas.desk import DONE, NOTICED, DeskRecord, Seen, decode_desk, encode_desk
from schemas.mission import Level
from schemas.topics import MOST_BYTES
from tests.unit.desk.shift import ALL_LEVELS, Shift, anew, told

HOUR = 3600.0


def test_the_life_of_an_alarm() -> None:
    shift = Shift()
    key = shift.alarm("P", "warning")
    assert shift.status(key) == "unacknowledged"
    shift.do("acknowledge", [key])
    assert shift.status(key) == "acknowledged"
    shift.alarm("P", "normal")
    assert shift.status(key) == "normal"
    shift.alarm("P", "warning")  # the next one nobody has seen
    assert shift.status(key) == "unacknowledged"
    shift.alarm("P", "normal")
    assert shift.status(key) == "returned"
    shift.do("acknowledge", [key])
    assert shift.status(key) == "normal"


def test_an_acknowledgement_is_of_what_was_seen() -> None:
    shift = Shift()
    key = shift.alarm("P", "warning")
    shift.do("acknowledge", [key])
    shift.alarm("P", "critical")
    assert shift.status(key) == "unacknowledged"
    shift.do("acknowledge", [key])
    shift.alarm("P", "warning")
    assert shift.status(key) == "acknowledged"


def test_what_was_worse_since_nobody_has_seen() -> None:
    shift = Shift()
    key = shift.alarm("P", "warning")
    shift.do("acknowledge", [key])
    shift.alarm("P", "critical")
    shift.alarm("P", "warning")
    assert shift.status(key) == "unacknowledged"
    shift.alarm("P", "normal")
    assert shift.status(key) == "returned"
    shift.do("acknowledge", [key])
    assert shift.status(key) == "normal"


def test_what_is_only_to_be_watched_asks_for_nothing_once_it_is_gone() -> None:
    shift = Shift()
    key = shift.alarm("P", "watch")
    assert shift.status(key) == "unacknowledged"
    shift.alarm("P", "normal")
    assert shift.status(key) == "normal"


def test_shelving_ends_by_itself() -> None:
    shift = Shift()
    key = shift.alarm("P", "critical")
    shift.do("shelve", [key], for_s=HOUR)
    assert shift.status(key) == "shelved"
    assert shift.look() == []
    [opened] = shift.look(HOUR)
    assert (shift.status(key), opened.what) == ("unacknowledged", "opened")


def test_out_of_service_does_not() -> None:
    shift = Shift()
    key = shift.alarm("P", "critical")
    shift.do("out_of_service", [key])
    assert shift.look(1e6) == []
    shift.do("in_service", [key])
    assert [r.what for r in shift.look()] == ["opened"]


def test_an_incident_that_is_shelved_is_over_and_one_of_its_own_afterwards() -> None:
    shift = Shift()
    key = shift.alarm("P", "critical")
    assert [r.what for r in shift.look()] == ["opened"]
    shift.do("shelve", [key], for_s=HOUR)
    [closed] = shift.look()
    assert (closed.what, closed.why) == (
        "closed", "what stands of it is shelved by ana: seen",
    )  # fmt: skip
    assert [(r.what, r.incident) for r in shift.look(HOUR)] == [("opened", "2")]


def test_a_parameter_is_one_incident_whatever_speaks() -> None:
    shift = Shift()
    shift.alarm("P", "watch", "residual")
    assert [r.what for r in shift.look()] == ["opened"]
    shift.alarm("P", "warning", "time_to_limit")
    assert [r.what for r in shift.look(600)] == ["joined", "worse", "escalated"]
    shift.alarm("P", "critical")
    assert [r.what for r in shift.look(600)] == ["joined", "worse"]
    assert shift.open() == [("P", 3, Level.CRITICAL)]
    for kind in ("residual", "time_to_limit", "limit"):
        assert shift.look() == []
        shift.alarm("P", "normal", kind)
    [closed] = shift.look()
    assert (closed.what, closed.incident, shift.open()) == ("closed", "1", [])


def test_a_group_is_one_incident_for_a_while() -> None:
    shift = Shift(dict.fromkeys("ABCD", "bus"))
    shift.alarm("A", "warning")
    shift.look()
    shift.alarm("B", "warning")
    assert [r.what for r in shift.look(40)] == ["joined"]
    shift.alarm("C", "warning")  # counted from the last that joined
    assert [r.what for r in shift.look(40)] == ["joined"]
    shift.alarm("D", "warning")  # of the same bus, much later: another event
    assert [r.what for r in shift.look(1000)] == ["opened", "escalated"]
    assert shift.open() == [("bus", 3, Level.WARNING), ("bus", 1, Level.WARNING)]


def test_loss_of_signal_takes_everything_of_its_source() -> None:
    shift = Shift({"A": "bus"})
    shift.alarm("S", "distress", "los")
    shift.alarm("A", "critical")
    shift.alarm("A", "critical", source="other")
    assert [r.what for r in shift.look()] == ["opened", "opened"]
    assert shift.open() == [(LOSS_OF_SIGNAL, 2, Level.CRITICAL), ("bus", 1, Level.CRITICAL)]
    shift.alarm("B", "warning")
    assert next(r.what for r in shift.look(10_000)) == "joined"  # while it lasts
    shift.alarm("S", "normal", "los")
    shift.look(100)
    shift.alarm("C", "warning")
    assert [r.what for r in shift.look()] == ["opened"]


def test_a_storm_is_one_incident() -> None:
    shift = Shift()
    for i in range(10_000):
        shift.alarm(f"P{i}", "warning")
    assert [r.what for r in shift.look()] == ["opened"]
    assert shift.open() == [(STORM, 10_000, Level.WARNING)]
    assert shift.board.incidents["1"].head == "P0 is warning."
    shift.alarm("Q", "critical")
    assert [r.what for r in shift.look(20)] == ["joined", "worse"]


def test_a_storm_that_comes_bit_by_bit_takes_in_what_was_there() -> None:
    shift = Shift(rules=DeskSettings(storm=4))
    for name in "ABC":
        shift.alarm(name, "warning")
        assert [r.what for r in shift.look()] == ["opened"]
    shift.alarm("D", "distress")
    [opened] = shift.look()
    assert (opened.group, opened.absorbs, opened.level) == (STORM, ("1", "2", "3"), "distress")
    assert shift.open() == [(STORM, 4, Level.DISTRESS)]
    assert shift.board.incidents["4"].head == "A is warning."  # the first out of them all
    assert shift.board.incidents["1"].end == "it is part of incident 4 now"


def test_a_storm_of_what_is_only_to_be_watched_hides_no_warning() -> None:
    shift = Shift()
    for i in range(20):
        shift.alarm(f"P{i}", "watch", "residual")
    shift.alarm("Q", "warning")
    assert [r.what for r in shift.look()] == ["opened", "opened"]
    assert shift.open() == [("Q", 1, Level.WARNING), (STORM, 20, Level.WATCH)]
    shift.alarm("P3", "critical", "residual")  # one that outgrows it
    assert [r.what for r in shift.look()] == ["opened"]
    assert shift.open()[-1] == ("P3", 1, Level.CRITICAL)


def test_groups_are_no_storm() -> None:
    """Fifty alarms of two subsystems are two incidents."""
    shift = Shift({f"P{i}": "ab"[i % 2] for i in range(50)})
    for i in range(50):
        shift.alarm(f"P{i}", "warning")
    shift.look()
    assert shift.open() == [("a", 25, Level.WARNING), ("b", 25, Level.WARNING)]


def test_it_is_escalated_once_and_only_if_nobody_answers() -> None:
    shift = Shift()
    a, b = shift.alarm("A", "warning"), shift.alarm("B", "warning")
    shift.alarm("C", "watch")
    shift.look()
    shift.do("acknowledge", [a])
    answered, escalated = shift.look(300)
    assert (answered.what, answered.incident) == ("answered", "1")
    assert [*escalated.alarms] == [b]
    assert shift.look(300) == []


def test_who_has_answered_is_called_again_if_there_is_more() -> None:
    """Another alarm of the group, the same alarm anew, a shelving that ends: at no worse a level."""
    shift = Shift(dict.fromkeys("ABC", "bus"))
    shift.alarm("A", "warning")
    c = shift.alarm("C", "warning")
    shift.look()
    shift.do("shelve", [c], for_s=50)
    shift.do("acknowledge", incident="1")
    assert [r.what for r in shift.look()] == ["answered"]
    shift.alarm("B", "warning")
    assert [r.what for r in shift.look()] == ["joined", "called"]
    shift.do("acknowledge", incident="1")
    shift.look()
    shift.alarm("A", "normal")
    shift.alarm("A", "warning")
    assert [r.what for r in shift.look()] == ["joined", "called"]
    shift.do("acknowledge", incident="1")
    assert [r.what for r in shift.look()] == ["answered"]
    assert [r.what for r in shift.look(50)] == ["called"]
    assert shift.board.incidents["1"].told[-1].call == 4
    assert [r.what for r in shift.look(200)] == []  # five minutes from when it was asked
    assert [r.what for r in shift.look(150)] == ["escalated"]


def test_a_control_acknowledgement_is_of_its_level_too() -> None:
    shift = Shift()
    key = shift.alarm("P", "warning")
    shift.control("P", "acknowledged")
    assert shift.status(key) == "acknowledged"
    shift.alarm("P", "critical")
    assert shift.status(key) == "unacknowledged"


def test_an_old_incident_is_not_the_new_one() -> None:
    shift = Shift()
    key = shift.alarm("P", "warning")
    shift.look()
    shift.alarm("P", "normal")
    shift.look()
    shift.alarm("P", "critical")
    shift.look()
    with pytest.raises(NothingError):
        shift.do("acknowledge", incident="1")
    assert shift.status(key) == "unacknowledged"


def test_an_alarm_that_is_taken_back_is_not_called_normal() -> None:
    shift = Shift()
    shift.alarm("P", "critical")
    shift.look()
    shift.control("P", "inhibited")
    [closed] = shift.look()
    assert closed.why == "none of its alarms stands; P limit: inhibited"


def test_another_telemetry_raw_has_other_alarms() -> None:
    """Ids of alerts begin anew where the topic was deleted and made again."""
    shift = Shift()
    key = shift.alarm("P", "critical")
    shift.do("acknowledge", [key])
    shift.alarm("P", "normal")
    shift.topic, shift.offset = "another", 0
    shift.alarm("P", "critical")
    assert shift.status(key) == "unacknowledged"


def test_what_cannot_be_done() -> None:
    shift = Shift()
    key = shift.alarm("P", "warning")
    shift.look()
    for error, what, keys, incident, for_s in (
        (UnknownError, "acknowledge", ["x"], "", None), (UnknownError, "acknowledge", [], "7", None),
        (NothingError, "unshelve", [key], "", None), (NothingError, "in_service", [key], "", None),
        (DeedError, "acknowledge", [], "", None), (DeedError, "shelve", [key], "", None),
        (DeedError, "shelve", [key], "", 8 * 86_400.0), (DeedError, "shelve", [key], "", 0.0),
        (DeedError, "acknowledge", [key], "", 9.0), (DeedError, "opened", [key], "", None),
    ):  # fmt: skip
        with pytest.raises(error):
            shift.do(what, keys, incident, for_s)
    shift.do("acknowledge", incident="1")
    with pytest.raises(NothingError, match="P is acknowledged"):
        shift.do("acknowledge", incident="1")


def test_a_desk_that_is_started_anew_knows_as_much(seed: int) -> None:
    """Random shifts; afterwards the topics are read by another, in either order."""
    rnd = random.Random(seed)
    for _ in range(30):
        names = [f"P{i}" for i in range(rnd.randint(1, 12))]
        shift = Shift(
            {n: rnd.choice(["", "", "bus", "tank"]) for n in names}, DeskSettings(storm=4)
        )
        for _ in range(60):
            if rnd.random() < 0.6:
                kind = "los" if rnd.random() < 0.05 else rnd.choice(["limit", "residual"])
                shift.alarm(rnd.choice(names), rnd.choice([*ALL_LEVELS, "normal"]), kind)
            elif shift.board.alarms:
                _do_anything(shift, rnd)
            if rnd.random() < 0.5:
                shift.look(rnd.choice([0.5, 2.0, 70.0, 400.0]))
            for desk_first in (False, True):
                board = anew(shift, desk_first)
                board.forget_closed(shift.now)
                assert told(board, shift.now) == told(shift.board, shift.now)


def _do_anything(shift: Shift, rnd: random.Random) -> None:
    what = rnd.choice(DONE)
    for_s = rnd.choice([1.0, 100.0]) if what == "shelve" else None
    some = rnd.sample([*shift.board.alarms], rnd.randint(1, len(shift.board.alarms)))
    number = rnd.choice([*shift.board.incidents, ""])
    with contextlib.suppress(DeedError):  # it would have changed nothing
        shift.do(what, [] if number else some, number, for_s)


def test_every_record_is_of_its_schema_and_comes_back() -> None:
    schema = json.loads(files("schemas").joinpath("json/desk.schema.json").read_text())
    shift = Shift(rules=DeskSettings(storm=3))
    keys = [shift.alarm(n, "warning") for n in "AB"]
    shift.look()
    for what in DONE:
        shift.do(what, keys, for_s=60.0 if what == "shelve" else None)
    shift.look()
    shift.alarm("C", "critical")
    shift.look()
    shift.do("acknowledge", incident="3")
    shift.look()
    shift.alarm("E", "warning")
    shift.look()
    shift.alarm("C", "severe")
    shift.look(400)
    shift.alarm("D", "watch")
    shift.look()
    for name in "ABCDE":
        shift.alarm(name, "normal")
    shift.look()
    found = [decode_desk(value) for value in shift.records]
    assert {r.what for r in found} >= {*NOTICED, *DONE}
    for value, record in zip(shift.records, found, strict=True):
        jsonschema.validate(json.loads(value), schema)
        assert encode_desk(record) == value


@pytest.mark.parametrize(
    "value",
    [
        b"", b"[]", b"{", b'{"what":"comment"}', b'{"what":"nod"}',
        b'{"what":"comment","who":"a","why":"b","when_ns":1,"alarms":{}}',
        b'{"what":"comment","who":"a","why":"b","when_ns":1.5,"alarms":{"k":["","watch"]}}',
        b'{"what":"comment","who":"a","why":" ","when_ns":1,"alarms":{"k":["","watch"]}}',
        b'{"what":"comment","who":"a","why":"b","when_ns":1,"alarms":{"k":["","loud"]}}',
        b'{"what":"comment","who":"a","why":"b","when_ns":1,"alarms":{"k":["","watch"]},"x":1}',
        b'{"what":"shelve","who":"a","why":"b","when_ns":1,"alarms":{"k":["","watch"]}}',
        b'{"what":"opened","who":"a","why":"b","when_ns":1,"alarms":{},"incident":"1"}',
    ],
)  # fmt: skip
def test_what_is_no_record(value: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode_desk(value)


def test_an_alert_that_is_repeated_calls_nobody() -> None:
    """The agent of a worker that was killed reads again what it had not committed."""
    shift = Shift()
    key = shift.alarm("P", "warning")
    shift.look()
    shift.alarm("P", "normal")
    assert [r.what for r in shift.look()] == ["closed"]
    for state in shift.states:
        shift.board.take_alarm(*state, shift.now)
        assert shift.look() == []
    assert shift.status(key) == "returned"
    shift.alarm("P", "warning")
    assert [r.what for r in shift.look()] == ["opened"]


def test_what_is_no_alarm_is_counted() -> None:
    board = Board()
    for value in (b"{", b"[]", b"{}", b'{"source":1}', b'{"source":"m","parameter":"/P"}'):
        board.take_alarm(b"k", value, 0)
    assert (board.alarms, board.refused) == ({}, 5)
    for name in NOTICED[1:]:  # of an incident nobody knows
        board.take(DeskRecord(name, "desk", "why", 0, incident="7", level="watch"))
    assert board.incidents == {}


GOOD = {
    "source": "m", "parameter": "/S/P", "name": "P", "monitor": {"kind": "limit", "name": "x"},
    "level": "warning", "transition": "raised", "alert": "telemetry.raw-0-1-0", "sentence": "P.",
    "raised": {"alert": "telemetry.raw-0-1-0", "generation_ns": 1, "reception_ns": 1,
               "level": "warning"},
}  # fmt: skip


@pytest.mark.parametrize(
    "bad",
    [
        {"source": ""}, {"source": 7}, {"parameter": [1]}, {"name": "x" * 501}, {"monitor": 1},
        {"monitor": {"kind": None}}, {"level": "loud"}, {"level": 1}, {"alert": "x"}, {"alert": None},
        {"raised": 1}, {"raised": {}}, {"raised": GOOD["raised"] | {"generation_ns": 1e300}},
        {"raised": GOOD["raised"] | {"alert": "y" * 950_000}},
        {"raised": GOOD["raised"] | {"level": None}}, {"acknowledged": {"who": "a"}},
        {"acknowledged": {"who": "a", "why": "b", "when_ns": "z"}},
    ],
)  # fmt: skip
def test_a_state_that_somebody_forged_is_refused(bad: dict[str, Any]) -> None:
    board = Board()
    board.take_alarm(b"k", json.dumps(GOOD | bad).encode(), 0)
    assert (board.alarms, board.refused) == ({}, 1)


@pytest.mark.parametrize(
    "odd",
    [
        {"sentence": {"x": 1}}, {"sentence": "y" * 100_000}, {"observed": "abc"}, {"unit": [2]},
        {"transition": None}, {"label": "z" * 9999}, {"lead_s": {"a": 1}}, {"topic_id": 7},
        {"evidence": "no id"},
    ],
)  # fmt: skip
def test_an_odd_state_ends_nothing(odd: dict[str, Any]) -> None:
    """It is shown without that, opened, told and closed; its records can be read back."""
    shift = Shift()
    shift.board.take_alarm(b"k", json.dumps(GOOD | odd).encode(), shift.now)
    assert [r.what for r in shift.look(400)] == ["opened"]
    assert [r.what for r in shift.look(400)] == ["escalated"]
    for notice in notices(shift.board, "d", shift.now):
        assert all(isinstance(text, str) for text in (notice.labels | notice.annotations).values())
    [alarm] = shift.board.alarms.values()
    json.dumps(alarm_view(shift.board, alarm, shift.now))
    for value in shift.records:
        decode_desk(value)


def test_records_that_cannot_be_end_nothing() -> None:
    """One number twice, an incident that absorbs itself, a closing of the future."""
    shift = Shift()
    key, other = shift.alarm("P", "warning"), shift.alarm("Q", "warning")
    begun = {key: shift.board.alarms[key].seen}
    first = DeskRecord("opened", "desk", "why", shift.now, begun, None, "7", "m", "P", "warning")
    for record in (
        replace(first, absorbs=("7",)), replace(first, alarms={other: Seen("x", "warning")}),
        replace(first, incident="8", absorbs=("8", "9")),
        DeskRecord("closed", "desk", "why", 2**61, incident="8"),
    ):  # fmt: skip
        shift.board.take(record)
    found = [(r.what, r.group) for r in shift.look(100)]
    assert ("opened", "Q") in found
    shift.look(1)
    assert {*shift.board.within} == {key, other}


def test_more_alarms_than_one_record_holds() -> None:
    shift = Shift()
    names = [f"{'long' * 100}{i}" for i in range(6000)]
    for name in names:
        shift.alarm(name, "warning")
    found = shift.look()
    assert {r.what for r in found} == {"opened", "joined"}
    assert all(len(value) < MOST_BYTES for value in shift.records)
    assert shift.open() == [(STORM, 6000, Level.WARNING)]
    assert told(anew(shift, True), shift.now) == told(shift.board, shift.now)


def test_what_was_not_written_was_not_noticed() -> None:
    shift = Shift()
    shift.alarm("P", "warning")
    shift.look()
    shift.alarm("P", "critical")
    shift.alarm("Q", "warning")
    before, mark = told(shift.board, shift.now), shift.board.mark()
    assert shift.incidents.notice(shift.now + 10**10)
    shift.board.back(mark)
    assert told(shift.board, shift.now) == before
