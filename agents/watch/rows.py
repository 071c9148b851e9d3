"""What a row of the screen holds: only texts, safe to show (`agents.host.plain`)."""

from __future__ import annotations

from dataclasses import dataclass

from agents.host.plain import plain
from agents.watch.clock import SourceClock
from agents.watch.countdown import countdown, due_ns, foretells, is_crossed
from agents.watch.figures import Figure, FigureKey
from agents.watch.order import Ordered
from agents.watch.records import Alarm, Alert, Note
from agents.watch.words import moment, number, span
from schemas.columns import SECOND
from schemas.mission import Level

INHIBITED = "inhibited"
_OF_A_VALUE = ("limit", "recorded_limit")  # kinds whose limit is in the parameter's unit
_SOURCE, _SENTENCE, _ID = 40, 400, 60  # characters


@dataclass(frozen=True, slots=True)
class AlarmRow:
    """level: a word of XTCE's ladder, or `inhibited`. limit: the countdown, where there is one.
    about: details that do not fit in a row, a line each."""

    level: str
    source: str
    parameter: str
    monitor: str
    value: str
    age: str
    since: str
    limit: str
    marks: str
    sentence: str
    about: list[str]


@dataclass(frozen=True, slots=True)
class FigureRow:
    source: str
    parameter: str
    window: str
    count: str
    mean: str
    std: str
    min: str
    max: str
    age: str


@dataclass(frozen=True, slots=True)
class AlertRow:
    time: str
    level: str
    source: str
    transition: str
    sentence: str
    id: str


def alarm_row(alarm: Alarm, view: Ordered, clock: SourceClock, now_ns: int) -> AlarmRow:
    flight, age = clock.flight(now_ns), clock.age_ns(alarm, now_ns)
    limit = view.limits.get((alarm.source, alarm.parameter))
    left = countdown(alarm, is_crossed(alarm, limit), flight)
    return AlarmRow(
        level=alarm.level.word if alarm.level is not Level.NORMAL else INHIBITED,
        source=plain(alarm.source, _SOURCE),
        parameter=view.names.of(alarm.source, alarm.parameter),
        monitor=plain(alarm.kind.replace("_", " "), 40),
        value=_value(alarm),
        age="–" if age is None else span(age / SECOND),
        since=moment(alarm.since_ns, flight),
        limit="" if left is None else str(left),
        marks=", ".join(_marks(alarm, now_ns)),
        sentence=plain(alarm.sentence, _SENTENCE),
        about=_about(alarm, flight, now_ns),
    )


def figure_row(
    key: FigureKey, figure: Figure, view: Ordered, clock: SourceClock, now_ns: int
) -> FigureRow:
    source, name, window = key
    flight = clock.flight(now_ns)
    count, mean, std, low, high = map(number, figure.values)
    age = "–" if flight is None else span((flight - figure.end_ns) / SECOND)
    shown = view.names.of(source, name)
    return FigureRow(
        plain(source, _SOURCE), shown, f"{window:g} s", count, mean, std, low, high, age
    )


def alert_row(alert: Alert, clock: SourceClock, now_ns: int) -> AlertRow:
    alarm = alert.alarm
    return AlertRow(
        time=moment(alarm.generation_ns, clock.flight(now_ns)),
        level=alarm.level.word,
        source=plain(alarm.source, _SOURCE),
        transition=plain(alarm.transition.replace("_", " "), 20),
        sentence=plain(alarm.sentence, _SENTENCE),
        id=plain(alarm.alert, _ID),
    )


def _value(alarm: Alarm) -> str:
    """'3.2 bar', 'OPEN (2)', '–'."""
    unit = plain(alarm.unit, 20)
    shown = f"{number(alarm.observed)} {unit}".rstrip() if alarm.observed is not None else "–"
    label = plain(alarm.label, 40)
    return f"{label} ({shown})" if label else shown


def _notes(alarm: Alarm, acknowledged: str = "acknowledged") -> list[tuple[str, Note]]:
    """What people did to it."""
    told = (
        (acknowledged, alarm.acknowledged),
        ("inhibited", alarm.inhibited),
        ("ranges set", alarm.ranges_set),
    )
    return [(what, note) for what, note in told if note]


def _marks(alarm: Alarm, now_ns: int) -> list[str]:
    lost = [] if alarm.lost_ns is None else [f"not known since {moment(alarm.lost_ns, now_ns)}"]
    return lost + [_by(what, note, now_ns) for what, note in _notes(alarm, "ack")]


def _by(what: str, note: Note, now_ns: int) -> str:
    """'ack by ann at 12:00:00Z', with its end where it has one."""
    when = "" if note.when_ns is None else f" at {moment(note.when_ns, now_ns)}"
    until = "" if note.until_ns is None else f" until {moment(note.until_ns, now_ns)}"
    return f"{what} by {plain(note.who, 40) or 'nobody'}{when}{until}"


def _about(alarm: Alarm, flight_ns: int | None, now_ns: int) -> list[str]:
    lines = []
    if alarm.limit is not None and (alarm.kind in _OF_A_VALUE or foretells(alarm)):
        lines.append(f"limit {number(alarm.limit)} {plain(alarm.unit, 20)}".rstrip())
    elif alarm.limit is not None:
        lines.append(f"told after {number(alarm.limit)} s")
    due = due_ns(alarm)
    if due is not None:
        lines.append(f"foretold for {moment(due, flight_ns)}")
    lines += [f"{_by(what, n, now_ns)}: {plain(n.why, 200)}" for what, n in _notes(alarm)]
    if told_by := alarm.evidence or alarm.alert:
        lines.append(f"alert {plain(told_by, _ID)}")
    return lines
