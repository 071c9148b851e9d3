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
                       flags, end_out, packet_out, panes_out, figures_out, flags_out)  # fmt: skip
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
            good = x[j] == x[j]
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
            if x[j] == x[j]:
                # 2^-e exactly, built from its bits
                scale = np.uint64((1023 - exponent[c, j]) << 52).view(np.float64)
                place = np.floor(x[j] * scale) - np.float64(base[c, j])
                if m[COUNT, j] > 1.0 and 0.0 <= place < BINS:
                    bins[c, j, np.int64(place)] += np.uint16(1)
                else:
                    _widen(x[j], m[COUNT, j] == 1.0, bins[c, j], base[c], exponent[c], j)
        if flagged:
            for bit in range(8):
                for j in range(len(x)):
                    flags[c, bit, j] += np.uint16((q[j] >> bit) & 1)
        row += 1
    return row, advance, n


@inline
def _widen(x, first, bins, base, exponent, j):
    """Put `x` outside the bins: shift them, or double their width until everything fits."""
    _, top = math.frexp(x)
    finest = max(top - 45, -1021)  # then |x| / 2^e < 2^45: whole in i8 and in f8
    if first:
        exponent[j] = min(finest, 1022)
        base[j] = np.int64(np.floor(math.ldexp(x, -exponent[j]))) - BINS // 2
        bins[BINS // 2] += np.uint16(1)
        return
    e = max(exponent[j], finest)
    low, high = BINS, -1
    for b in range(BINS):
        if bins[b]:
            low, high = min(low, b), b
    while True:
        shift = min(e - exponent[j], 62)
        k = np.int64(np.floor(math.ldexp(x, -e)))
        least = min(k, (base[j] + low) >> shift)
        most = max(k, (base[j] + high) >> shift)
        if most - least < BINS:
            break
        e += 1
    start = least - (BINS - 1 - (most - least)) // 2
    moved = np.zeros(BINS, np.uint16)
    for b in range(low, high + 1):
        if bins[b]:
            moved[((base[j] + b) >> shift) - start] += bins[b]
    moved[k - start] += np.uint16(1)
    bins[:] = moved
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
               flags, figures_out[n], flags_out[n])  # fmt: skip
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
def _merge(current, pane_s, ranks, moments, bins, base, exponent, flags, out, flags_out):
    """Figures of the window whose newest pane is `current`, oldest pane first."""
    panes, _, width = moments.shape
    for j in range(width):
        for g in range(len(out)):
            out[g, j] = np.nan
        for bit in range(8):
            flags_out[bit, j] = 0
        count = 0.0
        total = 0.0
        low, high = np.inf, -np.inf
        t_first, t_last, first, last = 0.0, 0.0, 0.0, 0.0
        coarsest = -1100
        for k in range(panes):
            p = (current + 1 + k) % panes
            m = moments[p]
            for bit in range(8):
                flags_out[bit, j] += flags[p, bit, j]
            if m[COUNT, j] == 0.0:
                continue
            at = (k - panes + 1) * pane_s
            if count == 0.0:
                first, t_first = m[FIRST, j], at + m[T_FIRST, j]
            last, t_last = m[LAST, j], at + m[T_LAST, j]
            count += m[COUNT, j]
            total += m[COUNT, j] * m[MEAN, j]
            low, high = min(low, m[MIN, j]), max(high, m[MAX, j])
            coarsest = max(coarsest, exponent[p, j])
        out[0, j] = count
        if count == 0.0:
            continue
        mean = total / count
        squares = 0.0
        for k in range(panes):
            p = (current + 1 + k) % panes
            off = moments[p, MEAN, j] - mean
            if moments[p, COUNT, j] > 0.0:
                squares += moments[p, M2, j] + moments[p, COUNT, j] * off * off
        out[1, j] = mean
        out[2, j] = np.sqrt(squares / (count - 1.0)) if count > 1.0 else np.nan
        out[3, j], out[4, j] = low, high
        out[5, j] = np.sqrt(mean * mean + squares / count)
        out[6, j] = (last - first) / (t_last - t_first) if t_last > t_first else np.nan
        _quantiles(j, coarsest, count, low, high, ranks, moments, bins, base, exponent, out)


@inline
def _quantiles(j, coarsest, count, low, high, ranks, moments, bins, base, exponent, out):
    """Quantiles of one parameter from the panes' nested bins, brought to one width."""
    if low == high:
        for r in range(len(ranks)):
            out[_N + r, j] = low
        return
    e = coarsest
    while math.floor(math.ldexp(high, -e)) - math.floor(math.ldexp(low, -e)) >= MERGED - 1:
        e += 1
    start = np.int64(math.floor(math.ldexp(low, -e)))
    merged = np.zeros(MERGED, np.int64)
    for p in range(len(moments)):
        if moments[p, COUNT, j] > 0.0:
            shift = min(e - exponent[p, j], 62)
            for b in range(BINS):
                if bins[p, j, b]:
                    merged[((base[p, j] + b) >> shift) - start] += bins[p, j, b]
    b, below = 0, 0.0
    for r in range(len(ranks)):  # ranks rise
        wanted = ranks[r] * count
        while b < MERGED - 1 and below + merged[b] < wanted:
            below += merged[b]
            b += 1
        inside = (wanted - below) / merged[b] if merged[b] else 0.0
        x = math.ldexp(np.float64(start + b) + inside, e)
        out[_N + r, j] = min(max(x, low), high)
