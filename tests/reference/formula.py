"""Formulas, evaluated plainly: postfix as XTCE writes it, and the expressions of docs/xtce.md."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

EDGE = 2.0**53


def _safe(function: Callable[..., float]) -> Callable[..., float]:
    """IEEE 754's way with what has no result, which Python raises for."""

    def call(*x: float) -> float:
        if any(v != v for v in x):
            return math.nan
        try:
            return float(function(*x))
        except OverflowError:
            return math.inf
        except (ValueError, ZeroDivisionError):
            return math.nan

    return call


def _divide(a: float, b: float) -> float:
    if b == 0:
        return math.nan if a == 0 else math.copysign(math.inf, a) * math.copysign(1, b)
    return a / b


def _power(a: float, b: float) -> float:
    try:
        return math.pow(a, b)
    except OverflowError:
        return -math.inf if a < 0 and b % 2 == 1 else math.inf
    except ValueError:
        if a == 0:
            return math.copysign(math.inf, a) if b % 2 == 1 else math.inf
        return math.nan


def _bits(function: Callable[[int, int], float]) -> Callable[[float, float], float]:
    def call(a: float, b: float) -> float:
        if not all(abs(x) < EDGE and x == math.floor(x) for x in (a, b)):
            return math.nan
        return float(function(int(a), int(b)))

    return _safe(call)


def _within(low: float, function: Callable[[float], float]) -> Callable[[float], float]:
    return lambda x: function(x) if math.isfinite(x) and x > low else math.nan


def _truncated(x: float) -> float:
    return float(math.trunc(x)) if math.isfinite(x) else x


ONE: dict[str, Callable[[float], float]] = {
    "ln": _safe(lambda x: math.nan if x <= 0 else math.log(x)),
    "log": _safe(lambda x: math.nan if x <= 0 else math.log10(x)),
    "e^x": _safe(lambda x: math.exp(x) if x < 709 else math.inf),
    "1/x": _safe(lambda x: _divide(1.0, x)),
    "x!": _safe(lambda x: math.nan if x < 0 or x != math.floor(x) else math.inf if x > 170 else _factorial(x)),
    "!": _safe(lambda x: float(x == 0)),
    "abs": _safe(abs), "int": _safe(_truncated),
    "~": _safe(lambda x: float(~int(x)) if abs(x) < EDGE and x == math.floor(x) else math.nan),
    **{n: _safe(_within(-math.inf, getattr(math, n))) for n in ("tan", "cos", "sin", "atan", "acos", "asin", "tanh", "acosh", "asinh")},
    "atanh": _safe(lambda x: math.atanh(x) if abs(x) < 1 else math.nan),
    "cosh": _safe(lambda x: math.nan if math.isinf(x) else math.cosh(x) if abs(x) < 710 else math.inf),
    "sinh": _safe(lambda x: math.sinh(x) if abs(x) < 710 else math.nan),
}  # fmt: skip


def _factorial(x: float) -> float:
    y = 1.0
    for i in range(2, int(x) + 1):
        y *= i
    return y


def _modulo(a: float, b: float) -> float:
    if b == 0 or math.isinf(a):
        return math.nan
    if math.isinf(b):
        return a if (a >= 0) == (b > 0) or a == 0 else b
    rest = math.fmod(a, b)
    return rest + b if rest and (rest < 0) != (b < 0) else rest


TWO: dict[str, Callable[[float, float], float]] = {
    "+": _safe(lambda a, b: a + b), "-": _safe(lambda a, b: a - b), "*": _safe(lambda a, b: a * b),
    "/": _safe(_divide), "%": _safe(_modulo), "^": _safe(_power),
    "y^x": _safe(lambda a, b: _power(b, a)), "atan2": _safe(lambda a, b: math.atan2(b, a)),
    "div": _safe(lambda a, b: _truncated(_divide(a, b))),
    "min": _safe(lambda a, b: b if b < a else a), "max": _safe(lambda a, b: b if b > a else a),
    "&&": _safe(lambda a, b: float(a != 0 and b != 0)), "||": _safe(lambda a, b: float(a != 0 or b != 0)),
    ">": _safe(lambda a, b: float(a > b)), ">=": _safe(lambda a, b: float(a >= b)),
    "<": _safe(lambda a, b: float(a < b)), "<=": _safe(lambda a, b: float(a <= b)),
    "==": _safe(lambda a, b: float(a == b)), "!=": _safe(lambda a, b: float(a != b)),
    "&": _bits(lambda a, b: a & b), "|": _bits(lambda a, b: a | b), "xor": _bits(lambda a, b: a ^ b),
    "<<": _bits(lambda a, b: float(a) * 2.0**b if 0 <= b < 1000 else math.nan),
    ">>": _bits(lambda a, b: a >> b if 0 <= b < 63 else math.nan),
}  # fmt: skip


def evaluate(tokens: list[Any]) -> float:
    stack: list[float] = []
    for token in tokens:
        if not isinstance(token, str):
            stack.append(token)
        elif token == "swap":
            stack[-1], stack[-2] = stack[-2], stack[-1]
        elif token == "drop":
            stack.pop()
        elif token == "dup":
            stack.append(stack[-1])
        elif token == "over":
            stack.append(stack[-2])
        elif token in ONE:
            stack.append(ONE[token](stack.pop()))
        else:
            b, a = stack.pop(), stack.pop()
            stack.append(TWO[token](a, b))
    (result,) = stack
    return result


LEVELS = {"||": 1, "&&": 2, "==": 3, "!=": 3, "<": 4, "<=": 4, ">": 4, ">=": 4,
          "+": 5, "-": 5, "*": 6, "/": 6, "%": 6, "**": 8}  # fmt: skip
CALLS = {"exp": "e^x", "log10": "log"}


def parse_infix(text: str, names: Mapping[str, float]) -> float:
    """Precedence climbing, computing as it goes."""
    words = re.findall(
        r"\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?|[A-Za-z_]\w*|\*\*|[<>=!]=|&&|\|\||\S",
        text,
    )

    def primary() -> float:
        word = words.pop(0)
        if word == "(":
            value = climb(1)
            words.pop(0)
            return value
        if word == "-":
            return TWO["-"](0.0, climb(7))
        if word == "!":
            return ONE["!"](climb(7))
        if word in names and words[:1] != ["("]:
            return names[word]
        if re.match(r"[A-Za-z_]", word):
            words.pop(0)
            arguments = [climb(1)]
            while words.pop(0) == ",":
                arguments.append(climb(1))
            word = CALLS.get(word, word)
            return ONE[word](*arguments) if word in ONE else TWO[word](*arguments)
        return float(word)

    def climb(least: int) -> float:
        left = primary()
        while words and LEVELS.get(words[0], 0) >= least:
            operator = words.pop(0)
            level = LEVELS[operator]
            right = climb(7 if operator == "**" else level + 1)
            left = TWO["^" if operator == "**" else operator](left, right)
        return left

    return climb(1)
