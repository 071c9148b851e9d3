"""Values that depend on other values: references, criteria, sizes, formulas, calibrators.

All read the row being decoded (`raw`, `eng`, `quality` from `v` on). If the packet does not hold
the value referred to, they read the newest one of an earlier packet (`latest`).
"""

from __future__ import annotations

import numpy as np

from pipeline.decode.definitions.tables import (
    AND,
    BEGINS,
    COMPARE,
    DROP,
    DYNAMIC,
    ENDS,
    EXACT,
    FIXED,
    FORMULA,
    KIND,
    LINES,
    LITERAL,
    LITTLE,
    OTHER,
    POLYNOMIAL,
    PUSH,
    PUSH_REFERENCE,
    PUSH_THIS,
    SIGNED,
    WIDE_SIGNED,
    WIDE_UNSIGNED,
    Tables,
)
from pipeline.decode.kernels.numbers import number, wide_number
from pipeline.decode.kernels.operators import operate
from pipeline.kernel import inline
from schemas.columns import ABSENT, F8, I8, U1, U8, Quality

_ABSENT = np.uint8(ABSENT)
_INVALID = np.uint8(Quality.INVALID)
_OUTSIDE = np.uint8(Quality.INVALID | Quality.OUT_OF_RANGE)


@inline
def has(t: Tables, ref: int, v: int, quality: U1, latest_has: U1) -> int:
    """Whether a reference leads to a value: 1 in this packet, 2 in an earlier one, 0 none."""
    column = t.references[ref, 0]
    if column >= 0 and quality[v + column] != _ABSENT:
        return 1
    slot = t.references[ref, 2]
    if slot >= 0 and latest_has[slot]:
        return 2
    return 0


@inline
def value(
    data: U1, t: Tables, ref: int, v: int, raw: U8, eng: F8, quality: U1, latest: F8, latest_has: U1
) -> float:
    """A reference as a number: engineering value, or uncalibrated. NaN where there is none."""
    where = has(t, ref, v, quality, latest_has)
    if where == 0:
        return np.nan
    if where == 2:
        slot = t.references[ref, 2]
        return latest[slot, 1] if t.references[ref, 3] else latest[slot, 0]
    column = v + t.references[ref, 0]
    if t.references[ref, 3]:
        return eng[column]
    return raw_number(data, t.fields[t.references[ref, 1]], raw[column])


@inline
def raw_number(data: U1, f: I8, word: np.uint64) -> float:
    """Uncalibrated number of a column's raw value (a wide integer's raw value is its place)."""
    if f[KIND] == WIDE_UNSIGNED or f[KIND] == WIDE_SIGNED:
        bit, bits = np.int64(word >> np.uint64(20)), np.int64(word & np.uint64(0xFFFFF))
        return wide_number(data, bit, bits, f[KIND], f[LITTLE] != 0)
    return number(word, f[KIND], f[DROP])


@inline
def word_of(
    t: Tables, ref: int, v: int, raw: U8, quality: U1, latest_word: U8, latest_has: U1
) -> np.uint64:
    """Raw bits of a reference that is known to have a value."""
    if has(t, ref, v, quality, latest_has) == 1:
        return raw[v + t.references[ref, 0]]
    return latest_word[t.references[ref, 2]]


@inline
def compare(left: float, operator: int, right: float) -> bool:
    """Compare two numbers. No comparison with NaN holds."""
    if np.isnan(left) or np.isnan(right):
        return False
    if operator == 0:
        return left == right
    if operator == 1:
        return left != right
    if operator == 2:
        return left < right
    if operator == 3:
        return left <= right
    if operator == 4:
        return left > right
    return left >= right


@inline
def compare_words(left: np.uint64, operator: int, right: np.uint64, signed: bool) -> bool:
    """Compare integers of 64 bits, which a float would round."""
    if operator == 0:
        return left == right
    if operator == 1:
        return left != right
    if signed:
        a, b = np.int64(left), np.int64(right)
        less, same = a < b, a == b
    else:
        less, same = left < right, left == right
    if operator == 2:
        return less
    if operator == 3:
        return less or same
    if operator == 4:
        return not (less or same)
    return not less


@inline
def same_text(data: U1, bit: int, texts: U1, start: int, n: int) -> bool:
    """Whether the text stands at `bit`."""
    for i in range(n):
        at, shift = (bit >> 3) + i, bit & 7
        byte = (np.int64(data[at]) << shift) | (np.int64(data[at + 1]) >> (8 - shift))
        if (byte & 255) != texts[start + i]:
            return False
    return True


@inline
def compare_text(
    data: U1, bit: int, bits: int, operator: int, texts: U1, start: int, n: int
) -> bool:
    """Compare a text of `bits` with a literal: it is equal, differs, begins with it, ends with it
    or contains it."""
    size = bits >> 3
    if operator <= 1:
        return (size == n and same_text(data, bit, texts, start, n)) == (operator == 0)
    first = size - n if operator == ENDS else 0
    last = 0 if operator == BEGINS else size - n
    for i in range(max(first, 0), last + 1):
        if n <= size and same_text(data, bit + 8 * i, texts, start, n):
            return True
    return False


@inline
def fold(token_kind: int, n: int, stack: np.uint64) -> np.uint64:
    """AND or OR of the last n truths of a stack of bits."""
    mask = (np.uint64(1) << np.uint64(n)) - np.uint64(1)
    top = stack & mask
    held = top == mask if token_kind == AND else top != np.uint64(0)
    return ((stack >> np.uint64(n)) << np.uint64(1)) | np.uint64(held)


@inline
def holds(
    data: U1,
    t: Tables,
    first: int,
    n: int,
    v: int,
    raw: U8,
    eng: F8,
    quality: U1,
    latest: F8,
    latest_word: U8,
    latest_has: U1,
    latest_text: U1,
) -> bool:
    """Whether criteria hold for the row so far. No comparison without a value holds."""
    stack = np.uint64(0)
    for i in range(first, first + n):
        if t.criteria[i, 0] != COMPARE:
            stack = fold(t.criteria[i, 0], t.criteria[i, 1], stack)
            continue
        c = t.comparisons[t.criteria[i, 1]]
        held = False
        where = has(t, c[0], v, quality, latest_has)
        if where == 0:
            held = False
        elif c[2] == LITERAL:
            if where == 1:
                place = raw[v + t.references[c[0], 0]]
                bit, bits = np.int64(place >> np.uint64(20)), np.int64(place & np.uint64(0xFFFFF))
                held = compare_text(data, bit, bits, c[1], t.texts, c[3], c[4])
            else:
                slot = t.references[c[0], 2]
                bits = np.int64(latest_word[slot])
                # only so much of an earlier text is kept as a test for equality needs
                held = c[1] < BEGINS and compare_text(
                    latest_text[slot], 0, bits, c[1], t.texts, c[3], c[4]
                )
        elif c[2] == EXACT:
            f = t.fields[_field_of(t, c[0])]
            word = word_of(t, c[0], v, raw, quality, latest_word, latest_has)
            want = t.bits[t.criteria[i, 1]]
            signed = f[KIND] == SIGNED
            if signed:
                word = np.uint64(np.int64(word << np.uint64(f[DROP])) >> np.int64(f[DROP]))
            held = compare_words(word, c[1], want, signed)
        else:
            left = value(data, t, c[0], v, raw, eng, quality, latest, latest_has)
            right = t.numbers[t.criteria[i, 1]]
            if c[2] == OTHER:
                right = value(data, t, c[3], v, raw, eng, quality, latest, latest_has)
            held = compare(left, c[1], right)
        stack = (stack << np.uint64(1)) | np.uint64(held)
    return (stack & np.uint64(1)) == np.uint64(1)


@inline
def _field_of(t: Tables, ref: int) -> int:
    """Row of the field that a reference leads to; for an earlier value, the slot's field."""
    row = t.references[ref, 1]
    return row if row >= 0 else t.slot_fields[t.references[ref, 2]]


@inline
def size(
    data: U1,
    t: Tables,
    which: int,
    v: int,
    raw: U8,
    eng: F8,
    quality: U1,
    latest: F8,
    latest_word: U8,
    latest_has: U1,
    latest_text: U1,
) -> int:
    """A size, place or count; below -2^40 if it cannot be determined."""
    kind = t.sizes[which, 0]
    if kind == FIXED:
        return np.int64(t.lines[which, 1])
    if kind == DYNAMIC:
        x = value(data, t, t.sizes[which, 1], v, raw, eng, quality, latest, latest_has)
        x = t.lines[which, 0] * x + t.lines[which, 1]
        if not (-1e9 < x < 1e9) or x != np.floor(x):
            return np.int64(-(2**50))
        return np.int64(x)
    for i in range(t.sizes[which, 1], t.sizes[which, 1] + t.sizes[which, 2]):
        if holds(data, t, t.lookups[i, 0], t.lookups[i, 1], v, raw, eng, quality, latest,
                 latest_word, latest_has, latest_text):  # fmt: skip
            return t.lookups[i, 2]
    return np.int64(-(2**50))


@inline
def formula(
    data: U1,
    t: Tables,
    first: int,
    n: int,
    this: float,
    v: int,
    raw: U8,
    eng: F8,
    quality: U1,
    latest: F8,
    latest_has: U1,
    stack: F8,
) -> float:
    """A formula in postfix; NaN where an operand has no value or an operation no result."""
    top = 0
    for i in range(first, first + n):
        kind, argument = t.tokens[i, 0], t.tokens[i, 1]
        if kind == PUSH:
            stack[top] = t.token_numbers[i]
            top += 1
        elif kind == PUSH_THIS:
            stack[top] = this
            top += 1
        elif kind == PUSH_REFERENCE:
            stack[top] = value(data, t, argument, v, raw, eng, quality, latest, latest_has)
            top += 1
        else:
            top = operate(argument, stack, top)
    return stack[0]


@inline
def calibrated(
    data: U1,
    t: Tables,
    which: int,
    x: float,
    v: int,
    raw: U8,
    eng: F8,
    quality: U1,
    latest: F8,
    latest_has: U1,
    stack: F8,
) -> tuple[float, np.uint8]:
    """(engineering value, quality) by one calibrator."""
    kind, start, n = t.calibrators[which, 0], t.calibrators[which, 1], t.calibrators[which, 2]
    if kind == POLYNOMIAL:
        return polynomial(x, t.coefficients, start, n), np.uint8(0)
    if kind == FORMULA:
        return formula(
            data, t, start, n, x, v, raw, eng, quality, latest, latest_has, stack
        ), np.uint8(0)
    return spline(t, which, x)


@inline
def polynomial(x: float, coefficients: F8, first: int, n: int) -> float:
    """PolynomialCalibrator by Horner's rule."""
    y = coefficients[first + n - 1]
    for i in range(n - 2, -1, -1):
        y = y * x + coefficients[first + i]
    return y


@inline
def spline(t: Tables, which: int, x: float) -> tuple[float, np.uint8]:
    """SplineCalibrator: the step or the straight line between the points around x."""
    points, start, n = t.coefficients, t.calibrators[which, 1], t.calibrators[which, 2]
    lines, extrapolate = t.calibrators[which, 0] == LINES, t.calibrators[which, 3] != 0
    if np.isnan(x):
        return np.nan, np.uint8(0)
    low, high = points[start], points[start + 2 * (n - 1)]
    if not extrapolate and not (low <= x <= high):
        return np.nan, _OUTSIDE
    i = 0  # the segment; the first and the last reach outwards
    while i < n - 2 and x >= points[start + 2 * (i + 1)]:
        i += 1
    x0, y0 = points[start + 2 * i], points[start + 2 * i + 1]
    x1, y1 = points[start + 2 * i + 2], points[start + 2 * i + 3]
    if lines:
        return y0 + (x - x0) * (y1 - y0) / (x1 - x0), np.uint8(0)
    return y1 if x >= x1 else y0, np.uint8(0)


@inline
def unlabelled(whole: int, labels: I8, first: int, n: int) -> np.uint8:
    """INVALID if an enumeration has no label for the value; labels are in ascending order."""
    low, high = first, first + n
    while low < high:
        middle = (low + high) >> 1
        if labels[middle] < whole:
            low = middle + 1
        else:
            high = middle
    return np.uint8(0) if low < first + n and labels[low] == whole else _INVALID
