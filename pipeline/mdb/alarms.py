"""XTCE alarms of parameter types (XTCE 1.2, NumericAlarmType, EnumerationAlarmType)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pipeline.mdb.xml import Element
from schemas.mission import AlarmRanges, ChangeRanges, Five, Level, StateLevels

_RANGES = ("WatchRange", "WarningRange", "DistressRange", "CriticalRange", "SevereRange")
_OPEN: Five = (math.inf,) * 5
_SHUT: Five = (-math.inf,) * 5
_LEVELS = tuple(level.word for level in Level)


def read_alarm(parts: dict[str, Element]) -> AlarmRanges | None:
    """The DefaultAlarm among a numeric type's children, if there is one."""
    element = _default(parts)
    if element is None:
        return None
    checks = {c.tag: c for c in element.children("StaticAlarmRanges", "ChangeAlarmRanges")}
    if not checks:
        raise element.refuse("needs StaticAlarmRanges or ChangeAlarmRanges.")
    low, high, change = _SHUT, _OPEN, None
    if "StaticAlarmRanges" in checks:
        checks["StaticAlarmRanges"].only_attributes("rangeForm")
        low, high = _ranges(checks["StaticAlarmRanges"])
    if "ChangeAlarmRanges" in checks:
        change = _change(checks["ChangeAlarmRanges"])
    return AlarmRanges(low, high, *_persistence(element), change=change)


def read_state_alarm(
    parts: dict[str, Element], labels: Sequence[tuple[int, str]]
) -> AlarmRanges | None:
    """The DefaultAlarm of an enumerated type: a level for some of its labels."""
    element = _default(parts, "defaultAlarmLevel")
    if element is None:
        return None
    default = Level[element.choice("defaultAlarmLevel", "normal", *_LEVELS).upper()]
    levels: dict[int, Level] = {}
    for item in element.the("EnumerationAlarmList").children("EnumerationAlarm"):
        item.only_attributes("alarmLevel", "enumerationLabel")
        item.child(required=False)  # holds nothing
        label = item.attribute("enumerationLabel")
        values = [value for value, known in labels if known == label]
        if not values:
            raise item.refuse(f"the type has no label {label!r}.")
        level = Level[item.choice("alarmLevel", _LEVELS[0], *_LEVELS).upper()]
        levels |= dict.fromkeys(values, level)
    states = StateLevels(tuple(sorted(levels.items())), default)
    return AlarmRanges(_SHUT, _OPEN, *_persistence(element), states=states)


def _default(parts: dict[str, Element], *more: str) -> Element | None:
    if "ContextAlarmList" in parts:
        raise parts["ContextAlarmList"].refuse("context alarms are not supported yet.")
    if "DefaultAlarm" in parts:
        parts["DefaultAlarm"].only_attributes("minViolations", "minConformance", *more)
    return parts.get("DefaultAlarm")


def _persistence(element: Element) -> tuple[int, int]:
    """(min violations, min conformance): samples in a row; the second is the first by default."""
    enter = element.integer("minViolations", "1")
    leave = element.integer("minConformance", str(enter))
    for name, count in (("minViolations", enter), ("minConformance", leave)):
        if not 1 <= count < 2**31:
            raise element.refuse(f"{name}={count} must be 1 or more.")
    return enter, leave


def _ranges(element: Element) -> tuple[Five, Five]:
    element.choice("rangeForm", "outside", "outside")
    low, high = list(_SHUT), list(_OPEN)
    for item in element.children(*_RANGES):
        i = _RANGES.index(item.tag)
        low[i], high[i] = bounds(item)
    return _five(low), _five(high)


def _change(element: Element) -> ChangeRanges:
    """Of the absolute change from one sample to the next; longer spans are refused."""
    element.only_attributes(
        "rangeForm", "changeType", "changeBasis", "spanOfInterestInSamples",
        "spanOfInterestInSeconds",
    )  # fmt: skip
    element.choice("changeBasis", "absoluteChange", "absoluteChange")
    if element.integer("spanOfInterestInSamples", "1") != 1:
        raise element.refuse("spanOfInterestInSamples other than 1 is not supported.")
    if element.number("spanOfInterestInSeconds", "0") != 0:
        raise element.refuse("spanOfInterestInSeconds other than 0 is not supported.")
    kind = element.choice(
        "changeType", "changePerSecond", "changePerSecond", "changePerSample"
    )  # fmt: skip
    return ChangeRanges(*_ranges(element), kind == "changePerSecond")


def _five(values: list[float]) -> Five:
    a, b, c, d, e = values
    return a, b, c, d, e


def bounds(item: Element, *more: str) -> tuple[float, float]:
    """Inclusive bounds of a FloatRange; an exclusive one becomes the next float inwards."""
    item.only_attributes("minInclusive", "minExclusive", "maxInclusive", "maxExclusive", *more)
    low, high = -math.inf, math.inf
    if item.has("minInclusive"):
        low = item.number("minInclusive")
    if item.has("minExclusive"):
        low = max(low, math.nextafter(item.number("minExclusive"), math.inf))
    if item.has("maxInclusive"):
        high = item.number("maxInclusive")
    if item.has("maxExclusive"):
        high = min(high, math.nextafter(item.number("maxExclusive"), -math.inf))
    if not low <= high:
        raise item.refuse(f"lower limit {low} is above the upper limit {high}.")
    return low, high
