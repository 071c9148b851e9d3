"""XTCE alarms of numeric parameter types (XTCE 1.2, NumericAlarmType)."""

from __future__ import annotations

import math

from pipeline.mdb.xml import Element
from schemas.mission import AlarmRanges

_RANGES = ("WatchRange", "WarningRange", "DistressRange", "CriticalRange", "SevereRange")


def read_alarm(parts: dict[str, Element]) -> AlarmRanges | None:
    """The DefaultAlarm among a type's children, if there is one."""
    if "ContextAlarmList" in parts:
        raise parts["ContextAlarmList"].refuse("context alarms are not supported yet.")
    if "DefaultAlarm" not in parts:
        return None
    element = parts["DefaultAlarm"]
    element.only_attributes("minViolations")
    ranges = element.the("StaticAlarmRanges")
    ranges.only_attributes("rangeForm")
    ranges.choice("rangeForm", "outside", "outside")
    low, high = [-math.inf] * 5, [math.inf] * 5
    for item in ranges.children(*_RANGES):
        i = _RANGES.index(item.tag)
        low[i], high[i] = bounds(item)
    violations = element.integer("minViolations", "1")
    if violations < 1:
        raise element.refuse("minViolations must be 1 or more.")
    return AlarmRanges(_five(low), _five(high), violations)


def _five(values: list[float]) -> tuple[float, float, float, float, float]:
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
