"""Cells of text as columns: numbers, booleans or texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

MISSING = ("", "x", "nan", "null", "na", "n/a")
_BOOLEANS = {"true": True, "false": False}
_EXACT = 2**53  # whole numbers up to here are exact as f8


def column_of(cells: Sequence[str]) -> NDArray[Any]:
    """bool[k], f8[k], i8[k] or u8[k] beyond f8's exact whole numbers, or text [k].

    A missing cell is NaN, and makes booleans 0.0 and 1.0.
    """
    words = [c.strip() for c in cells]
    lower = [w.lower() for w in words]
    if all(w in _BOOLEANS for w in lower):
        return np.array([_BOOLEANS[w] for w in lower])
    try:
        numbers = np.array([_number(w) for w in lower])
    except ValueError:
        return np.array(words, object)  # else every cell is as wide as the longest
    if np.nanmax(np.abs(numbers), initial=0.0) > _EXACT:
        return _whole(words, numbers)
    return numbers


def _number(word: str) -> float:
    if word in MISSING:
        return np.nan
    return float(_BOOLEANS.get(word, word))


def _whole(words: list[str], numbers: NDArray[np.float64]) -> NDArray[Any]:
    """Whole numbers too large for f8 as integers, where all are whole and 64 bits hold them."""
    try:
        exact = [int(w) for w in words]
    except ValueError:
        return numbers
    for kind in (np.int64, np.uint64):
        if np.iinfo(kind).min <= min(exact) and max(exact) <= np.iinfo(kind).max:
            return np.array(exact, kind)
    return numbers
