"""XTCE parameter types: integer, float, boolean, enumerated, binary, absolute time."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from fractions import Fraction

from pipeline.mdb.encodings import ENCODINGS, read_encoding
from pipeline.mdb.xml import Element
from schemas.mission import (
    AlarmRanges,
    BinaryEncoding,
    Encoding,
    FloatEncoding,
    IntegerEncoding,
    ParameterType,
    TimeEncoding,
)

_RANGES = ("WatchRange", "WarningRange", "DistressRange", "CriticalRange", "SevereRange")
_UNITS = {  # ns
    "seconds": Fraction(10**9),
    "picoSeconds": Fraction(1, 1000),
    "days": Fraction(86400 * 10**9),
}
_UNIX = datetime(1970, 1, 1, tzinfo=UTC)


def read_type(element: Element) -> ParameterType:
    """One child of ParameterTypeSet."""
    return _READERS[element.tag](element)


def _numeric(kind: str, element: Element) -> ParameterType:
    element.only_attributes("signed", "sizeInBits")
    parts = {c.tag: c for c in element.children("UnitSet", "DefaultAlarm", *ENCODINGS)}
    encoding, calibrator = _encoding(element, parts, IntegerEncoding, FloatEncoding)
    alarm = _alarm(parts["DefaultAlarm"]) if "DefaultAlarm" in parts else None
    unit = _unit(parts)
    return ParameterType(element.name, kind, encoding, unit, calibrator, alarm=alarm)


def _integer(element: Element) -> ParameterType:
    return _numeric("integer", element)


def _float(element: Element) -> ParameterType:
    return _numeric("float", element)


def _boolean(element: Element) -> ParameterType:
    element.only_attributes("zeroStringValue", "oneStringValue")
    parts = {c.tag: c for c in element.children("UnitSet", *ENCODINGS)}
    encoding, _ = _encoding(element, parts, IntegerEncoding)
    labels = (
        (0, element.attribute("zeroStringValue", "False")),
        (1, element.attribute("oneStringValue", "True")),
    )
    return ParameterType(element.name, "boolean", encoding, _unit(parts), labels=labels)


def _enumerated(element: Element) -> ParameterType:
    element.only_attributes()
    parts = {c.tag: c for c in element.children("UnitSet", "EnumerationList", *ENCODINGS)}
    encoding, calibrator = _encoding(element, parts, IntegerEncoding)
    if calibrator:
        raise element.refuse("an enumeration with a calibrator is not supported.")
    if "EnumerationList" not in parts:
        raise element.refuse("needs an EnumerationList.")
    labels: dict[int, str] = {}
    for item in parts["EnumerationList"].children("Enumeration"):
        item.only_attributes("value", "label")
        value = item.integer("value")
        if value in labels:
            raise item.refuse(f"value {value} has two labels.")
        labels[value] = item.attribute("label")
    pairs = tuple(sorted(labels.items()))
    return ParameterType(element.name, "enumerated", encoding, _unit(parts), labels=pairs)


def _binary(element: Element) -> ParameterType:
    element.only_attributes()
    parts = {c.tag: c for c in element.children("UnitSet", *ENCODINGS)}
    encoding, _ = _encoding(element, parts, BinaryEncoding)
    return ParameterType(element.name, "binary", encoding, _unit(parts))


def _time(element: Element) -> ParameterType:
    element.only_attributes()
    parts = {c.tag: c for c in element.children("Encoding", "ReferenceTime")}
    if "Encoding" not in parts or "ReferenceTime" not in parts:
        raise element.refuse("needs Encoding and ReferenceTime.")
    scaled = parts["Encoding"]
    scaled.only_attributes("units", "scale", "offset")
    encoding, calibrator = read_encoding(scaled.the("IntegerDataEncoding", "FloatDataEncoding"))
    if calibrator:
        raise scaled.refuse("a calibrator inside a time is not supported; use scale and offset.")
    unit = _UNITS[scaled.choice("units", "seconds", *_UNITS)]
    epoch = _epoch(parts["ReferenceTime"].the("Epoch"))
    offset = _fraction(scaled, "offset", "0") * unit
    time = TimeEncoding(epoch + round(offset), _fraction(scaled, "scale", "1") * unit)
    return ParameterType(element.name, "time", encoding, "s", time=time)


_READERS = {
    "IntegerParameterType": _integer,
    "FloatParameterType": _float,
    "BooleanParameterType": _boolean,
    "EnumeratedParameterType": _enumerated,
    "BinaryParameterType": _binary,
    "AbsoluteTimeParameterType": _time,
}
TYPES = tuple(_READERS)


def _encoding(
    element: Element, parts: dict[str, Element], *allowed: type
) -> tuple[Encoding, tuple[float, ...]]:
    found = [parts[tag] for tag in ENCODINGS if tag in parts]
    if len(found) != 1:
        raise element.refuse(f"needs exactly one data encoding, has {len(found)}.")
    encoding, calibrator = read_encoding(found[0])
    if not isinstance(encoding, allowed):
        raise found[0].refuse(f"not supported inside <{element.tag}>.")
    return encoding, calibrator


def _unit(parts: dict[str, Element]) -> str:
    if "UnitSet" not in parts:
        return ""
    words = []
    for unit in parts["UnitSet"].children("Unit"):
        unit.only_attributes("description", "power", "factor", "form")
        power = unit.attribute("power", "1")
        words.append(unit.text if power in ("1", "1.0") else f"{unit.text}^{power}")
    return " ".join(words)


def _alarm(element: Element) -> AlarmRanges:
    element.only_attributes("minViolations")
    ranges = element.the("StaticAlarmRanges")
    ranges.only_attributes("rangeForm")
    ranges.choice("rangeForm", "outside", "outside")
    low, high = [-math.inf] * 5, [math.inf] * 5
    for item in ranges.children(*_RANGES):
        item.only_attributes("minInclusive", "minExclusive", "maxInclusive", "maxExclusive")
        i = _RANGES.index(item.tag)
        low[i], high[i] = _bounds(item)
        if not low[i] <= high[i]:
            raise item.refuse(f"lower limit {low[i]} is above the upper limit {high[i]}.")
    violations = element.integer("minViolations", "1")
    if violations < 1:
        raise element.refuse("minViolations must be 1 or more.")
    return AlarmRanges(_five(low), _five(high), violations)


def _bounds(item: Element) -> tuple[float, float]:
    """Inclusive bounds; an exclusive one becomes the next float inwards."""
    low, high = -math.inf, math.inf
    if item.has("minInclusive"):
        low = item.number("minInclusive")
    if item.has("minExclusive"):
        low = max(low, math.nextafter(item.number("minExclusive"), math.inf))
    if item.has("maxInclusive"):
        high = item.number("maxInclusive")
    if item.has("maxExclusive"):
        high = min(high, math.nextafter(item.number("maxExclusive"), -math.inf))
    return low, high


def _five(values: list[float]) -> tuple[float, float, float, float, float]:
    a, b, c, d, e = values
    return a, b, c, d, e


def _fraction(element: Element, name: str, default: str) -> Fraction:
    try:
        return Fraction(element.attribute(name, default))
    except (ValueError, ZeroDivisionError):
        raise element.refuse(f"{name} is not a number.") from None


def _epoch(element: Element) -> int:
    if element.text == "UNIX":
        return 0
    try:
        return parse_epoch(element.text)
    except ValueError:
        raise element.refuse(
            f"epoch {element.text!r} is not supported: an ISO date in UTC or UNIX is "
            "(GPS, TAI and J2000 need leap seconds)."
        ) from None


def parse_epoch(text: str) -> int:
    """ISO 8601 date or date and time, UTC unless it says otherwise, as ns since 1970."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _UNIX) // timedelta(microseconds=1) * 1000
