"""The state of every monitor, from two topics: its state (telemetry.alarms) and alerts.

The state lags the alerts by the time that the desk takes, so either may be the newer. Each is in
order by itself; between the two, the place in the input decides, which the alert's id names.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from agents.watch.records import Alarm, Alert, Note
from schemas.mission import Level

_EVIDENCE = ("reception_ns", "since_ns", "observed", "unit", "label", "limit", "lead_s")
MOST = 20_000  # monitors of any level that are known


class Standing:
    """Alarms by key, normal ones included: a normal one outdates a record that comes late."""

    def __init__(self) -> None:
        self._known: dict[bytes, Alarm] = {}
        self._some_to_drop = False  # there are normal ones to drop when it is full
        self.not_held = 0  # records of monitors beyond MOST

    def __iter__(self) -> Iterator[Alarm]:
        """Active alarms, and inhibited monitors, which would otherwise go unnoticed."""
        return filter(_is_shown, self._known.values())

    def take_state(self, alarm: Alarm) -> None:
        old = self._known.get(alarm.key)
        if old is None or old.from_state or not _is_before(alarm, old):
            same = old is not None and alarm.alert == old.alert
            self._hold(_filled(alarm, old) if old and same else alarm)

    def take_tombstone(self, key: bytes) -> None:
        """What an alert raised stays: the tombstone is of an earlier alarm, or an alert follows."""
        old = self._known.get(key)
        if old and (old.from_state or old.level is Level.NORMAL):
            del self._known[key]

    def take_alert(self, alert: Alert) -> None:
        alarm, old = alert.alarm, self._known.get(alert.alarm.key)
        if old and old.from_state and alarm.alert == old.alert:
            self._known[old.key] = _filled(old, alarm)
        elif not (old and old.from_state and _is_before(alarm, old)):
            self._hold(_after(alert, old))

    def _hold(self, alarm: Alarm) -> None:
        if alarm.key not in self._known and len(self._known) >= MOST:
            self._make_room()
        if alarm.key not in self._known and len(self._known) >= MOST:
            self.not_held += 1
            return
        self._known[alarm.key] = alarm
        self._some_to_drop = self._some_to_drop or not _is_shown(alarm)

    def _make_room(self) -> None:
        if self._some_to_drop:
            self._known = {a.key: a for a in self}
            self._some_to_drop = False


def _is_shown(alarm: Alarm) -> bool:
    return alarm.level is not Level.NORMAL or alarm.inhibited is not None


def _is_before(alarm: Alarm, other: Alarm) -> bool:
    """Whether its place in the input is surely before the other's."""
    a, b = alarm.place, other.place
    return a is not None and b is not None and a.partition == b.partition and a < b


def _filled(state: Alarm, alert: Alarm) -> Alarm:
    """Fill a state from its own alert: an older desk kept the sentence and little more."""
    missing = [f for f in _EVIDENCE if getattr(state, f) in (None, "")]
    return replace(state, **{f: getattr(alert, f) for f in missing})


def _after(alert: Alert, old: Alarm | None) -> Alarm:
    """The alarm after an alert, with what operators did to it before."""
    new = alert.alarm
    if alert.control is None:
        worse = old is None or old.level is Level.NORMAL or new.level > old.level
        seen = None if worse or old is None else old.acknowledged
        return (
            new
            if old is None
            else replace(new, acknowledged=seen, inhibited=old.inhibited, ranges_set=old.ranges_set)
        )
    base = old or new  # an operator's action has no sample: the last value stays
    kept = replace(
        base,
        level=new.level,
        from_state=False,
        alert=new.alert,
        transition=new.transition,
        sentence=new.sentence if new.level is Level.NORMAL else base.sentence,
    )
    note = Note(alert.control.who, alert.control.why, new.generation_ns)
    if new.transition == "acknowledged":
        return replace(kept, acknowledged=note)
    if new.transition == "inhibited":
        return replace(kept, inhibited=note)
    if new.transition == "enabled":
        return replace(kept, inhibited=None)
    if new.transition == "limits_set":
        return replace(kept, ranges_set=note)
    return kept  # a model's stage has changed: the level says it
