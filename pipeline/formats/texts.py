"""Columns of text as numbers, booleans or texts, a column at a time."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.formats.times import exact_ns, times_ns
from schemas.columns import I8

MISSING = ("", "x", "nan", "null", "na", "n/a")
EXACT = 2**53  # whole numbers up to here are exact as f8
ODD = 0.1  # largest share of cells that are not numbers in a column of numbers
SHOWN = 3
_NUMBER = r"^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$"
_INFINITE = r"(?i)^[-+]?inf(inity)?$"
_COMMA = r"^([-+]?\d*),(\d+([eE][-+]?\d+)?)$"
_PLUS = r"^\+"


class Odd(NamedTuple):
    """Cells of a numeric column that are not numbers: how many, the first's row, some words."""

    cells: int
    row: int
    words: tuple[str, ...]


class Read(NamedTuple):
    """values: bool[k], f8[k], i8[k] or u8[k] if f8 cannot hold them exactly, or texts [k]."""

    values: NDArray[Any]
    odd: Odd | None = None


def read_column(cells: pa.ChunkedArray, comma: bool = False, kind: str = "") -> Read:
    """comma: whether there is a decimal comma. kind: `number` or `text`, where the user sets it."""
    words = trimmed(cells, comma)
    plain = pc.match_substring_regex(words, _NUMBER)
    if kind != "text" and pc.all(plain).as_py():  # nearly every column
        return Read(_numbers(words, words))
    lower = pc.utf8_lower(words)
    missing = pc.is_in(lower, value_set=pa.array(MISSING))
    truth = pc.is_in(lower, value_set=pa.array(["true", "false"]))
    if kind == "text":
        return Read(_texts(words))
    if not kind and pc.all(truth).as_py():
        return Read(pc.equal(lower, "true").to_numpy())
    if pc.any(truth).as_py():
        words = pc.if_else(pc.equal(lower, "true"), "1", words)
        words = pc.if_else(pc.equal(lower, "false"), "0", words)
        plain = pc.match_substring_regex(words, _NUMBER)
    endless = pc.match_substring_regex(words, _INFINITE)
    number = pc.or_(plain, endless)
    odd = pc.and_(pc.invert(number), pc.invert(missing))
    n, there = pc.sum(odd).as_py() or 0, pc.sum(pc.invert(missing)).as_py() or 0
    if n and kind != "number" and n > ODD * there:
        return Read(_texts(words))
    told = _odd(words, odd, n) if n else None
    kept = pc.if_else(number, words, None)
    return Read(_numbers(kept, words if not n else None), told)


def _numbers(kept: pa.ChunkedArray, exact: pa.ChunkedArray | None) -> NDArray[Any]:
    """exact: the same cells, where all are numbers or missing: whole numbers stay exact."""
    bare = pc.replace_substring_regex(kept, _PLUS, "")
    values = pc.cast(bare, pa.float64()).to_numpy(zero_copy_only=False)
    if exact is not None and np.nanmax(np.abs(values), initial=0.0) > EXACT:
        return _whole(exact, values)
    return np.asarray(values, np.float64)


def trimmed(cells: pa.ChunkedArray, comma: bool) -> pa.ChunkedArray:
    """Cells without surrounding white space, and with a decimal comma as a point."""
    words = pc.utf8_trim_whitespace(cells)
    return pc.replace_substring_regex(words, _COMMA, r"\1.\2") if comma else words


def _odd(words: pa.ChunkedArray, odd: pa.ChunkedArray, n: int) -> Odd:
    row = int(np.argmax(odd.to_numpy()))
    every = pc.unique(pc.filter(words, odd)).slice(0, SHOWN).to_pylist()
    return Odd(n, row, tuple(every))


def _texts(words: pa.ChunkedArray) -> NDArray[Any]:
    """An array of objects: in one of strings every cell would be as wide as the longest."""
    made: NDArray[Any] = words.to_numpy(zero_copy_only=False).astype(object)
    return made


def _whole(words: pa.ChunkedArray, numbers: NDArray[np.float64]) -> NDArray[Any]:
    """Numbers too large for f8 as integers, if all are whole and fit 64 bits; else unchanged."""
    for kind in (pa.int64(), pa.uint64()):
        try:
            return np.asarray(pc.cast(words, kind).to_numpy())
        except pa.ArrowInvalid:
            continue
    return numbers


def read_times(cells: pa.ChunkedArray, comma: bool, unit_ns: int | None, epoch_ns: int) -> I8:
    """ns since 1970. ValueError(place, cell) at the first that is no time."""
    words = trimmed(cells, comma)
    fast = exact_ns(words, unit_ns, epoch_ns)
    if fast is not None:
        return fast
    return np.array(times_ns(words.to_pylist(), unit_ns, epoch_ns), np.int64)
