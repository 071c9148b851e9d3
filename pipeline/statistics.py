"""Rolling statistics of one group over one window made of panes, closed by event time.

    window 60 s in 10 s panes, at 12:01:00 ▏▔▔▔▏▔▔▔▏▔▔▔▏▔▔▔▏▔▔▔▏▔▔▔▏ one more pane, six are merged

Moments by the incremental deviation (Welford 1962) and merged by Chan, Golub and LeVeque (1979):
both stay true at an offset of 1e9, which sums of squares do not. Quantiles from a histogram of
BINS bins a pane whose width is a power of two that doubles as the range grows; bins of different
panes nest. A bin is at most 2/(BINS - 1) of its pane's range wide, and a quantile is off by no
more than one bin of the coarsest pane: QUANTILE_ERROR of the window's range.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pipeline.kernel import inline, kernel
from schemas.columns import F8, FIGURES, I4, I8, NEVER, U1, U2, Grid, WindowBatch
from schemas.settings import WindowSettings
from schemas.state import Stateful

BINS = 32
MERGED = 64  # bins while a window's panes are merged
QUANTILE_ERROR = 2 / (BINS - 1)
COUNT, MEAN, M2, MIN, MAX, FIRST, T_FIRST, LAST, T_LAST = range(9)
START, CURRENT, ORIGIN = range(3)  # scalars of the state: start and index of the open pane
BLOCK = 16  # closings handed on at a time
MAX_PANE_SAMPLES = 65535  # a bin counts in u2
_N = len(FIGURES)
U4 = NDArray[np.uint32]


class Statistics(Stateful):
    """Statistics stage of one group and one window. quantiles: ranks 0..1."""

    def __init__(self, parameters: int, window: WindowSettings, quantiles: tuple[float, ...]):
        self.window = window
        self.pane_ns = round(window.pane_s * 1e9)
        panes, f = round(window.window_s / window.pane_s), parameters
        self.panes = panes
        self._ranks = np.array(quantiles, np.float64)
        self.state = {
            "clock": np.array([NEVER, 0, 0], np.int64),
            "rows": np.zeros(panes, np.int64),
            "moments": _empty_panes(panes, f),
            "bins": np.zeros((panes, f, BINS), np.uint16),
            "base": np.zeros((panes, f), np.int64),
            "exponent": np.zeros((panes, f), np.int64),
            "quality": np.zeros((panes, 8, f), np.uint16),
        }
        self._scratch = np.zeros(MERGED, np.int64)
        self._ends = np.zeros((2, f))  # when a window's first and last samples were
        room = BLOCK + panes + 1
        self._out = WindowBatch(
            np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room, np.int32),
            np.empty((room, _N + len(quantiles), f)), np.empty((room, 8, f), np.uint32),
        )  # fmt: skip

    def feed(self, grid: Grid) -> Iterator[WindowBatch]:
        """Closings in order; each batch is valid until the next is asked for."""
        s, o, row, advance = self.state, self._out, 0, 0
        while row < len(grid.time_ns) or advance < len(grid.advance_row):
            row, advance, n = window(
                grid.time_ns, grid.packet, grid.value, grid.quality, grid.advance_row,
                grid.advance_ns, grid.advance_packet, row, advance, BLOCK, self.pane_ns,
                self._ranks, s["clock"], s["rows"], s["moments"], s["bins"], s["base"],
                s["exponent"], s["quality"], o.end_ns, o.packet, o.panes, o.figures, o.quality,
                self._scratch, self._ends,
            )  # fmt: skip
            if n:
                yield WindowBatch(
                    o.end_ns[:n], o.packet[:n], o.panes[:n], o.figures[:n], o.quality[:n]
                )


def _empty_panes(panes: int, f: int) -> F8:
    moments = np.zeros((panes, 9, f))
    moments[:, MIN], moments[:, MAX] = math.inf, -math.inf
    return moments


@kernel
def window(
    time: I8,
    packet: I8,
    value: F8,
    quality: U1,
    advance_row: I8,
    advance_ns: I8,
    advance_packet: I8,
    row: int,
    advance: int,
    block: int,
    pane_ns: int,
    ranks: F8,
    clock: I8,
    rows: I8,
    moments: F8,
    bins: U2,
    base: I8,
    exponent: I8,
    flags: U2,
    end_out: I8,
    packet_out: I8,
    panes_out: I4,
    figures_out: F8,
    flags_out: U4,
    scratch: I8,
    ends: F8,
) -> tuple[int, int, int]:
    """Fill panes row by row, close them by time; stops when `block` closings are out."""
    n = 0
    while n < block:
        by_tick = advance < len(advance_row) and advance_row[advance] <= row
        if not by_tick and row >= len(time):
            break
        mark = advance_ns[advance] if by_tick else time[row]
        cause = advance_packet[advance] if by_tick else packet[row]
        if clock[START] != NEVER and mark - clock[START] >= pane_ns:
            n = _close(mark, cause, n, pane_ns, ranks, clock, rows, moments, bins, base, exponent,
                       flags, end_out, packet_out, panes_out, figures_out, flags_out,
                       scratch, ends)  # fmt: skip
        if by_tick:
            advance += 1
            continue
        if clock[START] == NEVER:
            clock[START] = mark - mark % pane_ns
        c = clock[CURRENT]
        rows[c] += 1
        seconds = np.float64(mark - clock[START]) * 1e-9
        x, m, q = value[row], moments[c], quality[row]
        flagged = np.uint8(0)
        for j in range(len(x)):
            good = abs(x[j]) < np.inf
            count = m[COUNT, j] + (1.0 if good else 0.0)
            deviation = x[j] - m[MEAN, j] if good else 0.0
            mean = m[MEAN, j] + deviation / max(count, 1.0)
            m[M2, j] += deviation * (x[j] - mean) if good else 0.0
            begun = m[COUNT, j] > 0.0
            m[FIRST, j] = m[FIRST, j] if begun or not good else x[j]
            m[T_FIRST, j] = m[T_FIRST, j] if begun or not good else seconds
            m[COUNT, j], m[MEAN, j] = count, mean
            m[MIN, j] = x[j] if good and x[j] < m[MIN, j] else m[MIN, j]
            m[MAX, j] = x[j] if good and x[j] > m[MAX, j] else m[MAX, j]
            m[LAST, j] = x[j] if good else m[LAST, j]
            m[T_LAST, j] = seconds if good else m[T_LAST, j]
            flagged |= q[j]
        for j in range(len(x)):
            if abs(x[j]) < np.inf:
                place = np.floor(x[j] * _two_to(-exponent[c, j])) - np.float64(base[c, j])
                if m[COUNT, j] > 1.0 and 0.0 <= place < BINS:
                    bins[c, j, np.int64(place)] += np.uint16(1)
                else:
                    _widen(x[j], j, m, bins[c, j], base[c], exponent[c], scratch)
        if flagged:
            for bit in range(8):
                for j in range(len(x)):
                    flags[c, bit, j] += np.uint16((q[j] >> bit) & 1)
        row += 1
    return row, advance, n


@inline
def _two_to(e):
    """2^e exactly, built from its bits; e from -1022 to 1023."""
    return np.uint64((1023 + e) << 52).view(np.float64)


@inline
def _exponent(x):
    """e of the power of two above |x|, from its bits; -1021 for denormals and zero."""
    return np.int64((np.float64(x).view(np.uint64) >> np.uint64(52)) & np.uint64(2047)) - 1022


@inline
def _widen(x, j, m, bins, base, exponent, scratch):
    """Put `x`, already in the moments, outside the bins: move them, or double their width."""
    # so that |x| / 2^e < 2^50: whole in i8 and in f8
    finest = max(_exponent(max(abs(m[MIN, j]), abs(m[MAX, j]))) - 50, -1021)
    if m[COUNT, j] == 1.0:
        exponent[j] = finest
        base[j] = np.int64(np.floor(x * _two_to(-finest))) - BINS // 2
        bins[BINS // 2] += np.uint16(1)
        return
    old, first = exponent[j], base[j]
    # at this width the range fills 16 bins or more, so it is never too coarse
    e = max(old, finest, _exponent(m[MAX, j] - m[MIN, j]) - 5)
    while True:
        least = np.int64(np.floor(m[MIN, j] * _two_to(-e)))
        most = np.int64(np.floor(m[MAX, j] * _two_to(-e)))
        if most - least < BINS:
            break
        e += 1
    shift = min(e - old, 62)
    start = least - (BINS - 1 - (most - least)) // 2
    scratch[:BINS] = 0
    for b in range(BINS):
        if bins[b]:
            scratch[((first + b) >> shift) - start] += bins[b]
    for b in range(BINS):
        bins[b] = scratch[b]
    bins[np.int64(np.floor(x * _two_to(-e))) - start] += np.uint16(1)
    base[j], exponent[j] = start, e


@inline
def _close(
    mark,
    cause,
    n,
    pane_ns,
    ranks,
    clock,
    rows,
    moments,
    bins,
    base,
    exponent,
    flags,
    end_out,
    packet_out,
    panes_out,
    figures_out,
    flags_out,
    scratch,
    ends,
):
    """Close panes up to `mark`; an empty window closes silently and the panes jump to the mark."""
    panes = len(rows)
    while mark - clock[START] >= pane_ns:
        filled = 0
        for p in range(panes):
            filled += rows[p] > 0
        if filled == 0:
            clock[START] = mark - mark % pane_ns
            break
        end_out[n], packet_out[n], panes_out[n] = clock[START] + pane_ns, cause, filled
        _merge(clock[CURRENT], np.float64(pane_ns) * 1e-9, ranks, moments, bins, base, exponent,
               flags, figures_out[n], flags_out[n], scratch, ends)  # fmt: skip
        n += 1
        clock[START] += pane_ns
        c = (clock[CURRENT] + 1) % panes
        clock[CURRENT] = c
        rows[c] = 0
        moments[c] = 0.0
        moments[c, MIN], moments[c, MAX] = np.inf, -np.inf
        bins[c] = 0
        flags[c] = 0
    return n


@inline
def _merge(
    current, pane_s, ranks, moments, bins, base, exponent, flags, out, flags_out, scratch, ends
):
    """Figures of the window whose newest pane is `current`, oldest pane first.

    Vector across parameters while `out` collects: 0 count, 1 total and then mean, 2 squares and
    then std, 3 min, 4 max, 5 first, 6 last and then rate (rms takes 5's place at the end).
    """
    panes, _, width = moments.shape
    out[:7] = 0.0
    out[3], out[4] = np.inf, -np.inf
    flags_out[:] = 0
    t_first, t_last = ends[0], ends[1]
    ends[:] = 0.0
    for k in range(panes):
        p = (current + 1 + k) % panes
        m = moments[p]
        at = (k - panes + 1) * pane_s
        for j in range(width):
            some = m[COUNT, j] > 0.0
            fresh = some and out[0, j] == 0.0
            out[5, j] = m[FIRST, j] if fresh else out[5, j]
            t_first[j] = at + m[T_FIRST, j] if fresh else t_first[j]
            out[6, j] = m[LAST, j] if some else out[6, j]
            t_last[j] = at + m[T_LAST, j] if some else t_last[j]
            out[0, j] += m[COUNT, j]
            out[1, j] += m[COUNT, j] * m[MEAN, j]
            out[3, j] = min(out[3, j], m[MIN, j])
            out[4, j] = max(out[4, j], m[MAX, j])
        for bit in range(8):
            for j in range(width):
                flags_out[bit, j] += flags[p, bit, j]
    for j in range(width):
        out[1, j] = out[1, j] / out[0, j] if out[0, j] > 0.0 else np.nan
    for p in range(panes):
        m = moments[(current + 1 + p) % panes]
        for j in range(width):
            off = m[MEAN, j] - out[1, j] if m[COUNT, j] > 0.0 else 0.0
            out[2, j] += m[M2, j] + m[COUNT, j] * off * off
    for j in range(width):
        n, mean, squares = out[0, j], out[1, j], out[2, j]
        lasted = t_last[j] - t_first[j]
        rate = (out[6, j] - out[5, j]) / lasted if lasted > 0.0 else np.nan
        out[2, j] = np.sqrt(squares / (n - 1.0)) if n > 1.0 else np.nan
        out[3, j] = out[3, j] if n > 0.0 else np.nan
        out[4, j] = out[4, j] if n > 0.0 else np.nan
        out[5, j] = np.sqrt(mean * mean + squares / n) if n > 0.0 else np.nan
        out[6, j] = rate
    for j in range(width):
        _quantiles(j, ranks, moments, bins, base, exponent, out, scratch)


@inline
def _quantiles(j, ranks, moments, bins, base, exponent, out, scratch):
    """Quantiles of one parameter from the panes' nested bins, brought to one width."""
    low, high, count = out[3, j], out[4, j], out[0, j]
    if not low < high:  # one value, or none
        for r in range(len(ranks)):
            out[_N + r, j] = low
        return
    e = max(_exponent(high - low) - 6, -1021)
    for p in range(len(moments)):
        if moments[p, COUNT, j] > 0.0:
            e = max(e, exponent[p, j])
    scale = _two_to(-e)
    while np.floor(high * scale) - np.floor(low * scale) >= MERGED - 1:
        e += 1
        scale = _two_to(-e)
    start = np.int64(np.floor(low * scale))
    scratch[:] = 0
    for p in range(len(moments)):
        if moments[p, COUNT, j] > 0.0:
            shift, first, mine = min(e - exponent[p, j], 62), base[p, j], bins[p, j]
            begin = np.int64(np.floor(moments[p, MIN, j] * _two_to(-exponent[p, j]))) - first
            end = np.int64(np.floor(moments[p, MAX, j] * _two_to(-exponent[p, j]))) - first
            for b in range(begin, end + 1):  # the occupied ones
                if mine[b]:
                    scratch[((first + b) >> shift) - start] += mine[b]
    b, below = 0, 0.0
    for r in range(len(ranks)):  # ranks rise
        wanted = ranks[r] * count
        while b < MERGED - 1 and below + scratch[b] < wanted:
            below += scratch[b]
            b += 1
        inside = (wanted - below) / scratch[b] if scratch[b] else 0.0
        x = (np.float64(start + b) + inside) / scale
        out[_N + r, j] = min(max(x, low), high)
