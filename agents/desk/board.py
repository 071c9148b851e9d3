"""What stands and what was done about it: a fold of telemetry.alarms and telemetry.desk.

No I/O and no clock. The two topics may be read in any order against each other: whatever a person
did names the alarm, the alert that it began with and the level that was seen, so it holds for that
and for nothing later or worse.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

from pipeline.outputs.ids import place_of
from schemas.desk import LEVELS, NOTICED, DeskRecord, Seen
from schemas.mission import Level

# of an alarm (IEC 62682, 5.2): the last two whatever its level is
STATUSES = ("normal", "unacknowledged", "acknowledged", "returned", "shelved", "out_of_service")
ASKS = Level.WARNING  # from there on an alarm asks to be acknowledged even after it has returned
REMEMBERED = 16  # alerts of an alarm
CLOSED_FOR_NS = 900_000_000_000  # a closed incident is remembered for so long


@dataclass(slots=True)
class Alarm:
    """One monitor's alarm. state: the record of telemetry.alarms. seen_ns: when the desk first saw
    it stand, or, while it reads what was there before, as it began to read. alerts: the last that
    it had, so that a repeated one is known."""

    key: str
    state: dict[str, Any]
    seen_ns: int
    acknowledged: DeskRecord | None = None
    shelved: DeskRecord | None = None
    out: DeskRecord | None = None
    comment: DeskRecord | None = None
    alerts: deque[str] = field(default_factory=lambda: deque(maxlen=REMEMBERED))

    def has_had(self, alert: str) -> bool:
        """Whether an alert is an earlier one. The agent that writes states reads again what it had
        not committed: an alarm would stand once more for a moment, and somebody would be called."""
        return alert in self.alerts and alert != self.alerts[-1]

    @property
    def source(self) -> str:
        return str(self.state["source"])

    @property
    def name(self) -> str:
        return str(self.state.get("name", self.state["parameter"]))

    @property
    def kind(self) -> str:
        return str(self.state["monitor"]["kind"])

    @property
    def level(self) -> Level:
        return LEVELS[self.state["level"]]

    @property
    def stands(self) -> bool:
        return self.level > Level.NORMAL

    @property
    def raised(self) -> str:
        """Id of the alert that it began with. States of versions before 0.9 do not tell it: the
        alert that the value is from stands for it."""
        begun = self.state.get("raised")
        return str(begun["alert"] if begun else self.state.get("evidence", self.state["alert"]))

    @property
    def since_ns(self) -> int:
        """Generation time of its beginning."""
        begun = self.state.get("raised")
        return int(begun["generation_ns"] if begun else self.state["since_ns"])

    @property
    def seen(self) -> Seen:
        return Seen(self.raised, self.level.word)

    @property
    def worst(self) -> Level:
        """Its highest level, or that of the last alarm where none stands."""
        begun = self.state.get("raised")
        return max(self.level, LEVELS[begun["level"]] if begun else Level.NORMAL)

    @property
    def order(self) -> tuple[int, int, int]:
        """In the order in which alarms of a source were raised."""
        place = place_of(self.raised)
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
        """Of this alarm, at this level or a worse one; by a control record, or at the desk."""
        by_control = self.state.get("acknowledged")
        if isinstance(by_control, dict):
            who, why = str(by_control.get("who", "")), str(by_control.get("why", ""))
            return DeskRecord("acknowledge", who, why, int(by_control.get("when_ns", 0)))
        done = self.acknowledged
        seen = done.alarms[self.key] if done else None
        good = seen and seen.raised == self.raised and self.level <= LEVELS[seen.level]
        return done if good else None

    def status(self, now_ns: int) -> str:
        quiet = self.quiet(now_ns)
        if quiet:
            return "shelved" if quiet is self.shelved else "out_of_service"
        if not self.stands:
            return "returned" if self.worst >= ASKS and not self.acknowledgement else "normal"
        return "acknowledged" if self.acknowledgement else "unacknowledged"


class Told(NamedTuple):
    level: str
    escalated: bool
    from_ns: int


@dataclass(slots=True)
class Incident:
    """Alarms that are one event. first: the alarm that was raised first, as its key. head: what it
    said. members: key to the alert that each began with. told: what it was as it rose, each from
    when on."""

    number: str
    source: str
    group: str
    head: str
    opened_ns: int
    first: str
    members: dict[str, str]
    told: list[Told]
    joined_ns: int
    closed: DeskRecord | None = None
    within: str = ""  # the incident that absorbed it

    @property
    def level(self) -> Level:
        return LEVELS[self.told[-1].level]

    @property
    def end(self) -> str:
        """Why it was closed."""
        why = self.closed.why if self.closed else ""
        return f"it is part of incident {self.within} now" if self.within else why

    @property
    def escalated(self) -> bool:
        return self.told[-1].escalated


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
        """A record of telemetry.alarms."""
        name = key.decode(errors="replace")
        try:
            state = orjson.loads(value or b"null")
            if state is None:
                self._forget(name)
                return
            fresh = Alarm(name, state, now_ns)
            fresh.source, fresh.name, fresh.kind, fresh.since_ns, fresh.raised, fresh.worst  # noqa: B018
            stands, alert = fresh.stands, str(state["alert"])
        except (ValueError, KeyError, TypeError, AttributeError):
            self.refused += 1
            return
        known = self.alarms.get(name)
        if known and known.has_had(alert):
            return
        if known is None:
            known = self.alarms[name] = fresh
            for what, record in self._before.pop(name, {}).items():
                setattr(fresh, what, record)
        else:
            if not (known.stands and known.raised == fresh.raised):
                known.seen_ns = now_ns
            known.state = state
        if not known.alerts or known.alerts[-1] != alert:
            known.alerts.append(alert)
        if stands:
            self.standing[name] = None
        else:
            self.standing.pop(name, None)

    def _forget(self, name: str) -> None:
        self.alarms.pop(name, None)
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
            if one.closed and now_ns - one.closed.when_ns > CLOSED_FOR_NS:
                del self.incidents[number]

    def _open(self, record: DeskRecord) -> None:
        self.opened += 1
        members = {key: seen.raised for key, seen in record.alarms.items()}
        one = Incident(
            record.incident, record.source, record.group, record.why, record.when_ns,
            next(iter(members), ""), members, [Told(record.level, False, record.when_ns)],
            record.when_ns,
        )  # fmt: skip
        self.incidents[record.incident] = one
        for other in reversed(record.absorbs):  # so that the first of them stands first
            if (old := self.incidents.get(other)) and old.closed is None:
                one.members = old.members | one.members
                one.first, one.head = old.first, old.head
                old.within = record.incident
                self._close_one(old, record)
        self.within |= dict.fromkeys(one.members, record.incident)

    def _join(self, record: DeskRecord) -> None:
        if one := self._of(record):
            one.members |= {key: seen.raised for key, seen in record.alarms.items()}
            one.joined_ns = record.when_ns
            self.within |= dict.fromkeys(record.alarms, record.incident)

    def _worse(self, record: DeskRecord) -> None:
        if one := self._of(record):
            one.told.append(Told(record.level, one.escalated, record.when_ns))

    def _escalate(self, record: DeskRecord) -> None:
        if one := self._of(record):
            one.told.append(Told(one.level.word, True, record.when_ns))

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
    "escalated": Board._escalate, "closed": Board._close,
}  # fmt: skip
