"""Extent of a parameter: smallest and largest value of its last rows, used as its scale.

Two blocks of HISTORY rows: the one being filled, and the one before it. A family that measures in
extents gives the same results for volts and for millivolts.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pipeline.kernel import part
from schemas.columns import F8, I8

HISTORY = 8000


class Extents(NamedTuple):
    """Of f parameters, f8[f] each; rows i8[f]: rows in the block being filled."""

    past_low: F8
    past_high: F8
    low: F8
    high: F8
    rows: I8


def empty_extents(f: int) -> Extents:
    low, high = np.full(f, np.inf), np.full(f, -np.inf)
    return Extents(low, high, low.copy(), high.copy(), np.zeros(f, np.int64))


@part
def reach(j: int, extents: Extents) -> tuple[float, float]:
    """(smallest, largest) of the rows that were taken in."""
    e = extents
    return min(e.past_low[j], e.low[j]), max(e.past_high[j], e.high[j])


@part
def stretch(x: float, j: int, extents: Extents) -> tuple[float, float]:
    """Take a value in; returns (smallest, largest) with it."""
    e = extents
    e.low[j], e.high[j] = min(e.low[j], x), max(e.high[j], x)
    least, most = min(e.past_low[j], e.low[j]), max(e.past_high[j], e.high[j])
    e.rows[j] += 1
    if e.rows[j] >= HISTORY:
        e.past_low[j], e.past_high[j] = e.low[j], e.high[j]
        e.low[j], e.high[j] = np.inf, -np.inf
        e.rows[j] = 0
    return least, most
