"""What a window keeps of each pane, and the arithmetic of powers of two that its bins use.

Each figure has its own array, not a row of one: a loop over parameters that writes nine rows of
one array is not vectorised, since the compiler must assume an overlap (2.4 x on the moments).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.kernel import part
from schemas.columns import F8, I4, I8, U1, U2, State

BINS = 64
MAX_PANE_SAMPLES = 65535  # a bin counts in u2
ROOM = BINS + 1  # the last bin takes values without a place yet; it is not counted
FILLED = 16  # a window's range fills at least so many bins when its grid is chosen


class Panes(NamedTuple):
    """One window's state. p panes in a ring, f parameters.

    rows i8[p]. count … last_at f8[p, f], times in seconds since the pane's start. bins
    u2[p, f·ROOM] parameter by parameter; pane k's bin b of parameter j holds the values of
    [base + b, base + b + 1) · 2^exponent. scale, origin f8[f]: 2^-exponent and base of the open
    pane. flags u2[p, 8, f]: samples by quality bit; flagged u1[p]: whether there are any.
    """

    rows: I8
    count: F8
    mean: F8
    m2: F8
    low: F8
    high: F8
    first: F8
    first_at: F8
    last: F8
    last_at: F8
    bins: U2
    base: I8
    exponent: NDArray[np.int16]
    scale: F8
    origin: F8
    flagged: U1
    flags: U2


def empty_panes(panes: int, f: int) -> State:
    """State of a window that has seen nothing, by the names of `Panes`."""
    shape = (panes, f)
    return {
        "rows": np.zeros(panes, np.int64),
        "count": np.zeros(shape), "mean": np.zeros(shape), "m2": np.zeros(shape),
        "low": np.full(shape, np.inf), "high": np.full(shape, -np.inf),
        "first": np.zeros(shape), "first_at": np.zeros(shape),
        "last": np.zeros(shape), "last_at": np.zeros(shape),
        "bins": np.zeros((panes, f * ROOM), np.uint16),
        "base": np.zeros(shape, np.int64), "exponent": np.zeros(shape, np.int16),
        "scale": np.zeros(f), "origin": np.ones(f),  # no value has a place in them
        "flagged": np.zeros(panes, np.uint8), "flags": np.zeros((panes, 8, f), np.uint16),
    }  # fmt: skip


class Work(NamedTuple):
    """Scratch of a window while it closes: f8[f] each; of one parameter total i4[BINS], narrow
    u2[BINS], moved i8[BINS]."""

    count: F8
    mean: F8
    squares: F8
    low: F8
    high: F8
    first: F8
    first_at: F8
    last: F8
    last_at: F8
    place: I4
    mixed: NDArray[np.uint8]
    total: I4
    narrow: U2
    moved: I8


def on_their_grids(state: State) -> bool:
    """Whether each pane with values has their range within its bins, each pane without values has
    no range, and the grid for the next value (scale, origin) is a possible one."""
    count, low, high = state["count"], state["low"], state["high"]
    e, base, held = state["exponent"].astype(np.int64), state["base"], count > 0.0
    if not (np.isfinite(count).all() and (count >= 0.0).all() and (count < 2.0**53).all()):
        return False
    if not ((low == np.inf) & (high == -np.inf) | held).all():
        return False
    if not (np.isfinite(low[held]) & np.isfinite(high[held]) & (low[held] <= high[held])).all():
        return False
    if (np.abs(e) > 1022).any() or (np.abs(base) > 2**53).any():
        return False
    with np.errstate(over="ignore"):
        first = np.floor(np.ldexp(low[held], -e[held])) - base[held]
        last = np.floor(np.ldexp(high[held], -e[held])) - base[held]
    scale, origin = state["scale"], state["origin"]
    known = np.isfinite(scale) & (scale >= 0.0) & np.isfinite(origin) & (np.abs(origin) <= 2.0**53)
    return bool(known.all() and (first >= -1).all() and (last <= BINS - 1).all())


def make_work(f: int) -> Work:
    a, b, c, d, e, g, h, i, j = (np.zeros(f) for _ in range(9))
    return Work(
        a, b, c, d, e, g, h, i, j, np.zeros(f, np.int32), np.zeros(f, np.uint8),
        np.zeros(BINS, np.int32), np.zeros(BINS, np.uint16), np.zeros(BINS, np.int64),
    )  # fmt: skip


@part
def two_to(e: int) -> float:
    """2^e exactly, built from its bits; e from -1022 to 1023."""
    return np.uint64((1023 + np.int64(e)) << 52).view(np.float64)


@part
def exponent_of(x: float) -> int:
    """e of the power of two above |x|, from its bits; -1022 for denormals and zero."""
    return np.int64((np.float64(x).view(np.uint64) >> np.uint64(52)) & np.uint64(2047)) - 1022


@part
def bin_of(x: float, e: int) -> int:
    """floor(x / 2^e): whole in i8 and in f8 for e that `finest` allows."""
    return np.int64(np.floor(x * two_to(-e)))


@part
def finest(low: float, high: float) -> int:
    """The least e for which |x| / 2^e stays below 2^50."""
    return max(exponent_of(max(abs(low), abs(high))) - 50, -1021)


@part
def clear(panes: Panes, k: int, f: int) -> None:
    """Empty pane k. Its grid stays: it is overwritten when the pane opens."""
    panes.rows[k] = 0
    for j in range(f):
        panes.count[k, j], panes.mean[k, j], panes.m2[k, j] = 0.0, 0.0, 0.0
        panes.low[k, j], panes.high[k, j] = np.inf, -np.inf
    panes.bins[k] = 0
    if panes.flagged[k]:
        panes.flagged[k] = 0
        panes.flags[k] = 0
