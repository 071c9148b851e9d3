"""Extent of a parameter: smallest and largest value of its last rows, the scale of what it shows.

Two blocks of HISTORY rows: the one that fills, and the one before it. A family that measures in
extents says the same of volts and of millivolts.
"""

from __future__ import annotations

import numpy as np

from pipeline.kernel import part
from schemas.columns import F8, I8, State

HISTORY = 8000


def empty_extents(f: int) -> State:
    return {
        "extent.past_low": np.full(f, np.inf), "extent.past_high": np.full(f, -np.inf),
        "extent.low": np.full(f, np.inf), "extent.high": np.full(f, -np.inf),
        "extent.rows": np.zeros(f, np.int64),
    }  # fmt: skip


@part
def stretch(
    x: float, j: int, past_low: F8, past_high: F8, low: F8, high: F8, rows: I8
) -> tuple[float, float]:
    """Take a value in; returns (smallest, largest) with it."""
    low[j], high[j] = min(low[j], x), max(high[j], x)
    least, most = min(past_low[j], low[j]), max(past_high[j], high[j])
    rows[j] += 1
    if rows[j] >= HISTORY:
        past_low[j], past_high[j] = low[j], high[j]
        low[j], high[j] = np.inf, -np.inf
        rows[j] = 0
    return least, most
