"""The model of the watch: what stands, what is known of it, and when."""

from __future__ import annotations

import orjson
import pytest

from agents.watch.lines import Lines
from agents.watch.link import Reach
from agents.watch.words import moment, span
from schemas import topics
from tests.watching import NOW, S, alert, following, pane, state


def standing(board: object) -> list[tuple[str, str]]:
    return [(a.parameter, a.level.word) for a in board.standing]  # type: ignore[attr-defined]


def test_what_stood_before_it_was_opened_is_shown() -> None:
    board = following(
        state("/S/A/P", "warning"), state("/S/B/P", "severe"), state("/S/A/Q", "normal"),
        state("/S/A/R", "watch"), (state("/S/A/R")[0], None),
    )  # fmt: skip
    assert standing(board) == [("/S/B/P", "severe"), ("/S/A/P", "warning")]
    assert board.headline(NOW) == ("2 alarms stand: 1 severe, 1 warning", False)
    rows = [board.alarm_row(a, NOW) for a in board.alarms]
    assert [r.parameter for r in rows] == ["/S/B/P", "/S/A/P"]  # two of one short name
    one = rows[1]
    assert (one.value, one.age, one.since) == ("3.5 V", "60 s", moment(NOW - 120 * S, NOW))


def test_alerts_and_states_in_any_order_tell_the_newest() -> None:
    board = following(state(level="warning", alert="telemetry.raw-0-100-0"))
    for value in (alert(level="watch", offset=99), alert(level="normal", offset=50)):
        board.take(topics.ALERTS, b"", value, NOW)
    assert standing(board) == [("/S/A/P", "warning")]  # they came before what the state tells
    board.take(topics.ALERTS, b"", alert(level="severe", offset=200), NOW)
    assert standing(board) == [("/S/A/P", "severe")]
    key, value = state(level="warning", alert="telemetry.raw-0-150-0")
    board.take(topics.ALARMS, key, value, NOW)  # the desk is behind
    board.take(topics.ALARMS, key, None, NOW)
    assert standing(board) == [("/S/A/P", "severe")]
    board.take(topics.ALERTS, b"", alert(level="normal", offset=201), NOW)
    assert standing(board) == []
    board.take(topics.ALARMS, *state(level="critical", alert="telemetry.raw-0-300-0"), NOW)
    assert standing(board) == [("/S/A/P", "critical")]
    board.take(topics.ALARMS, key, None, NOW)
    assert standing(board) == []


@pytest.mark.parametrize("state_first", [True, False])
def test_a_state_of_few_words_keeps_what_its_alert_told(state_first: bool) -> None:
    key, value = state(kind="time_to_limit")
    few = ("source", "parameter", "monitor", "level", "sentence", "alert", "generation_ns")
    brief = {name: x for name, x in orjson.loads(value).items() if name in few}
    told = alert(kind="time_to_limit", offset=100, lead_s=60.0, limit=9.0)
    both = [(topics.ALARMS, orjson.dumps(brief)), (topics.ALERTS, told)]
    board = following()
    for topic, record in both if state_first else reversed(both):
        board.take(topic, key, record, NOW)
    (alarm,) = board.standing
    assert (alarm.from_state, alarm.observed, alarm.lead_s, alarm.limit) == (True, 4.5, 60.0, 9.0)


def test_a_state_that_is_read_anew_takes_the_place_of_what_was_known() -> None:
    board = following(state("/S/A/P"), state("/S/A/Q"))
    board.begin(NOW)
    board.take(topics.ALARMS, *state("/S/A/Q"), NOW)
    assert len(board.standing) == 2, "until it is read, what was known stays"
    board.known(NOW)
    assert standing(board) == [("/S/A/Q", "warning")]


def test_what_stood_when_the_topics_were_lost_is_not_known() -> None:
    """Neither dropped nor called standing, until its monitor is told of anew."""
    board = following(state("/S/A/P", "severe"), state("/S/A/Q"), state("/S/A/R", "normal"))
    same = alert("/S/A/S", "watch", 900)
    assert board.take(topics.ALERTS, b"", same, NOW)
    board.lose(NOW)
    board.begin(NOW)
    board.known(NOW)
    at = moment(NOW, NOW)
    lost = f"the broker lost its topics at {at}, 3 alarms of before; 0 alarms since"
    assert board.headline(NOW) == (f"Not known what stands: {lost}", False)
    assert board.alarm_row(board.alarms[0], NOW).marks == f"not known since {at}"
    board.take(topics.ALARMS, *state("/S/A/P", "normal"), NOW)
    assert board.take(topics.ALERTS, b"", same, NOW), "the same place of another log"
    board.take(topics.ALERTS, b"", alert("/S/A/Q", "normal", 5), NOW)
    board.known(NOW)
    assert standing(board) == [("/S/A/S", "watch")]
    assert board.headline(NOW)[0] == "1 alarm stands: 1 watch"
    assert f"the broker's topics were lost at {at}: nothing older is known" in [
        s.text for s in board.status(NOW)
    ]


def test_topics_that_were_lost_tell_nothing_until_something_comes() -> None:
    board = following(state(level="normal"))
    assert board.headline(NOW)[1]
    board.lose(NOW)
    board.begin(NOW)
    board.known(NOW)
    assert board.headline(NOW) == ("Not known what stands: nothing was ever told", False)


def test_it_never_says_well_when_it_does_not_know() -> None:
    board = following()
    assert board.headline(NOW)[0].startswith("Not known what stands")  # nothing was ever told
    board.take(topics.ALARMS, *state(level="normal"), NOW)
    board.known(NOW)
    assert board.headline(NOW) == (f"No alarm stands, as of {moment(NOW, NOW)}", True)
    assert (
        board.headline(NOW + 16 * S)[0]
        == f"Not known what stands; at {moment(NOW, NOW)} 0 alarms stood"
    )
    said = [s.text for s in board.status(NOW + 34 * S)]
    assert f"nothing new for 34 s: last record {moment(NOW, NOW)} on telemetry.alarms" in said
    board.link.to(Reach.NO_BROKER, NOW + 3 * S)
    said = [s.text for s in board.status(NOW + 12 * S)]
    assert said[0] == "no broker for 12 s at 127.0.0.1:9092"
    text, well = board.headline(NOW + 12 * S)
    assert "Not known" in text
    assert not well
    board.begin(NOW + 13 * S)
    assert not board.headline(NOW + 13 * S)[1]


def test_before_it_was_ever_connected_it_waits_and_says_for_what() -> None:
    from agents.watch import Board

    board = Board("far:9092")
    board.link.to(Reach.NO_BROKER, NOW)
    text = board.status(NOW + 5 * S)[0].text
    assert text == "waiting for a broker at far:9092, for 5 s"
    assert board.headline(NOW) == ("Not known what stands", False)
    board.link.to(Reach.NO_TOPICS, NOW, "telemetry.alarms")
    assert "waiting for topics at far:9092, for 0 s: telemetry.alarms" in board.status(NOW)[0].text


def test_one_source_is_silent_while_another_talks() -> None:
    board = following(state(source="hl1"), state(source="hl2"))
    board.take(topics.ALARMS, *state(source="hl2"), NOW + 30 * S)
    said = [s.text for s in board.status(NOW + 30 * S)]
    assert "nothing new of hl1 for 30 s" in said
    for source in ("hl1", "hl2"):
        board.take(
            topics.ALARMS,
            *state(source=source, level="normal"),
            NOW + (source == "hl2") * 30 * S,
            NOW + (source == "hl2") * 30 * S,
        )
    assert not board.headline(NOW + 30 * S)[1], "nobody knows of hl1"


def test_what_was_not_understood_might_have_been_an_alarm() -> None:
    board = following(state(level="normal"))
    assert board.headline(NOW)[1]
    board.take(topics.ALARMS, b"k", b"\xff", NOW)
    assert board.headline(NOW) == ("No alarm stands that we know of; but read on", False)
    board.begin(NOW)  # what was not understood is read, and counted, again
    assert board.not_understood == 0


def test_an_old_record_is_no_news() -> None:
    """What was written an hour ago and read just now says nothing of now."""
    board = following()
    board.take(topics.STATISTICS, b"hl1", pane(["/S/A/P"]), NOW, written_ns=NOW - 3600 * S)
    assert board.status(NOW)[1].text.startswith("nothing new for 60 min 00 s")
    assert not board.headline(NOW)[1]


def test_every_figure_has_its_window() -> None:
    board = following(state("/S/A/Q"))
    for window in (60, 600):
        for source in ("hl1", "hl2"):
            value = pane(["/S/A/P", "/S/A/Q"], window, source=source, mean=[float(window), None])
            board.take(topics.STATISTICS, source.encode(), value, NOW)
    rows = [board.figure_row(k, NOW + 3 * S) for k in board.figures]
    assert len(rows) == 8
    assert [(r.source, r.parameter, r.window, r.mean) for r in rows[:3]] == [
        ("hl1", "Q", "60 s", "–"),
        ("hl1", "Q", "600 s", "–"),
        ("hl1", "P", "60 s", "60"),
    ]
    assert rows[0].age == "3 s"


def ttl(**more: object) -> tuple[bytes, bytes]:
    return state(
        kind="time_to_limit", lead_s=100.0, limit=9.0, generation_ns=NOW, reception_ns=NOW, **more
    )


def test_a_time_to_limit_counts_down_until_the_limit_is_crossed() -> None:
    board = following(ttl())

    def left(now: int) -> str:
        return next(
            board.alarm_row(a, now).limit for a in board.alarms if a.kind == "time_to_limit"
        )

    assert [left(NOW + t * S) for t in (0, 40, 100, 130)] == [
        "in 100 s",
        "in 60 s",
        "due 0 s ago",
        "due 30 s ago",
    ]
    board.take(topics.ALERTS, b"", alert("/S/A/Q", level="critical"), NOW + 50 * S)
    assert left(NOW + 50 * S) == "in 50 s"  # another's
    board.take(topics.ALERTS, b"", alert(level="watch", limit=4.0, offset=200), NOW + 50 * S)
    assert left(NOW + 50 * S) == "in 50 s"  # a milder limit on its way
    board.take(topics.ALERTS, b"", alert(level="critical", limit=9.0, offset=201), NOW + 50 * S)
    assert left(NOW + 50 * S) == "over: limit alarm"
    board.take(topics.ALERTS, b"", alert(level="normal", kind="time_to_limit", offset=202), NOW)
    assert all(a.kind != "time_to_limit" for a in board.alarms)


def test_a_replay_of_years_ago_counts_down_in_its_own_time() -> None:
    then = 1_500_000_000 * S
    board = following(ttl(), state("/S/A/Q"))
    told = alert(
        kind="time_to_limit", lead_s=50.0, limit=9.0, generation_ns=then, reception_ns=then + S
    )
    board.take(topics.ALERTS, b"", told, NOW)
    row = board.alarm_row(board.alarms[0], NOW + 10 * S)
    assert (row.limit, row.age) == ("in 40 s", "10 s")
    # twenty times as fast: a pane says that flight time has gone on
    board.take(topics.STATISTICS, b"", pane(["/S/A/P"], pane_end_ns=then + 40 * S), NOW + 2 * S)
    assert board.alarm_row(board.alarms[0], NOW + 2 * S).limit == "in 10 s"


def test_a_state_that_is_written_again_makes_no_old_value_young() -> None:
    """An acknowledgement an hour later: the value is an hour old."""
    ack = {"who": "ann", "why": "seen", "when_ns": NOW}
    board = following(state(reception_ns=NOW - 3600 * S, acknowledged=ack))
    assert board.alarm_row(board.alarms[0], NOW).age == "60 min 00 s"


def test_a_worker_that_catches_up_tells_of_old_values() -> None:
    board = following()
    old = {"generation_ns": NOW - 1801 * S, "reception_ns": NOW - 1800 * S}
    board.take(topics.ALERTS, b"", alert(kind="time_to_limit", lead_s=60.0, limit=9.0, **old), NOW)
    row = board.alarm_row(board.alarms[0], NOW)
    assert (row.age, row.limit) == ("30 min 00 s", "due 29 min 00 s ago")


def test_who_acknowledged_and_who_inhibited() -> None:
    board = following(state("/S/A/P"), state("/S/A/Q", level="critical"), state("/S/A/R"))
    for offset, (name, what, level) in enumerate(
        [("/S/A/P", "acknowledged", "warning"), ("/S/A/Q", "inhibited", "normal")]
    ):
        told = alert(
            name, level, 300 + offset, transition=what, observed=None,
            monitor={"kind": "limit", "name": "control"}, control={"who": "ann", "why": "seen"},
        )  # fmt: skip
        board.take(topics.ALERTS, b"", told, NOW)
    rows = [board.alarm_row(a, NOW) for a in board.alarms]
    assert [(r.level, r.parameter) for r in rows] == [
        ("warning", "R"),
        ("warning", "P"),
        ("inhibited", "Q"),
    ]
    assert rows[1].marks == f"ack by ann at {moment(NOW, NOW)}"
    assert rows[1].value == "3.5 V", "no sample is part of what a person does"
    assert rows[2].marks.startswith("inhibited by ann")
    assert len(board.standing) == 2
    worse = alert("/S/A/P", "severe", 400, transition="changed")
    board.take(topics.ALERTS, b"", worse, NOW)
    assert board.alarm_row(board.alarms[0], NOW).marks == "", "nobody has acknowledged that"
    enabled = alert("/S/A/Q", "normal", 401, transition="enabled", control={"who": "b", "why": "c"})
    board.take(topics.ALERTS, b"", enabled, NOW)
    assert len(board.alarms) == 2


def test_inhibited_monitors_alone_are_not_all_well() -> None:
    note = {"who": "ann", "why": "x", "when_ns": NOW, "until_ns": NOW + 60 * S}
    board = following(state(level="normal", inhibited=note))
    text, well = board.headline(NOW)
    assert "1 monitor" in text
    assert not well
    assert f"until {moment(NOW + 60 * S, NOW)}" in board.alarm_row(board.alarms[0], NOW).marks


def test_an_alert_is_a_row_once() -> None:
    board = following()
    first = board.take(topics.ALERTS, b"", alert(), NOW)
    assert first
    assert board.take(topics.ALERTS, b"", alert(), NOW) is None
    assert len(board.recent) == 1


def test_history_tells_rows_and_no_state() -> None:
    board = following()
    assert board.take(topics.ALERTS, b"", alert(offset=1), NOW, NOW - 9000 * S, history=True)
    assert not board.standing


def damaged(**more: object) -> bytes:
    return orjson.dumps(orjson.loads(state()[1]) | more)


@pytest.mark.parametrize(
    "value",
    [
        b"", b"\xff\x00", b"{}", b"[]", b"null", b"NaN", b"[" * 100_000, b'{"source": "hl1"}',
        b" " * 300_000 + state()[1], damaged(level="bad"), damaged(level=3), damaged(source=""),
        damaged(source="x" * 5000), damaged(monitor="limit"), damaged(monitor={"kind": 7}),
        damaged(observed="3"), damaged(observed=True), damaged(since_ns=1.5), damaged(since_ns=2**64 - 1),
        damaged(acknowledged="ann"), damaged(acknowledged={"who": 3}), damaged(sentence=None),
        state()[1].replace(b"3.5", b"NaN"), state()[1].replace(b"3.5", b"1e999"),
        damaged(parameter="/other"),
    ],
)  # fmt: skip
def test_what_is_none_of_ours_is_counted(value: bytes) -> None:
    board = following(state())
    for topic in (topics.ALARMS, topics.ALERTS, topics.STATISTICS):
        board.take(topic, state()[0], value, NOW)
    assert board.not_understood == 3
    assert standing(board) == [("/S/A/P", "warning")], "a state that is not understood is no news"
    assert any(s.text.startswith("3 records not understood") for s in board.status(NOW))


def test_more_monitors_than_are_kept_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.watch.standing.MOST", 3)
    board = following(state("/A", "normal"), state("/B"), state("/C"), state("/D"), state("/E"))
    assert [name for name, _ in standing(board)] == ["/B", "/C", "/D"], "a normal one makes room"
    assert any(s.text == "1 records of monitors beyond those kept" for s in board.status(NOW))
    board.take(topics.ALERTS, b"", alert("/B", "normal"), NOW)
    board.take(topics.ALERTS, b"", alert("/F"), NOW)
    assert {name for name, _ in standing(board)} == {"/C", "/D", "/F"}


def test_texts_from_outside_give_no_orders_and_no_lines() -> None:
    wild = "\x1b]0;owned\x07[/s]\n\u202e"
    note = {"who": wild, "why": wild, "when_ns": NOW}
    board = following(
        state(
            wild,
            source=wild,
            unit=wild,
            label=wild,
            sentence=wild,
            acknowledged=note,
            inhibited=note,
        )
    )
    said: list[str] = []
    lines = Lines(board, said.append)
    lines.standing(NOW)
    row = board.take(topics.ALERTS, b"", alert(wild, sentence=wild, unit=wild), NOW)
    assert row
    lines.alert(row)
    lines.status(NOW + 60 * S)
    told = [x for a in board.alarms for x in board.alarm_row(a, NOW).about]
    assert all(line.isprintable() for line in said + told)
    assert "[/s]" in said[1]


@pytest.mark.parametrize(
    ("kind", "said"),
    [("limit", "limit 60 V"), ("stale", "told after 60 s"), ("los", "told after 60 s")],
)
def test_a_limit_has_the_unit_of_what_it_limits(kind: str, said: str) -> None:
    board = following(state(kind=kind, limit=60.0, unit="V"))
    [alarm] = board.alarms
    assert board.alarm_row(alarm, NOW).about[0] == said


def test_details_name_the_alert_that_tells_it() -> None:
    """Not the acknowledgement, which came last."""
    board = following(state(alert="telemetry.raw-0-9-0", evidence="telemetry.raw-0-5-1"))
    [alarm] = board.alarms
    assert board.alarm_row(alarm, NOW).about[-1] == "alert telemetry.raw-0-5-1"


def test_a_status_is_a_line_when_it_changes_and_once_a_minute_while_it_is_bad() -> None:
    said: list[str] = []
    board = following()
    board.link.to(Reach.NO_BROKER, NOW)
    lines = Lines(board, said.append)
    for t in range(90):
        lines.status(NOW + t * S)
    assert len(said) == 2
    assert "no broker for 60 s" in said[1]


def test_spans_and_moments() -> None:
    assert [span(x) for x in (-1, 3.9, 119, 125, 7300, 200_000)] == [
        "0 s", "3 s", "119 s", "2 min 05 s", "2 h 01 min", "2 d",
    ]  # fmt: skip
    assert moment(None) == "–"
    assert [len(moment(x)) for x in (-(2**63), 2**63 - 1)] == [20, 20]
