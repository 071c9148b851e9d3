"""Records of telemetry.alarms, .alerts and .statistics, parsed as untrusted input.

Whatever the bytes, the result is an `Alarm`, an `Alert` or a `Pane` with fields of their type, or
`NotOursError`; never another exception. Texts are kept as they are: `agents.host.plain` shows them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson
import pyarrow as pa

from pipeline.outputs.alerts import monitor_key
from pipeline.outputs.ids import Place, place_of
from pipeline.outputs.statistics import read_statistics
from schemas.mission import LEVELS, Level

MOST_BYTES = 256 * 1024  # of an alarm or alert; an honest one has a few kB
MOST_PANE_BYTES = 8 * 1024 * 1024
MOST_NAME = 1000  # characters of a source or parameter
_FAR = 2**63
T = TypeVar("T")


class NotOursError(ValueError):
    """A record that is not in one of our formats."""


@dataclass(frozen=True, slots=True)
class Note:
    """What a person did: acknowledged, inhibited, set ranges. Times in ns since 1970."""

    who: str
    why: str
    when_ns: int | None = None
    until_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Alarm:
    """State of one monitor of one parameter. None: not known."""

    key: bytes  # of its record on telemetry.alarms
    source: str
    parameter: str
    kind: str
    name: str
    level: Level
    sentence: str
    from_state: bool  # from telemetry.alarms, not from an alert
    alert: str = ""  # id of the last alert about it
    evidence: str = ""  # id of the alert that value and sentence are from
    transition: str = ""
    generation_ns: int | None = None
    reception_ns: int | None = None
    since_ns: int | None = None
    observed: float | None = None
    unit: str = ""
    label: str = ""
    limit: float | None = None
    lead_s: float | None = None
    acknowledged: Note | None = None
    inhibited: Note | None = None
    ranges_set: Note | None = None
    lost_ns: int | None = None  # state unknown since then: its topics are gone

    @property
    def place(self) -> Place | None:
        return place_of(self.alert)


@dataclass(frozen=True, slots=True)
class Alert:
    """A transition: the alarm after it, and the operator who made it, if one did."""

    alarm: Alarm
    control: Note | None


@dataclass(frozen=True, slots=True)
class Pane:
    """Figures of one group over one window. figures: (count, mean, std, min, max) a parameter."""

    source: str
    window_s: float
    end_ns: int
    parameters: list[str]
    figures: list[tuple[float | None, ...]]


FIGURES = ("count", "mean", "std", "min", "max")


def read_alarm(key: bytes | None, value: bytes) -> Alarm:
    """The state of telemetry.alarms under its key, `source:parameter:kind[:name]`."""
    record = _object(value, MOST_BYTES)
    monitor: dict[str, Any] = _of(record, "monitor", dict)
    found = _alarm(record, key or b"", monitor, "level", from_state=True)
    prefix = ":".join((found.source, found.parameter, found.kind)).encode()
    if found.key not in (prefix, prefix + b":" + found.name.encode()):
        raise NotOursError("a key that is not the record's")
    return found


def read_alert(value: bytes) -> Alert:
    """A record of telemetry.alerts."""
    record = _object(value, MOST_BYTES)
    monitor: dict[str, Any] = _of(record, "monitor", dict)
    _of(record, "model", dict, {})
    # checked before monitor_key joins them
    _name(record, "source"), _name(record, "parameter"), _name(monitor, "kind")
    _of(monitor, "name", str, "")
    try:
        key = ":".join(monitor_key(record)).encode()
    except KeyError:
        raise NotOursError("a model without a name") from None
    alarm = _alarm(record, key, monitor, "level_after", from_state=False)
    if not alarm.alert or not alarm.transition:
        raise NotOursError("no id or no transition")
    return Alert(alarm, _note(record, "control"))


def read_panes(value: bytes, definition: bytes | None, source: str) -> list[Pane]:
    """A record of telemetry.statistics: columns where there is a definition, else JSON."""
    if definition is None:
        return [_pane(_object(value, MOST_PANE_BYTES))]
    if len(value) > MOST_PANE_BYTES:
        raise NotOursError(f"{len(value)} bytes")
    try:
        return [_pane(record) for record in read_statistics(definition, value, source)]
    except (pa.ArrowException, LookupError, TypeError, OSError, OverflowError) as error:
        raise NotOursError(str(error)) from None


def _pane(record: dict[str, Any]) -> Pane:
    names: list[Any] = _of(record, "parameters", list)
    for name in names:
        if not isinstance(name, str) or not 0 < len(name) <= MOST_NAME:
            raise NotOursError("a parameter's name")
    columns: list[list[Any]] = [_of(record, figure, list) for figure in FIGURES]
    if any(len(c) != len(names) for c in columns):
        raise NotOursError("columns of other lengths")
    rows = [tuple(_number_or_none(x) for x in row) for row in zip(*columns, strict=True)]
    window, end = _number(record, "window_s"), _time(record, "pane_end_ns")
    if window is None or end is None:
        raise NotOursError("no window or no end")
    return Pane(_name(record, "source"), window, end, names, rows)


def _alarm(
    record: dict[str, Any], key: bytes, monitor: dict[str, Any], level: str, from_state: bool
) -> Alarm:
    return Alarm(
        key=key,
        source=_name(record, "source"),
        parameter=_name(record, "parameter"),
        kind=_name(monitor, "kind"),
        name=_of(monitor, "name", str, ""),
        level=_level(record, level),
        sentence=_of(record, "sentence", str),
        from_state=from_state,
        alert=_of(record, "alert" if from_state else "id", str, ""),
        evidence=_of(record, "evidence" if from_state else "id", str, ""),
        transition=_of(record, "transition", str, ""),
        generation_ns=_time(record, "generation_ns"),
        reception_ns=_time(record, "reception_ns"),
        since_ns=_time(record, "since_ns"),
        observed=_number(record, "observed"),
        unit=_of(record, "unit", str, ""),
        label=_of(record, "label", str, ""),
        limit=_number(record, "limit"),
        lead_s=_number(record, "lead_s"),
        acknowledged=_note(record, "acknowledged"),
        inhibited=_note(record, "inhibited"),
        ranges_set=_note(record, "ranges_set"),
    )


def _object(value: bytes, most: int) -> dict[str, Any]:
    if len(value) > most:
        raise NotOursError(f"{len(value)} bytes")
    try:
        found = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise NotOursError(str(error)) from None
    if not isinstance(found, dict):
        raise NotOursError("no object")
    return found


_NEEDED: Any = object()


def _of(record: dict[str, Any], field: str, kind: type[T], default: T = _NEEDED) -> T:
    """A field, checked for its type; null counts as absent where there is a default."""
    value = record.get(field)
    if value is None and default is not _NEEDED:
        return default
    if not isinstance(value, kind):
        raise NotOursError(field)
    return value


def _name(record: dict[str, Any], field: str) -> str:
    name = _of(record, field, str)
    if not 0 < len(name) <= MOST_NAME:
        raise NotOursError(field)
    return name


def _level(record: dict[str, Any], field: str) -> Level:
    level = LEVELS.get(_of(record, field, str))
    if level is None:
        raise NotOursError(field)
    return level


def _time(record: dict[str, Any], field: str) -> int | None:
    value = record.get(field)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not -_FAR <= value < _FAR:
        raise NotOursError(field)
    return value


def _number(record: dict[str, Any], field: str) -> float | None:
    return _number_or_none(record.get(field))


def _number_or_none(value: object) -> float | None:
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise NotOursError("no number")
    return float(value)


def _note(record: dict[str, Any], field: str) -> Note | None:
    note: dict[str, Any] = _of(record, field, dict, {})
    if not note:
        return None
    return Note(
        _of(note, "who", str, ""),
        _of(note, "why", str, ""),
        _time(note, "when_ns"),
        _time(note, "until_ns"),
    )
