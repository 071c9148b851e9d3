"""The last ROWS rows of a parameter, and sums over them in several independent chains: a processor
adds several numbers in the time of one, but only if the additions do not wait for each other."""

from __future__ import annotations

from typing import NamedTuple

from pipeline.kernel import part
from pipeline.models.shared.record import GAP_BIT, heard
from schemas.columns import F8, I8

ROWS = 64


class Rolling(NamedTuple):
    """Sums over a window, f8[f] each, updated per row: distances from an anchor, their squares."""

    anchor: F8
    total: F8
    square: F8


@part
def hear(x: float, quality: int, j: int, held: I8) -> bool:
    """Whether a row is to be learnt. A gap empties the window, even if the row after it is not
    learnt. held: rows since the gap."""
    if (quality & GAP_BIT) != 0:
        held[j] = 0
    good: bool = heard(x, quality)
    return good


@part
def take(x: float, quality: int, j: int, ring: F8, held: I8) -> bool:
    """Add a row if it is to be learnt; returns whether it was. Row n of the ring is at n % ROWS."""
    good: bool = hear(x, quality, j, held)
    if good:
        ring[j, held[j] % ROWS] = x
        held[j] += 1
    return good


@part
def mean_of(window: F8) -> float:
    """Mean of all ROWS values."""
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    e, f, g, h = 0.0, 0.0, 0.0, 0.0
    for k in range(0, ROWS, 8):
        a, b, c, d = a + window[k], b + window[k + 1], c + window[k + 2], d + window[k + 3]
        e, f, g, h = e + window[k + 4], f + window[k + 5], g + window[k + 6], h + window[k + 7]
    whole: float = ((a + b) + (c + d)) + ((e + f) + (g + h))
    return whole / ROWS


@part
def variance_of(window: F8, mean: float) -> float:
    """Mean square of the distances from `mean`."""
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    for k in range(0, ROWS, 4):
        p, q = window[k] - mean, window[k + 1] - mean
        r, s = window[k + 2] - mean, window[k + 3] - mean
        a, b, c, d = a + p * p, b + q * q, c + r * r, d + s * s
    whole: float = (a + b) + (c + d)
    return whole / ROWS


@part
def roll(before: float, j: int, ring: F8, held: I8, sums: Rolling) -> tuple[float, float]:
    """Mean and variance of a full window after a row was added. before: the value it replaced.

    They are updated by differences, and computed again from the window every ROWS rows: an error is
    at most a rounding of the largest value in it, and does not grow. This is good enough where
    nothing finer than the parameter's extent matters.
    """
    if held[j] % ROWS == 0:
        mean = mean_of(ring[j])
        variance = variance_of(ring[j], mean)
        sums.anchor[j], sums.total[j], sums.square[j] = mean, 0.0, ROWS * variance
        return mean, variance
    new, old = ring[j, (held[j] - 1) % ROWS] - sums.anchor[j], before - sums.anchor[j]
    sums.total[j] += new - old
    sums.square[j] += new * new - old * old
    off = sums.total[j] / ROWS
    return sums.anchor[j] + off, max(sums.square[j] / ROWS - off * off, 0.0)
