"""What stands and what was done about it (agents/desk/board.py, incidents.py, deeds.py)."""

from __future__ import annotations

import contextlib
import json
import random
from importlib.resources import files

import jsonschema
import pytest

from agents.desk.board import Board
from agents.desk.deeds import DeedError, NothingError, UnknownError
from agents.desk.incidents import LOSS_OF_SIGNAL, STORM, Rules
from schemas.desk import DONE, DeskRecord, decode_desk, encode_desk
from schemas.mission import Level
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
    shift = Shift(rules=Rules(storm=4))
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
    [escalated] = shift.look(300)
    assert [*escalated.alarms] == [b]
    assert shift.look(300) == []


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
        shift = Shift({n: rnd.choice(["", "", "bus", "tank"]) for n in names}, Rules(storm=4))
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
    shift = Shift(rules=Rules(storm=3))
    keys = [shift.alarm(n, "warning") for n in "AB"]
    shift.look()
    for what in DONE:
        shift.do(what, keys, for_s=60.0 if what == "shelve" else None)
    shift.alarm("C", "critical")
    shift.look()
    shift.alarm("C", "severe")
    shift.look(400)
    shift.alarm("D", "watch")
    shift.look()
    for name in "ABCD":
        shift.alarm(name, "normal")
    shift.look()
    found = [decode_desk(value) for value in shift.records]
    assert {r.what for r in found} >= {"opened", "worse", "escalated", "closed", *DONE}
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
    board.take(DeskRecord("joined", "desk", "why", 0, incident="7"))  # of an incident nobody knows
    assert board.incidents == {}
