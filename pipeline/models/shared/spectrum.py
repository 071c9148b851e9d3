"""The spectrum of the last rows, every HOP rows: Welch's method (Welch 1967), a segment at a time.

    P_k = 2 · |Σ w_n (x_n - x̄) e^(-2πikn/ROWS)|² / (ROWS · Σ w²)     k = 1 … ROWS/2

    Q_k ← Q_k + PACE · (P_k - Q_k)

w is Hann's window. The sum of all P_k is about the variance, so the sum over a band is the variance
in that band. Q is the mean of P over the last segments; it starts again after a gap.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from pipeline.kernel import part
from pipeline.models.shared.window import ROWS
from schemas.columns import F8, I8

HOP = 16
PACE = 0.2
BINS = ROWS // 2


class Tables(NamedTuple):
    """f8[ROWS, BINS] each: windowed and scaled, so that a bin's power is the sum of two squares.

    sums f8[2, BINS]: room to work in.
    """

    cosine: F8
    sine: F8
    sums: F8


class Segments(NamedTuple):
    """State of a family that uses the spectrum: ring f8[f, ROWS]; held i8[f]: rows since the gap;
    smooth f8[f, BINS]: the mean spectrum."""

    ring: F8
    held: I8
    smooth: F8


def empty_segments(f: int) -> Segments:
    return Segments(np.zeros((f, ROWS)), np.zeros(f, np.int64), np.zeros((f, BINS)))


def tables() -> Tables:
    n = np.arange(ROWS)
    window: F8 = 0.5 - 0.5 * np.cos(2 * np.pi * n / ROWS)
    angle: F8 = 2 * np.pi * np.outer(n, np.arange(1, BINS + 1)) / ROWS
    scale: F8 = np.sqrt(2.0 / (ROWS * np.sum(window**2))) * window[:, None]
    cosine: F8 = np.cos(angle) * scale
    sine: F8 = np.sin(angle) * scale
    cosine[:, -1] /= math.sqrt(2.0)  # the bin at half the rate has no mirror image
    return Tables(cosine, sine, np.empty((2, BINS)))


def frequencies(period_ns: int) -> F8:
    """Hz of the middle of each bin."""
    return np.arange(1, BINS + 1, dtype=np.float64) * (1e9 / period_ns / ROWS)


@part
def whole(held: int) -> bool:
    """Whether the row that was just added to the window completes a segment."""
    done: bool = (held >= ROWS) & (held % HOP == 0)
    return done


@part
def segment(ring: F8, held: int, mean: float, table: Tables, smooth: F8) -> None:
    """Average a whole segment into smooth[BINS]. The oldest row of the ring is at `held`."""
    pace = 1.0 if held == ROWS else PACE
    a, b = table.sums[0], table.sums[1]
    bins = len(a)  # with a constant length LLVM unrolls the loops and does not vectorise
    a[:], b[:] = 0.0, 0.0
    for n in range(ROWS):
        x = ring[(held + n) % ROWS] - mean
        for k in range(bins):
            a[k] += x * table.cosine[n, k]
            b[k] += x * table.sine[n, k]
    for k in range(bins):
        smooth[k] += pace * (a[k] * a[k] + b[k] * b[k] - smooth[k])
