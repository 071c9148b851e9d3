"""The operators of XTCE's formulas on a small stack of float64 (XTCE 1.2, MathOperatorsType).

Truth is 1 or 0. If an operation has no result (a root of a negative number, zero divided by zero)
the value is NaN or infinite, as in IEEE 754, and the sample becomes invalid. `%` takes the sign of
its divisor; `div` and `int` truncate towards zero; operators on bits take integers within 2^53.
"""

from __future__ import annotations

import math

import numpy as np

from pipeline.decode.definitions.tables import MATH
from pipeline.kernel import inline
from schemas.columns import F8

_M = MATH
(
    _ADD, _SUB, _MUL, _DIV, _MOD, _POW, _YPOW, _LN, _LOG, _EXP, _INV, _FACT, _TAN, _COS, _SIN,
    _ATAN, _ATAN2, _ACOS, _ASIN, _TANH, _COSH, _SINH, _ATANH, _ACOSH, _ASINH, _SWAP, _DROP, _DUP,
    _OVER, _LEFT, _RIGHT, _AND, _OR, _BOTH, _EITHER, _NOT, _ABS, _WHOLE, _INT, _GT, _GE, _LT, _LE,
    _EQ, _NE, _MIN, _MAX, _XOR, _COMPLEMENT,
) = (_M[word] for word in MATH)  # fmt: skip
_BITS_MOST = 9007199254740992.0  # 2^53


@inline
def operate(which: int, stack: F8, top: int) -> int:
    """Apply one operator to the stack; returns its new height."""
    if which == _SWAP:
        stack[top - 1], stack[top - 2] = stack[top - 2], stack[top - 1]
        return top
    if which == _DROP:
        return top - 1
    if which == _DUP:
        stack[top] = stack[top - 1]
        return top + 1
    if which == _OVER:
        stack[top] = stack[top - 2]
        return top + 1
    x = stack[top - 1]
    if _takes_one(which):
        stack[top - 1] = _one(which, x)
        return top
    stack[top - 2] = _two(which, stack[top - 2], x)
    return top - 1


@inline
def _takes_one(which: int) -> bool:
    return (
        _LN <= which <= _ATAN
        or _ACOS <= which <= _ASINH
        or which == _NOT
        or which == _ABS
        or which == _INT
        or which == _COMPLEMENT
    )


@inline
def _one(which: int, x: float) -> float:
    if np.isnan(x):
        return np.nan
    if which == _LN or which == _LOG:
        if x <= 0.0:
            return np.nan
        return math.log(x) if which == _LN else math.log10(x)
    if which == _EXP:
        return math.exp(x) if x < 709.0 else np.inf
    if which == _INV:
        return 1.0 / x
    if which == _FACT:
        return _factorial(x)
    if which == _NOT:
        return 1.0 if x == 0.0 else 0.0
    if which == _ABS:
        return abs(x)
    if which == _INT:
        return np.trunc(x)
    if which == _COMPLEMENT:
        return np.float64(~np.int64(x)) if _bitwise(x) else np.nan
    if np.isinf(x):
        return np.nan
    return _angle(which, x)


@inline
def _angle(which: int, x: float) -> float:
    """Trigonometric and hyperbolic functions, of radians."""
    if which == _TAN:
        return math.tan(x)
    if which == _COS:
        return math.cos(x)
    if which == _SIN:
        return math.sin(x)
    if which == _ATAN:
        return math.atan(x)
    if which == _ACOS:
        return math.acos(x) if abs(x) <= 1.0 else np.nan
    if which == _ASIN:
        return math.asin(x) if abs(x) <= 1.0 else np.nan
    if which == _TANH:
        return math.tanh(x)
    if which == _COSH:
        return math.cosh(x) if abs(x) < 710.0 else np.inf
    if which == _SINH:
        return math.sinh(x) if abs(x) < 710.0 else np.nan
    if which == _ATANH:
        return math.atanh(x) if abs(x) < 1.0 else np.nan
    if which == _ACOSH:
        return math.acosh(x) if x >= 1.0 else np.nan
    return math.asinh(x)


@inline
def _two(which: int, a: float, b: float) -> float:
    if np.isnan(a) or np.isnan(b):
        return np.nan
    if which == _ADD:
        return a + b
    if which == _SUB:
        return a - b
    if which == _MUL:
        return a * b
    if which == _DIV:
        return a / b
    if which == _MOD:
        return _modulo(a, b)
    if which == _POW:
        return a**b
    if which == _YPOW:
        return b**a
    if which == _ATAN2:
        return math.atan2(b, a)
    if which == _WHOLE:
        return np.trunc(a / b)
    if which == _MIN:
        return min(a, b)
    if which == _MAX:
        return max(a, b)
    if which == _BOTH:
        return 1.0 if a != 0.0 and b != 0.0 else 0.0
    if which == _EITHER:
        return 1.0 if a != 0.0 or b != 0.0 else 0.0
    if _LEFT <= which <= _OR or which == _XOR:
        return _on_bits(which, a, b)
    return _truth(which, a, b)


@inline
def _truth(which: int, a: float, b: float) -> float:
    held = (
        (which == _GT and a > b)
        or (which == _GE and a >= b)
        or (which == _LT and a < b)
        or (which == _LE and a <= b)
        or (which == _EQ and a == b)
        or (which == _NE and a != b)
    )
    return 1.0 if held else 0.0


@inline
def _on_bits(which: int, a: float, b: float) -> float:
    if not (_bitwise(a) and _bitwise(b)):
        return np.nan
    x, y = np.int64(a), np.int64(b)
    if which == _LEFT:
        return a * 2.0**b if 0 <= y < 1000 else np.nan
    if which == _RIGHT:
        return np.float64(x >> y) if 0 <= y < 63 else np.nan
    if which == _AND:
        return np.float64(x & y)
    if which == _OR:
        return np.float64(x | y)
    return np.float64(x ^ y)


@inline
def _bitwise(x: float) -> bool:
    return abs(x) < _BITS_MOST and x == np.floor(x)


@inline
def _modulo(a: float, b: float) -> float:
    if b == 0.0 or np.isinf(a):
        return np.nan
    if np.isinf(b):
        return a if (a >= 0.0) == (b > 0.0) or a == 0.0 else b
    rest = np.fmod(a, b)
    return rest + b if rest != 0.0 and (rest < 0.0) != (b < 0.0) else rest


@inline
def _factorial(x: float) -> float:
    if x < 0.0 or x != np.floor(x):
        return np.nan
    if x > 170.0:
        return np.inf
    y = 1.0
    for i in range(2, int(x) + 1):
        y *= i
    return y
