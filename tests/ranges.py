"""Limits of columns that have one variant each, as most tests want them."""

from __future__ import annotations

import numpy as np

from pipeline.alarms.check import NO_CHOICE
from pipeline.alarms.static import Judged, Limits, Ranges
from schemas.columns import F8


def plain_limits(low: F8, high: F8, deadband: F8) -> Limits:
    """low, high f8[5, a]; deadband f8[a]: columns 0 to a - 1."""
    every = np.arange(len(deadband))
    none, start = np.full(len(every), NO_CHOICE), np.zeros(len(every) + 1, np.int64)
    empty = np.zeros(0, np.uint8)
    ranges = Ranges(low, high, start, empty, np.zeros(0), np.zeros(0))
    text = np.zeros(len(every), np.uint8)
    return Limits(Judged(every, every, none, text, deadband), ranges)
