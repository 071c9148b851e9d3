"""Definitions in words: criteria, encodings, calibrators, alarms, as people read them."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from enum import Enum

from schemas.mission import (
    ALARM_LEVELS,
    AlarmRanges,
    AllOf,
    AnyOf,
    BinaryEncoding,
    Comparison,
    Criteria,
    DynamicValue,
    FloatEncoding,
    Formula,
    IntegerEncoding,
    LookupValue,
    ParameterType,
    Polynomial,
    Reference,
    SegmentedTime,
    Spline,
    StringEncoding,
)

_MOST_LABELS = 12


def words(value: object) -> str:
    """Any definition of `schemas.mission` in one line; an absent value is "none"."""
    if value is None or value == () or value == "":
        return "none"
    if isinstance(value, Comparison | AllOf | AnyOf):
        return criteria_words(value)
    if isinstance(value, IntegerEncoding | FloatEncoding | BinaryEncoding | StringEncoding):
        return _encoding(value)
    if isinstance(value, Polynomial | Spline | Formula):
        return _calibrator(value)
    if isinstance(value, Reference | DynamicValue | LookupValue):
        return _value(value)
    if isinstance(value, ParameterType):
        return type_words(value)
    if isinstance(value, AlarmRanges):
        return _alarm(value)
    return _plain(value)


def type_words(of: ParameterType) -> str:
    """The kind and how it is encoded."""
    if of.element is not None:
        sizes = "".join(f"[{words(first)}..{words(last)}]" for first, last in of.dimensions)
        return f"array {sizes} of {type_words(of.element)}"
    if of.members:
        return "aggregate of " + ", ".join(f"{name}: {type_words(m)}" for name, m in of.members)
    told = f"{of.kind}, {words(of.encoding)}" if of.encoding else f"{of.kind}, not telemetered"
    if of.time and isinstance(of.time.segmented, SegmentedTime):
        code = of.time.segmented
        told += f", {code.code} {code.major}+{code.minor}"
    return told


def criteria_words(criteria: Criteria) -> str:
    """`APID == 5 and (MODE == 1 or MODE == 2)`; an empty text where it always holds."""
    if isinstance(criteria, Comparison):
        return f"{words(criteria.left)} {criteria.operator} {_operand(criteria.right)}"
    joint = " and " if isinstance(criteria, AllOf) else " or "
    parts = [
        criteria_words(p) if isinstance(p, Comparison) else f"({criteria_words(p)})"
        for p in criteria.parts
    ]
    return joint.join(parts)


def _operand(right: float | int | bytes | Reference) -> str:
    if isinstance(right, bytes):
        return f"0x{right.hex()}"
    return words(right) if isinstance(right, Reference) else f"{right:g}"


def _value(value: Reference | DynamicValue | LookupValue) -> str:
    if isinstance(value, Reference):
        return value.parameter if value.calibrated else f"raw {value.parameter}"
    if isinstance(value, DynamicValue):
        told = words(value.reference)
        told = told if value.slope == 1 else f"{value.slope:g} * {told}"
        return told if value.intercept == 0 else f"{told} + {value.intercept:g}"
    return "; ".join(f"{n} if {criteria_words(c)}" for c, n in value.choices)


def _encoding(of: IntegerEncoding | FloatEncoding | BinaryEncoding | StringEncoding) -> str:
    if isinstance(of, IntegerEncoding | FloatEncoding):
        order = ", least significant byte first" if of.little_endian else ""
        return f"{of.bits} bit{'' if of.bits == 1 else 's'} {of.coding}{order}"
    if isinstance(of, BinaryEncoding):
        return f"{words(of.bits)} bits"
    box = "" if of.box is None else f", in {words(of.box)} bits"
    leading = f", after a size tag of {of.leading_bits} bits" if of.leading_bits else ""
    end = f", ended by 0x{of.terminator.hex()}" if of.terminator else ""
    return f"{of.charset}{box}{leading}{end}"


def _calibrator(of: Polynomial | Spline | Formula) -> str:
    if isinstance(of, Polynomial):
        terms = [f"{c:.17g}" + (f" x^{i}" if i else "") for i, c in enumerate(of.coefficients)]
        return "polynomial " + " + ".join(terms)
    if isinstance(of, Formula):
        return "formula " + " ".join(
            words(t) if isinstance(t, Reference) else f"{t:g}" if isinstance(t, float) else t
            for t in of.tokens
        )
    points = ", ".join(f"{raw:.17g} → {calibrated:.17g}" for raw, calibrated in of.points)
    beyond = ", extrapolated" if of.extrapolate else ""
    return f"spline of order {of.order}: {points}{beyond}"


def _alarm(of: AlarmRanges) -> str:
    """Levels that have a limit first, then whatever else the ranges say."""
    ranges = [
        f"{level.word} [{low:g}, {high:g}]"
        for level, low, high in zip(ALARM_LEVELS, of.low, of.high, strict=True)
        if abs(low) != float("inf") or abs(high) != float("inf")
    ]
    silent = [f.name for f in fields(of) if getattr(of, f.name) in (None, ())]
    return " ".join([*ranges, *_members(of, but=("low", "high", *silent))])


def _plain(value: object) -> str:
    """Anything else, field by field: a new definition needs no code here."""
    if isinstance(value, Enum):
        return value.name.lower()
    if is_dataclass(value):
        return " ".join(_members(value))
    if isinstance(value, tuple):
        told = [words(v) for v in value[:_MOST_LABELS]]
        more = f" and {len(value) - _MOST_LABELS} more" if len(value) > _MOST_LABELS else ""
        return "(" + ", ".join(told) + ")" + more
    return f"{value:.17g}" if isinstance(value, float) else str(value)


def _members(value: object, but: tuple[str, ...] = ()) -> list[str]:
    assert is_dataclass(value)
    return [
        f"{f.name.replace('_', ' ')} {words(getattr(value, f.name))}"
        for f in fields(value)
        if f.name not in but
    ]
