"""The expression language of derived parameters: arithmetic and nothing else (docs/expressions.md).

    (chamber_pressure - ambient) / max(flow, 1e-3)

It is parsed to XTCE's postfix and computed by the same kernel as a MathOperation. No Python is
evaluated, and a name can only be a function or an input that the database lists.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from schemas.mission import Reference

LANGUAGE = "heartline"
MAX_TEXT = 4096
MAX_DEPTH = 64
_TOKEN = re.compile(
    r"\s*(?:(\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)|([A-Za-z_]\w*)|"
    r"(\*\*|<=|>=|==|!=|&&|\|\||[-+*/%<>!(),]))"
)
_LEVELS = (("||",), ("&&",), ("==", "!="), ("<", "<=", ">", ">="), ("+", "-"), ("*", "/", "%"))
# functions: XTCE's operator, and how many arguments
_FUNCTIONS = {
    **{n: (n, 1) for n in ("abs", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh",
                           "tanh", "asinh", "acosh", "atanh", "int", "ln")},
    "exp": ("e^x", 1), "log10": ("log", 1), "min": ("min", 2), "max": ("max", 2),
    "div": ("div", 2),
}  # fmt: skip
FUNCTIONS = tuple(_FUNCTIONS)
Tokens = list[float | str | Reference]


class ExpressionError(Exception):
    """What is wrong with an expression, and where."""


def postfix(text: str, names: Mapping[str, Reference | float]) -> Tokens:
    """An expression as XTCE's postfix. ExpressionError if it is not a valid expression."""
    if len(text) > MAX_TEXT:
        raise ExpressionError(f"longer than {MAX_TEXT} characters.")
    parser = _Parser(text, names)
    parser.binary(0, 0)
    if parser.word:
        raise ExpressionError(f"{parser.word!r} at {parser.at} is more than the expression needs.")
    return parser.out


class _Parser:
    """Recursive descent with one word of lookahead; `out` is the postfix so far."""

    def __init__(self, text: str, names: Mapping[str, Reference | float]) -> None:
        self._text, self._names = text.strip(), names
        self._end = 0
        self.at = 0
        self.word = ""
        self.out: Tokens = []
        self._next()

    def _next(self) -> None:
        self.at = self._end
        if self._end == len(self._text):
            self.word = ""
            return
        match = _TOKEN.match(self._text, self._end)
        if not match:
            raise ExpressionError(f"{self._text[self._end]!r} at {self._end} means nothing here.")
        self._end = match.end()
        self.word = match.group(0).strip()

    def _take(self, word: str) -> None:
        if self.word != word:
            raise ExpressionError(f"{word!r} is wanted at {self.at}, not {self.word!r}.")
        self._next()

    def binary(self, level: int, depth: int) -> None:
        """Operators of one precedence, from left to right."""
        if depth > MAX_DEPTH:
            raise ExpressionError(f"nested deeper than {MAX_DEPTH}.")
        inner: Callable[[], None] = lambda: (  # noqa: E731
            self.binary(level + 1, depth) if level + 1 < len(_LEVELS) else self._unary(depth)
        )
        inner()
        while self.word in _LEVELS[level]:
            operator = self.word
            self._next()
            inner()
            self.out.append(operator)

    def _unary(self, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise ExpressionError(f"nested deeper than {MAX_DEPTH}.")
        if self.word == "-":
            self._next()
            self.out.append(0.0)
            self._unary(depth + 1)
            self.out.append("-")
        elif self.word == "!":
            self._next()
            self._unary(depth + 1)
            self.out.append("!")
        else:
            self._operand(depth + 1)
            if self.word == "**":  # binds tighter than a sign before it, and to the right
                self._next()
                self._unary(depth + 1)
                self.out.append("^")

    def _operand(self, depth: int) -> None:
        word = self.word
        if word == "(":
            self._next()
            self.binary(0, depth)
            self._take(")")
        elif word in self._names and self._text[self._end : self._end + 1] != "(":
            self._next()
            self.out.append(self._names[word])
        elif word in _FUNCTIONS:
            self._call(*_FUNCTIONS[word], depth)
        elif word[:1].isdigit() or word[:1] == ".":
            self._next()
            self.out.append(float(word))
        else:
            raise ExpressionError(
                f"{word!r} at {self.at} is no input; there are {', '.join(self._names) or 'none'}."
                if word
                else "ends where a value is wanted."
            )

    def _call(self, operator: str, arguments: int, depth: int) -> None:
        self._next()
        self._take("(")
        for i in range(arguments):
            if i:
                self._take(",")
            self.binary(0, depth)
        self._take(")")
        self.out.append(operator)
