"""What a line of the screen holds: texts alone, fit to be shown."""

from __future__ import annotations

from dataclasses import dataclass

from agents.plain import plain
from agents.watch.records import Alarm, Note
from agents.watch.words import moment, number


@dataclass(frozen=True, slots=True)
class AlarmRow:
    """level: a word of XTCE's ladder, or `inhibited`. limit: the countdown, where there is one."""

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


def value_of(alarm: Alarm) -> str:
    """'3.2 bar', 'OPEN (2)', '–'."""
    unit = plain(alarm.unit, 20)
    shown = f"{number(alarm.observed)} {unit}".rstrip() if alarm.observed is not None else "–"
    label = plain(alarm.label, 40)
    return f"{label} ({shown})" if label else shown


def note_row(what: str, note: Note, now_ns: int) -> str:
    """'ack by ann at 12:00:00Z', with its end where it has one."""
    when = "" if note.when_ns is None else f" at {moment(note.when_ns, now_ns)}"
    until = "" if note.until_ns is None else f" until {moment(note.until_ns, now_ns)}"
    return f"{what} by {plain(note.who, 40) or 'nobody'}{when}{until}"
