"""What stands and what was done about it: a fold of telemetry.alarms and telemetry.desk.

No I/O and no clock. The two topics may be read in any order against each other: whatever a person
did names the alarm, the alert that it began with and the level that was seen, so it holds for that
and for nothing later or worse.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from agents.desk.state import State, decode_state
from pipeline.outputs.ids import place_of
from schemas.desk import NOTICED, DeskRecord, Seen
from schemas.mission import LEVELS, Level

# of an alarm (IEC 62682, 5.2): the last two whatever its level is
STATUSES = ("normal", "unacknowledged", "acknowledged", "returned", "shelved", "out_of_service")
ASKS = Level.WARNING  # from there on an alarm asks to be acknowledged even after it has returned
LONGEST_KEY = 2000
MOST_TOLD = 50  # changes of an incident that are remembered
_AHEAD_NS = 60_000_000_000  # a closing of the future, of a clock that was set back since, is none
CLOSED_FOR_NS = 900_000_000_000  # a closed incident is remembered for so long


@dataclass(slots=True)
class Alarm:
    """One monitor's alarm. seen_ns: when the desk first saw it stand, or, while it reads what was
    there before, as it began to read."""

    key: str
    state: State
    seen_ns: int
    acknowledged: DeskRecord | None = None
    shelved: DeskRecord | None = None
    out: DeskRecord | None = None
    comment: DeskRecord | None = None

    @property
    def source(self) -> str:
        return self.state.source

    @property
    def name(self) -> str:
        return self.state.name

    @property
    def kind(self) -> str:
        return self.state.kind

    @property
    def level(self) -> Level:
        return self.state.level

    @property
    def asks(self) -> bool:
        """Whether it is of a level that asks for an answer."""
        return self.state.level >= ASKS

    @property
    def stands(self) -> bool:
        return self.state.level > Level.NORMAL

    @property
    def raised(self) -> str:
        """The alert that it began with, or that the last one did; empty where none ever was."""
        return self.state.begun.alert if self.state.begun else ""

    @property
    def since_ns(self) -> int:
        """Generation time of its beginning; 0: there was none."""
        return self.state.begun.generation_ns if self.state.begun else 0

    @property
    def worst(self) -> Level:
        """Its highest level, or that of the last alarm where none stands."""
        return self.state.begun.worst if self.state.begun else Level.NORMAL

    @property
    def seen(self) -> Seen:
        return Seen(self.raised, self.worst.word)

    @property
    def order(self) -> tuple[int, int, int]:
        """In the order in which alarms of a source were raised."""
        place = place_of(self.raised.partition("@")[0])
        return (place.partition, place.offset, place.n) if place else (0, 0, 0)

    def quiet(self, now_ns: int) -> DeskRecord | None:
        """Why it calls nobody, whatever its level: it is shelved, or out of service."""
        if self.out:
            return self.out
        if self.shelved and (self.shelved.until_ns or 0) > now_ns:
            return self.shelved
        return None

    @property
    def acknowledgement(self) -> DeskRecord | None:
        """Of this alarm, once it had been as bad as it ever was; by a control record, or at the
        desk."""
        by = self.state.acknowledged
        if by and self.worst <= by.level:
            return DeskRecord("acknowledge", by.who, by.why, by.when_ns)
        done = self.acknowledged
        seen = done.alarms[self.key] if done else None
        good = seen and seen.raised == self.raised and self.worst <= LEVELS[seen.level]
        return done if good else None

    def status(self, now_ns: int) -> str:
        quiet = self.quiet(now_ns)
        if quiet:
            return "shelved" if quiet is self.shelved else "out_of_service"
        if not self.stands:
            return "returned" if self.worst >= ASKS and not self.acknowledgement else "normal"
        return "acknowledged" if self.acknowledgement else "unacknowledged"


class Told(NamedTuple):
    """As what an incident is told, from when on. call: how often somebody had to be called: once,
    and again when there is more to it than was answered."""

    level: str
    escalated: bool
    call: int
    from_ns: int


@dataclass(slots=True)
class Incident:
    """Alarms that are one event. first: the alarm that was raised first, as its key. head: what it
    said. members: key to the alert that each began with. told: the last is as what it is told now.
    asked_ns: since when somebody is asked to answer. answered: by whom, and why."""

    number: str
    source: str
    group: str
    head: str
    opened_ns: int
    first: str
    members: dict[str, str]
    told: list[Told]
    joined_ns: int
    asked_ns: int
    answered: DeskRecord | None = None
    closed: DeskRecord | None = None
    within: str = ""  # the incident that absorbed it

    @property
    def level(self) -> Level:
        return LEVELS[self.told[-1].level]

    @property
    def asks(self) -> bool:
        return self.level >= ASKS

    @property
    def end(self) -> str:
        """Why it was closed."""
        why = self.closed.why if self.closed else ""
        return f"it is part of incident {self.within} now" if self.within else why

    @property
    def escalated(self) -> bool:
        return self.told[-1].escalated

    def tell(self, now_ns: int, **change: Any) -> None:
        self.told.append(self.told[-1]._replace(from_ns=now_ns, **change))
        del self.told[:-MOST_TOLD]


Mark = tuple[dict[str, Incident], dict[str, str], int]


@dataclass(slots=True)
class Board:
    """alarms: by key. incidents: the open ones, and those closed of late. opened: how many ever."""

    alarms: dict[str, Alarm] = field(default_factory=dict)
    standing: dict[str, None] = field(default_factory=dict)
    incidents: dict[str, Incident] = field(default_factory=dict)
    within: dict[str, str] = field(default_factory=dict)  # alarm to the open incident that it is of
    opened: int = 0
    refused: int = 0  # records that are none of ours
    _before: dict[str, dict[str, DeskRecord]] = field(default_factory=dict)  # of alarms unknown yet

    def take_alarm(self, key: bytes, value: bytes | None, now_ns: int) -> None:
        """A record of telemetry.alarms. What is none of ours is counted, and what is old is not
        taken."""
        name = key.decode(errors="replace")
        if value is None:
            self.alarms.pop(name, None)
            self.standing.pop(name, None)
            return
        try:
            if len(name) > LONGEST_KEY:
                raise ValueError("the key is too long")
            state = decode_state(value)
        except (ValueError, KeyError, TypeError):
            self.refused += 1
            return
        known = self.alarms.get(name)
        if known is None:
            known = self.alarms[name] = Alarm(name, state, now_ns)
            for what, record in self._before.pop(name, {}).items():
                setattr(known, what, record)
        elif state.is_before(known.state):
            return
        else:
            was, known.state = known.state, state
            if was.level == Level.NORMAL or was.begun != state.begun:
                known.seen_ns = now_ns
        if known.stands:
            self.standing[name] = None
        else:
            self.standing.pop(name, None)

    def take(self, record: DeskRecord) -> None:
        """A record of telemetry.desk."""
        if record.what in NOTICED:
            _NOTICED[record.what](self, record)
            return
        mark, value = _MARKS[record.what], record if record.what not in _ENDS else None
        for key in record.alarms:
            alarm = self.alarms.get(key)
            if alarm is not None:
                setattr(alarm, mark, value)
            elif value is not None:
                self._before.setdefault(key, {})[mark] = value
            else:
                self._before.get(key, {}).pop(mark, None)

    def incident_of(self, alarm: Alarm) -> Incident | None:
        """The open one that it is of."""
        return self.incidents.get(self.within.get(alarm.key, ""))

    def open_incidents(self) -> Iterator[Incident]:
        return (i for i in self.incidents.values() if i.closed is None)

    def standing_of(self, incident: Incident, now_ns: int) -> list[Alarm]:
        """Its alarms that stand, are not shelved or out of service, and are of no other by now."""
        mine = (
            self.alarms[key] for key in incident.members
            if key in self.standing and self.within.get(key) == incident.number
        )  # fmt: skip
        return [alarm for alarm in mine if not alarm.quiet(now_ns)]

    def forget_closed(self, now_ns: int) -> None:
        for number, one in list(self.incidents.items()):
            if one.closed and not -_AHEAD_NS < now_ns - one.closed.when_ns <= CLOSED_FOR_NS:
                del self.incidents[number]

    def mark(self) -> Mark:
        """Its incidents as they are now, for `back`."""
        copies = {
            number: replace(one, members=dict(one.members), told=list(one.told))
            for number, one in self.incidents.items()
        }
        return copies, dict(self.within), self.opened

    def back(self, mark: Mark) -> None:
        self.incidents, self.within, self.opened = mark

    def _open(self, record: DeskRecord) -> None:
        self.opened += 1
        if record.incident.isdecimal():
            self.opened = max(self.opened, min(int(record.incident[:18]), self.opened + 1000))
        if record.incident in self.incidents or not record.alarms:
            self.refused += 1  # two desks gave one number, on a broker that cannot keep them apart
            return
        members = {key: seen.raised for key, seen in record.alarms.items()}
        told = Told(record.level, False, 1, record.when_ns)
        one = Incident(
            record.incident, record.source, record.group, record.why, record.when_ns,
            next(iter(members)), members, [told], record.when_ns, record.when_ns,
        )  # fmt: skip
        for other in reversed(record.absorbs):  # so that the first of them stands first
            if (old := self.incidents.get(other)) and old.closed is None:
                one.members = old.members | one.members
                one.first, one.head = old.first, old.head
                old.within = record.incident
                self._close_one(old, record)
        self.incidents[record.incident] = one
        self.within |= dict.fromkeys(one.members, record.incident)
        if len(self.incidents) % 100 == 0:  # also while a long log is read
            self.forget_closed(record.when_ns)

    def _join(self, record: DeskRecord) -> None:
        if one := self._of(record):
            one.members |= {key: seen.raised for key, seen in record.alarms.items()}
            one.joined_ns = record.when_ns
            self.within |= dict.fromkeys(record.alarms, record.incident)

    def _worse(self, record: DeskRecord) -> None:
        if one := self._of(record):
            one.tell(record.when_ns, level=record.level)

    def _escalate(self, record: DeskRecord) -> None:
        if one := self._of(record):
            one.tell(record.when_ns, escalated=True)

    def _answer(self, record: DeskRecord) -> None:
        if one := self._of(record):
            one.answered = record

    def _call(self, record: DeskRecord) -> None:
        if one := self._of(record):
            one.answered, one.asked_ns = None, record.when_ns
            one.tell(record.when_ns, escalated=False, call=one.told[-1].call + 1)

    def _close(self, record: DeskRecord) -> None:
        if one := self._of(record):
            self._close_one(one, record)

    def _close_one(self, one: Incident, record: DeskRecord) -> None:
        one.closed = record
        for key in one.members:
            if self.within.get(key) == one.number:
                del self.within[key]

    def _of(self, record: DeskRecord) -> Incident | None:
        one = self.incidents.get(record.incident)
        return one if one and one.closed is None else None


# what a record sets of each alarm that it names; where it ends something, it sets nothing
_MARKS = {
    "acknowledge": "acknowledged", "shelve": "shelved", "unshelve": "shelved",
    "out_of_service": "out", "in_service": "out", "comment": "comment",
}  # fmt: skip
_ENDS = ("unshelve", "in_service")
_NOTICED = {
    "opened": Board._open, "joined": Board._join, "worse": Board._worse,
    "escalated": Board._escalate, "closed": Board._close, "answered": Board._answer,
    "called": Board._call,
}  # fmt: skip
