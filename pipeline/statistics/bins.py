"""Histograms on nested grids of powers of two: the bin of each value, and the quantiles.

A window has one grid, and its panes share it as long as it fits: 64 bins, of which the window's
range fills 16 or more when the grid is chosen. A value outside moves the grid or doubles its width
(the panes' counts move along, exactly). When the range has shrunk, the next pane opens a finer
grid, and panes of the coarse one stay as they are until they leave. So a quantile is off by no
more than the width of the coarsest bin in the window, and that width is published with it.
"""

from __future__ import annotations

import numpy as np

from pipeline.kernel import part
from pipeline.statistics.panes import (
    BINS,
    FILLED,
    MAX_PANE_SAMPLES,
    ROOM,
    Panes,
    Work,
    bin_of,
    exponent_of,
    finest,
    two_to,
)
from schemas.columns import F8, I4, I8, U1, U2

_EIGHT = 7  # low bits of a place among eight
_FIT = 5  # 2^5 bins: a range between 16 and 32 of them


@part
def place_row(x: F8, scale: F8, origin: F8, place: I4, bins: U2) -> int:
    """Count a row of values in the open pane; returns whether one of them had no place."""
    f = len(x)
    lost = np.uint8(0)
    for j in range(f):
        b = np.floor(x[j] * scale[j]) - origin[j]
        inside = (b >= 0.0) & (b < 64.0)
        finite = abs(x[j]) < np.inf
        lost |= np.uint8(finite and not inside)
        place[j] = np.int32(b) if inside else np.int32(BINS)
    for j in range(f):
        bins[j * ROOM + place[j]] += np.uint16(1)
    return lost


@part
def find_places(x: F8, c: int, panes: Panes, place: I4, moved: I8) -> None:
    """The values of a row that had no place get one: the grid moves, or its bins widen."""
    f = len(x)
    for j in range(f):
        if place[j] == BINS and abs(x[j]) < np.inf:
            _regrid(j, c, panes, moved)
            b = bin_of(x[j], panes.exponent[c, j]) - panes.base[c, j]
            panes.bins[c, j * ROOM + b] += np.uint16(1)


@part
def _regrid(j: int, c: int, panes: Panes, moved: I8) -> None:
    """Choose one parameter's grid so that its whole window fits. low and high include x already."""
    low, high = np.inf, -np.inf
    for k in range(len(panes.rows)):
        if panes.count[k, j] > 0.0:
            low, high = min(low, panes.low[k, j]), max(high, panes.high[k, j])
    e = finest(low, high)
    if low < high:  # else there is only one value, on the finest grid
        e = max(e, panes.exponent[c, j], exponent_of(high - low) - _FIT)
    while bin_of(high, e) - bin_of(low, e) >= BINS:  # a range that overflows
        e += 1
    least, most = bin_of(low, e), bin_of(high, e)
    start = least - (BINS - 1 - (most - least)) // 2
    for k in range(len(panes.rows)):
        if panes.count[k, j] > 0.0 and panes.exponent[k, j] <= e:
            _move(j, k, e, start, panes, moved)
    _set_grid(j, c, e, start, panes)


@part
def _occupied(low: float, high: float, e: int, base: int) -> tuple[int, int]:
    """First and last bin of [low, high] on a grid that may be far too fine for them."""
    least = np.floor(low * two_to(-e)) - np.float64(base)
    most = np.floor(high * two_to(-e)) - np.float64(base)
    return np.int64(min(max(least, 0.0), 64.0)), np.int64(max(min(most, 63.0), -1.0))


@part
def _move(j: int, k: int, e: int, start: int, panes: Panes, moved: I8) -> None:
    """Move one pane's counts to the grid (e, start), in which their own grid nests."""
    old, base = panes.exponent[k, j], panes.base[k, j]
    first, last = _occupied(panes.low[k, j], panes.high[k, j], old, base)
    shift = min(e - old, 62)
    # a tiny negative value may be 0 on the new grid, and its old bin -1 there
    least = bin_of(panes.low[k, j], e) - start
    for b in range(first, last + 1):
        n = panes.bins[k, j * ROOM + b]
        if n:
            moved[max(((base + b) >> shift) - start, least)] += n
            panes.bins[k, j * ROOM + b] = 0
    if first <= last:
        begin = max(((base + first) >> shift) - start, least)
        for b in range(begin, max(((base + last) >> shift) - start, least) + 1):
            panes.bins[k, j * ROOM + b] = np.uint16(moved[b])
            moved[b] = 0
    panes.exponent[k, j], panes.base[k, j] = e, start


@part
def _set_grid(j: int, c: int, e: int, start: int, panes: Panes) -> None:
    panes.exponent[c, j], panes.base[c, j] = e, start
    panes.scale[j], panes.origin[j] = two_to(-e), np.float64(start)


@part
def forget_grid(j: int, panes: Panes) -> None:
    """Drop the grid, so that no value has a place: the next value chooses a new grid."""
    panes.scale[j], panes.origin[j] = 0.0, 1.0


@part
def _one_value(j: int, c: int, x: float, panes: Panes) -> None:
    """A window of one value goes to the finest grid, exactly, however coarse its own was."""
    e = finest(x, x)
    if e >= panes.exponent[c, j]:
        return
    middle = BINS // 2
    start = bin_of(x, e) - middle
    for k in range(len(panes.rows)):
        for b in range(BINS):
            panes.bins[k, j * ROOM + b] = 0
        if panes.count[k, j] > 0.0:
            panes.bins[k, j * ROOM + middle] = np.uint16(panes.count[k, j])
            panes.exponent[k, j], panes.base[k, j] = e, start
    _set_grid(j, c, e, start, panes)


@part
def open_grid(before: int, c: int, panes: Panes, low: F8, high: F8) -> None:
    """Pane c opens on the grid of the pane before it, or on a finer one where the range shrank.

    low, high f8[f]: the window's present range; low > high if the window is empty.
    """
    for j in range(len(low)):
        panes.exponent[c, j], panes.base[c, j] = panes.exponent[before, j], panes.base[before, j]
    for j in range(len(low)):
        if low[j] > high[j]:
            forget_grid(j, panes)
        if low[j] == high[j]:
            _one_value(j, c, low[j], panes)
        if (high[j] - low[j]) * panes.scale[j] < FILLED and low[j] < high[j]:
            e = max(exponent_of(high[j] - low[j]) - _FIT, finest(low[j], high[j]))
            if e < panes.exponent[c, j]:
                least, most = bin_of(low[j], e), bin_of(high[j], e)
                _set_grid(j, c, e, least - (BINS - 1 - (most - least)) // 2, panes)


@part
def find_mixed(c: int, panes: Panes, mixed: U1) -> None:
    """mixed[j]: whether a pane of j has another grid than pane c."""
    mixed[:] = 0
    own_base, own_exponent = panes.base[c], panes.exponent[c]
    for k in range(len(panes.rows)):
        if panes.rows[k] == 0:
            continue
        base, exponent, count = panes.base[k], panes.exponent[k], panes.count[k]
        for j in range(len(mixed)):
            other = (base[j] != own_base[j]) | (exponent[j] != own_exponent[j])
            mixed[j] |= np.uint8(other & (count[j] > 0.0))


@part
def _add_up(j: int, count: float, panes: Panes, total: I4, narrow: U2) -> None:
    """total i4[BINS]: the window's counts of j, all of whose panes are on one grid. All bins, not
    those that are filled: a loop over as many as fill whole registers has no rest."""
    at = j * ROOM
    if count > MAX_PANE_SAMPLES:
        total[:] = 0
        for k in range(len(panes.rows)):
            if panes.rows[k]:
                counts = panes.bins[k, at : at + BINS]
                for b in range(len(total)):
                    total[b] += np.int32(counts[b])
        return
    narrow[:] = 0  # no sum is beyond a u2, of which twice as many fit into a register
    for k in range(len(panes.rows)):
        if panes.rows[k]:
            counts = panes.bins[k, at : at + BINS]
            for b in range(len(narrow)):
                narrow[b] += counts[b]
    for b in range(len(total)):
        total[b] = np.int32(narrow[b])


@part
def quantiles(
    j: int,
    c: int,
    ranks: F8,
    count: float,
    low: float,
    high: float,
    panes: Panes,
    work: Work,
    out: F8,
    row: int,
) -> None:
    """Quantiles of parameter j into out[row:, j], followed by the width of its coarsest bin."""
    if not low < high:  # one value, or none
        for r in range(len(ranks)):
            out[row + r, j] = low
        out[row + len(ranks), j] = 0.0 if count > 0.0 else np.nan
        return
    e, start = panes.exponent[c, j], panes.base[c, j]
    if work.mixed[j]:
        e, start = _bring_together(j, low, high, panes, work)
    else:
        _add_up(j, count, panes, work.total, work.narrow)
    width, scale = two_to(e), two_to(-e)
    first = max(np.int64(np.floor(low * scale)) - start, 0)
    last = min(np.int64(np.floor(high * scale)) - start, BINS - 1)
    running, below = work.total, np.int32(0)
    for b in range(first, last + 1):
        below += running[b]
        running[b] = below
    for b in range(last + 1, (last | _EIGHT) + 1):
        running[b] = below
    for r in range(len(ranks)):
        wanted = ranks[r] * count
        whole = np.int32(np.ceil(wanted))
        # counted, not searched: no branch to mispredict. First the eight, then the bin
        b = first & ~_EIGHT
        for i in range(first >> 3, last >> 3):
            b += (running[8 * i + _EIGHT] < whole) << 3
        eight = b
        for i in range(8):
            b += running[eight + i] < whole
        b = min(max(b, first), last)
        under = running[b - 1] if b > first else np.int32(0)
        inside = (wanted - np.float64(under)) / np.float64(max(running[b] - under, 1))
        x = (np.float64(start + b) + inside) * width
        out[row + r, j] = min(max(x, low), high)
    out[row + len(ranks), j] = width


@part
def _bring_together(j: int, low: float, high: float, panes: Panes, work: Work) -> tuple[int, int]:
    """The counts of j from panes of several grids, in the coarsest of them; returns that grid."""
    e = finest(low, high)
    for k in range(len(panes.rows)):
        if panes.count[k, j] > 0.0:
            e = max(e, panes.exponent[k, j])
    while bin_of(high, e) - bin_of(low, e) >= BINS:
        e += 1
    start = bin_of(low, e)
    for b in range(BINS):
        work.total[b] = 0
    for k in range(len(panes.rows)):
        if panes.count[k, j] > 0.0:
            old, base = panes.exponent[k, j], panes.base[k, j]
            shift = min(e - old, 62)
            first, last = _occupied(panes.low[k, j], panes.high[k, j], old, base)
            for b in range(first, last + 1):
                to = max(((base + b) >> shift) - start, 0)
                work.total[to] += np.int32(panes.bins[k, j * ROOM + b])
    return e, start
