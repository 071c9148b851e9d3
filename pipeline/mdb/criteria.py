"""XTCE match criteria, integer values that may depend on the packet, formulas in postfix."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pipeline.mdb.describe import describe
from pipeline.mdb.names import Scope
from pipeline.mdb.xml import Element
from schemas.mission import (
    THIS,
    AllOf,
    AnyOf,
    Comparison,
    Criteria,
    DynamicValue,
    Formula,
    IntegerValue,
    LookupValue,
    Reference,
)

COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")
MATCHES = ("Comparison", "ComparisonList", "BooleanExpression")
ALWAYS = AllOf(())
# operators of a formula and how many operands each takes. Each leaves one result, except the stack
# operators of _LEFT_BEHIND
OPERANDS = {
    "+": 2, "-": 2, "*": 2, "/": 2, "%": 2, "^": 2, "y^x": 2, "ln": 1, "log": 1, "e^x": 1,
    "1/x": 1, "x!": 1, "tan": 1, "cos": 1, "sin": 1, "atan": 1, "atan2": 2, "acos": 1, "asin": 1,
    "tanh": 1, "cosh": 1, "sinh": 1, "atanh": 1, "acosh": 1, "asinh": 1, "swap": 2, "drop": 1,
    "dup": 1, "over": 2, "<<": 2, ">>": 2, "&": 2, "|": 2, "&&": 2, "||": 2, "!": 1, "abs": 1,
    "div": 2, "int": 1, ">": 2, ">=": 2, "<": 2, "<=": 2, "==": 2, "!=": 2, "min": 2, "max": 2,
    "xor": 2, "~": 1,
}  # fmt: skip
_LEFT_BEHIND = {"swap": 2, "drop": 0, "dup": 2, "over": 3}
STACK = 16
_CHARSETS = {
    "US-ASCII": "ascii", "ISO-8859-1": "latin-1", "Windows-1252": "cp1252", "UTF-8": "utf-8",
    "UTF-16": "utf-16-be", "UTF-16LE": "utf-16-le", "UTF-16BE": "utf-16-be",
    "UTF-32": "utf-32-be", "UTF-32LE": "utf-32-le", "UTF-32BE": "utf-32-be",
}  # fmt: skip
CHARSETS = tuple(_CHARSETS)


def codec(charset: str) -> str:
    """Python's name of a character set; UTF-16 and UTF-32 are big-endian (RFC 2781)."""
    return _CHARSETS[charset]


def read_criteria(element: Element, scope: Scope) -> Criteria:
    """Children of a MatchCriteria: one of Comparison, ComparisonList, BooleanExpression."""
    one = element.the(*MATCHES)
    if one.tag == "Comparison":
        return _comparison(one, scope)
    if one.tag == "ComparisonList":
        return AllOf(tuple(_comparison(c, scope) for c in one.children("Comparison")))
    return _expression(one.the("Condition", "ANDedConditions", "ORedConditions"), scope)


def _expression(element: Element, scope: Scope, depth: int = 0) -> Criteria:
    if depth > 32:
        raise element.refuse("conditions nested deeper than 32.")
    if element.tag == "Condition":
        return _condition(element, scope)
    inner = "ORedConditions" if element.tag == "ANDedConditions" else "ANDedConditions"
    parts = tuple(_expression(e, scope, depth + 1) for e in element.children("Condition", inner))
    return AllOf(parts) if element.tag == "ANDedConditions" else AnyOf(parts)


def _comparison(element: Element, scope: Scope) -> Criteria:
    left = scope.reference(element, "comparisonOperator", "value")
    operator = element.choice("comparisonOperator", "==", *COMPARISONS)
    return _compare(element, scope, left, operator, element.attribute("value"))


def _condition(element: Element, scope: Scope) -> Criteria:
    element.only_attributes()
    parts = list(element.children("ParameterInstanceRef", "ComparisonOperator", "Value"))
    tags = [p.tag for p in parts]
    if tags[:2] != ["ParameterInstanceRef", "ComparisonOperator"] or len(parts) != 3:
        raise element.refuse("needs a ParameterInstanceRef, an operator, and a Value or another.")
    left, operator = scope.reference(parts[0]), parts[1].text
    if operator not in COMPARISONS:
        raise parts[1].refuse(f"{operator!r} is no comparison operator.")
    if parts[2].tag == "Value":
        return _compare(element, scope, left, operator, parts[2].text)
    right = scope.reference(parts[2])
    for side in (left, right):
        if describe(scope, element, side).kind in ("String", "Binary", "Aggregate", "Array"):
            raise element.refuse("two parameters are compared as numbers alone.")
    return Comparison(left, operator, right)


def _compare(element: Element, scope: Scope, left: Reference, operator: str, text: str) -> Criteria:
    """A comparison with a literal value, which is read according to the parameter's type."""
    of = describe(scope, element, left)
    if of.kind in ("Binary", "Aggregate", "Array", "AbsoluteTime"):
        raise element.refuse(f"comparison with a parameter of type {of.kind} is not supported.")
    if of.kind == "String":
        if operator not in ("==", "!="):
            raise element.refuse("strings are equal or not; they have no order.")
        try:
            return Comparison(left, operator, text.encode(codec(of.charset)))
        except UnicodeEncodeError:
            raise element.refuse(f"{text!r} cannot be written in {of.charset}.") from None
    if left.calibrated and of.labels:
        values = [raw for raw, label in of.labels if label == text]
        if not values:
            raise element.refuse(f"{left.parameter} has no label {text!r}.")
        return _labelled(Reference(left.parameter, False), operator, values)
    return Comparison(left, operator, _number(element, text))


def _labelled(left: Reference, operator: str, values: Sequence[int]) -> Criteria:
    """A comparison with a label, as one with its raw values. A label may have several, in rising
    order (by `maxValue`, or by several Enumerations)."""
    least, most = values[0], values[-1]
    if operator in (">", "<="):
        return Comparison(left, operator, most)
    if operator in ("<", ">="):
        return Comparison(left, operator, least)
    runs = _runs(values)
    if operator == "==":
        return _one_of(AnyOf, [_within(left, a, b) for a, b in runs])
    return _one_of(AllOf, [_outside(left, a, b) for a, b in runs])


def _runs(values: Sequence[int]) -> list[tuple[int, int]]:
    """First and last of each run of consecutive values."""
    runs = [[values[0], values[0]]]
    for value in values[1:]:
        if value == runs[-1][1] + 1:
            runs[-1][1] = value
        else:
            runs.append([value, value])
    return [(a, b) for a, b in runs]


def _within(left: Reference, first: int, last: int) -> Criteria:
    if first == last:
        return Comparison(left, "==", first)
    return AllOf((Comparison(left, ">=", first), Comparison(left, "<=", last)))


def _outside(left: Reference, first: int, last: int) -> Criteria:
    if first == last:
        return Comparison(left, "!=", first)
    return AnyOf((Comparison(left, "<", first), Comparison(left, ">", last)))


def _one_of(kind: type[AllOf] | type[AnyOf], parts: list[Criteria]) -> Criteria:
    return parts[0] if len(parts) == 1 else kind(tuple(parts))


def _number(element: Element, text: str) -> int | float:
    for read in (lambda: int(text, 0), lambda: float(text)):
        try:
            value: int | float = read()
        except ValueError:
            continue
        if abs(value) < 2**64:  # no NaN, no infinity, and no whole number too long for a float
            return value
    raise element.refuse(f"{text!r} is not a number that a parameter could have.")


def read_value(element: Element, scope: Scope) -> IntegerValue:
    """An IntegerValue: FixedValue, DynamicValue or DiscreteLookupList."""
    one = element.the("FixedValue", "DynamicValue", "DiscreteLookupList")
    if one.tag == "FixedValue":
        try:
            value = int(one.text)
        except ValueError:
            raise one.refuse(f"{one.text!r} is not a whole number.") from None
        if abs(value) >= 2**63:
            raise one.refuse(f"{one.text} is more than 64 bits hold.")
        return value
    return read_dynamic(one, scope)


def read_dynamic(element: Element, scope: Scope) -> DynamicValue | LookupValue:
    element.only_attributes()
    if element.tag == "DiscreteLookupList":
        choices = []
        for item in element.children("DiscreteLookup"):
            item.only_attributes("value")
            choices.append((read_criteria(item, scope), item.integer("value")))
        return LookupValue(tuple(choices))
    parts = {c.tag: c for c in element.children("ParameterInstanceRef", "LinearAdjustment")}
    if "ParameterInstanceRef" not in parts:
        raise element.refuse("needs a ParameterInstanceRef.")
    reference = numeric(parts["ParameterInstanceRef"], scope)
    slope, intercept = 1.0, 0.0
    if "LinearAdjustment" in parts:
        slope, intercept = _adjustment(parts["LinearAdjustment"], scope)
    return DynamicValue(reference, slope, intercept)


def _adjustment(element: Element, scope: Scope) -> tuple[float, float]:
    """Slope and intercept. The schema has a default of 0 for the intercept and none for the slope.
    A slope of 0 would make the dynamic value a constant, so a missing slope is read as 1."""
    element.only_attributes("slope", "intercept")
    slope, intercept = element.number("slope", "1"), element.number("intercept", "0")
    if not (math.isfinite(slope) and math.isfinite(intercept)):
        raise element.refuse("must be finite.")
    if not element.has("slope"):
        note = element.tell("no slope, and XTCE 1.2 gives no default: read as 1.")
        if note not in scope.names.notes:
            scope.names.notes.append(note)
    return slope, intercept


def numeric(element: Element, scope: Scope, *more: str) -> Reference:
    """A reference to something that is a number. more: attributes that may stand beside it."""
    reference = scope.reference(element, *more)
    kind = describe(scope, element, reference).kind
    if kind in ("String", "Binary", "Aggregate", "Array"):
        raise element.refuse(f"a {kind} is no number.")
    return reference


def read_formula(element: Element, scope: Scope, this: bool) -> Formula:
    """MathOperation: operands and operators from first to last.

    this: of a calibrator, which may use ThisParameterOperand; else it may have a TriggerSet.
    """
    tokens: list[float | str | Reference] = []
    operands = ("ValueOperand", "ParameterInstanceRefOperand", "Operator")
    for item in element.children(*operands, "ThisParameterOperand" if this else "TriggerSet"):
        if item.tag == "TriggerSet":
            continue
        if item.tag == "ThisParameterOperand":
            tokens.append(THIS)
        elif item.tag == "ParameterInstanceRefOperand":
            tokens.append(numeric(item, scope))
        elif item.tag == "ValueOperand":
            tokens.append(float(_number(item, item.text)))
        elif item.text in OPERANDS:
            tokens.append(item.text)
        else:
            raise item.refuse(f"{item.text!r} is no operator of XTCE 1.2.")
    check_formula(element, tokens)
    return Formula(tuple(tokens))


def check_formula(element: Element, tokens: list[float | str | Reference]) -> None:
    """Every operator finds its operands, one value is left, and the stack stays small."""
    depth = 0
    for token in tokens:
        if isinstance(token, str) and token != THIS:
            need = OPERANDS[token]
            if depth < need:
                raise element.refuse(f"operator {token!r} finds {depth} of its {need} operands.")
            depth += _LEFT_BEHIND.get(token, 1) - need
        else:
            depth += 1
        if depth > STACK:
            raise element.refuse(f"holds more than {STACK} values at once.")
    if depth != 1:
        raise element.refuse(f"leaves {depth} values, not one.")
