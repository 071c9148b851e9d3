"""XTCE alarms of parameter types (XTCE 1.2, AlarmType and what extends it)."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from pipeline.mdb.criteria import ALWAYS, codec, read_criteria
from pipeline.mdb.names import Scope
from pipeline.mdb.xml import Element
from schemas.mission import (
    ALARM_LEVELS,
    THIS,
    AlarmRanges,
    Band,
    ChangeRanges,
    Comparison,
    Criteria,
    Five,
    Level,
    Reference,
    StateLevels,
)

_RANGES = ("WatchRange", "WarningRange", "DistressRange", "CriticalRange", "SevereRange")
_CONDITIONS = ("WatchAlarm", "WarningAlarm", "DistressAlarm", "CriticalAlarm", "SevereAlarm")
_OPEN: Five = (math.inf,) * 5
_SHUT: Five = (-math.inf,) * 5
_LEVELS = tuple(level.word for level in Level)
_MAX_CHOICES = 254  # the choice for a row is stored in one byte
_NUMERIC = ("StaticAlarmRanges", "ChangeAlarmRanges", "AlarmMultiRanges")
# what an alarm of each type may hold beside AlarmConditions
_CHECKS = {
    "IntegerParameterType": _NUMERIC,
    "FloatParameterType": _NUMERIC,
    "RelativeTimeParameterType": ("StaticAlarmRanges", "ChangePerSecondAlarmRanges"),
    "EnumeratedParameterType": ("EnumerationAlarmList",),
    "StringParameterType": ("StringAlarmList",),
    "BooleanParameterType": (),
    "BinaryParameterType": (),
}
_WITH_DEFAULT = ("EnumeratedParameterType", "StringParameterType")
# a literal text, optionally with `.*` before or after it; a backslash escapes the next character
_PATTERN = re.compile(r"(\.\*)?((?:[^\\.*+?^$|()\[\]{}]|\\.)*)(\.\*)?", re.DOTALL)
_OPERATOR = {(False, False): "==", (False, True): "begins", (True, False): "ends"}


class _Of(NamedTuple):
    """The type whose alarms are read. labels: of an enumeration; charset: of a string."""

    tag: str
    scope: Scope
    labels: Sequence[tuple[int, str]]
    charset: str


def read_alarm(
    element: Element,
    parts: dict[str, Element],
    scope: Scope,
    labels: Sequence[tuple[int, str]] = (),
    charset: str = "",
) -> AlarmRanges | None:
    """DefaultAlarm and ContextAlarmList among a type's children, if there is one."""
    of = _Of(element.tag, scope, labels, charset)
    default = _one(parts["DefaultAlarm"], of) if "DefaultAlarm" in parts else None
    found = parts.get("ContextAlarmList", parts.get("BinaryContextAlarmList"))
    if found is None:
        return default
    contexts = []
    for item in found.children("ContextAlarm"):
        match = item.find("ContextMatch")
        if len(match) != 1:
            raise item.refuse("needs one ContextMatch.")
        contexts.append((read_criteria(match[0], scope), _one(item, of)))
    _few(found, contexts)
    return replace(default or AlarmRanges(_SHUT, _OPEN), contexts=tuple(contexts))


def _one(element: Element, of: _Of) -> AlarmRanges:
    """A DefaultAlarm or ContextAlarm."""
    more = ("defaultAlarmLevel",) if of.tag in _WITH_DEFAULT else ()
    element.only_attributes("minViolations", "minConformance", *more)
    inside = ("ContextMatch",) if element.tag == "ContextAlarm" else ()
    wanted = ("AlarmConditions", *_CHECKS[of.tag])
    checks = {c.tag: c for c in element.children(*wanted, *inside)}
    if not set(wanted) & set(checks):
        raise element.refuse(f"needs {' or '.join(wanted)}.")
    alarm = AlarmRanges(_SHUT, _OPEN, *_persistence(element))
    if "StaticAlarmRanges" in checks:
        alarm = _static(checks["StaticAlarmRanges"], alarm)
    if "AlarmMultiRanges" in checks:
        alarm = _multi(checks["AlarmMultiRanges"], alarm)
    if "ChangeAlarmRanges" in checks:
        alarm = replace(alarm, change=_change(checks["ChangeAlarmRanges"]))
    if "ChangePerSecondAlarmRanges" in checks:
        ranges = checks["ChangePerSecondAlarmRanges"]
        _seconds(ranges)
        alarm = replace(alarm, change=_moves(ranges, True))
    if "EnumerationAlarmList" in checks:
        alarm = replace(alarm, states=_states(element, checks["EnumerationAlarmList"], of))
    conditions: list[tuple[Criteria, Level]] = []
    if "AlarmConditions" in checks:
        conditions += _conditions(checks["AlarmConditions"], of)
    if "StringAlarmList" in checks:
        if conditions:
            raise element.refuse("AlarmConditions beside a StringAlarmList is not supported.")
        conditions += _texts(element, checks["StringAlarmList"], of)
    _few(element, conditions)
    return replace(alarm, conditions=tuple(conditions))


def _few(element: Element, choices: Sequence[object]) -> None:
    if len(choices) > _MAX_CHOICES:
        raise element.refuse(f"more than {_MAX_CHOICES} choices.")


def _persistence(element: Element) -> tuple[int, int]:
    """(min violations, min conformance): samples in a row; the second is the first by default."""
    enter = element.integer("minViolations", "1")
    leave = element.integer("minConformance", str(enter))
    for name, count in (("minViolations", enter), ("minConformance", leave)):
        if not 1 <= count < 2**30:
            raise element.refuse(f"{name}={count} must be 1 or more.")
    return enter, leave


def _conditions(element: Element, of: _Of) -> list[tuple[Criteria, Level]]:
    """AlarmConditions, the most severe first: "the highest level to test true"."""
    found = {item.tag: read_criteria(item, of.scope) for item in element.children(*_CONDITIONS)}
    ladder = zip(_CONDITIONS, ALARM_LEVELS, strict=True)
    return [(found[tag], level) for tag, level in reversed(list(ladder)) if tag in found]


def _static(element: Element, alarm: AlarmRanges) -> AlarmRanges:
    if element.has("timeUnits"):
        _seconds(element)
    else:
        element.only_attributes("rangeForm")
    if element.choice("rangeForm", "outside", "outside", "inside") == "outside":
        low, high = _ranges(element)
        return replace(alarm, low=low, high=high)
    bands = [
        Band(ALARM_LEVELS[_RANGES.index(r.tag)], *bounds(r)) for r in element.children(*_RANGES)
    ]
    return replace(alarm, bands=tuple(bands))


def _multi(element: Element, alarm: AlarmRanges) -> AlarmRanges:
    """AlarmMultiRanges: the most severe range that applies to the value.

    A value to which none applies is normal: the standard calls it "non-normal" without a level.
    """
    low, high, bands = list(alarm.low), list(alarm.high), list(alarm.bands)
    for item in element.children("Range"):
        least, most = bounds(item, "rangeForm", "level")
        item.child(required=False)  # holds nothing
        form = item.choice("rangeForm", "outside", "outside", "inside")
        level = Level[item.choice("level", "normal", *_LEVELS).upper()]
        if level == Level.NORMAL:
            continue
        if form == "inside":
            bands.append(Band(level, least, most))
        else:  # outside any of several ranges is outside their intersection
            i = level - 1
            low[i], high[i] = max(low[i], least), min(high[i], most)
    return replace(alarm, low=_five(low), high=_five(high), bands=tuple(bands))


def _ranges(element: Element) -> tuple[Five, Five]:
    low, high = list(_SHUT), list(_OPEN)
    for item in element.children(*_RANGES):
        i = _RANGES.index(item.tag)
        low[i], high[i] = bounds(item)
    return _five(low), _five(high)


def _seconds(element: Element) -> None:
    element.only_attributes("rangeForm", "timeUnits")
    element.choice("timeUnits", "seconds", "seconds")


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
    kind = element.choice("changeType", "changePerSecond", "changePerSecond", "changePerSample")
    return _moves(element, kind == "changePerSecond")


def _moves(element: Element, per_second: bool) -> ChangeRanges:
    """A lone upper bound limits the change in both directions ("the absolute value is taken")."""
    element.choice("rangeForm", "outside", "outside")
    low, high = _ranges(element)
    if any(x > 0 for x in low):
        raise element.refuse("a change that is too slow (a lower bound above 0) is not supported.")
    both = [-abs(h) if math.isinf(x) else x for x, h in zip(low, high, strict=True)]
    return ChangeRanges(_five(both), _five([abs(h) for h in high]), per_second)


def _states(element: Element, items: Element, of: _Of) -> StateLevels:
    """Levels of an enumeration's labels."""
    default = Level[element.choice("defaultAlarmLevel", "normal", *_LEVELS).upper()]
    levels: dict[int, Level] = {}
    for item in items.children("EnumerationAlarm"):
        item.only_attributes("alarmLevel", "enumerationLabel")
        item.child(required=False)  # holds nothing
        label = item.attribute("enumerationLabel")
        values = [value for value, known in of.labels if known == label]
        if not values:
            raise item.refuse(f"the type has no label {label!r}.")
        level = Level[item.choice("alarmLevel", _LEVELS[0], *_LEVELS).upper()]
        levels |= dict.fromkeys(values, level)
    return StateLevels(tuple(sorted(levels.items())), default)


def _texts(element: Element, items: Element, of: _Of) -> list[tuple[Criteria, Level]]:
    """StringAlarmList: the first pattern that the text matches as a whole, else the default."""
    default = Level[element.choice("defaultAlarmLevel", "normal", *_LEVELS).upper()]
    found: list[tuple[Criteria, Level]] = []
    for item in items.children("StringAlarm"):
        item.only_attributes("alarmLevel", "matchPattern")
        item.child(required=False)  # holds nothing
        level = Level[item.choice("alarmLevel", _LEVELS[0], *_LEVELS).upper()]
        found.append((_pattern(item, of.charset), level))
    return [*found, (ALWAYS, default)]


def _pattern(item: Element, charset: str) -> Criteria:
    """The standard leaves the syntax open. We read a text, optionally with `.*` before or after."""
    written = item.attribute("matchPattern")
    match = _PATTERN.fullmatch(written)
    if match is None:
        raise item.refuse(
            f"matchPattern {written!r} is more than a text with .* before or behind it.",
            "Write other characters of a regular expression behind a backslash.",
        )
    before, text, behind = match.groups()
    operator = _OPERATOR.get((bool(before), bool(behind)), "holds")
    if operator in ("ends", "holds") and charset.startswith(("UTF-16", "UTF-32")):
        raise item.refuse(f"a pattern that begins with .* is not supported in {charset}.")
    try:
        content = re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL).encode(codec(charset))
    except UnicodeEncodeError:
        raise item.refuse(f"{text!r} cannot be written in {charset}.") from None
    if not content and operator != "==":
        return ALWAYS
    return Comparison(Reference(THIS, False), operator, content)


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
