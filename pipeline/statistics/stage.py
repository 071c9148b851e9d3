"""One window of one group: panes filled row by row, closed by event time.

window 60 s in 10 s panes, at 12:01:00 ▏▔▔▔▏▔▔▔▏▔▔▔▏▔▔▔▏▔▔▔▏▔▔▔▏ one more pane, six are merged
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from pipeline.kernel import kernel, part
from pipeline.statistics.bins import (
    find_mixed,
    find_places,
    forget_grid,
    open_grid,
    place_row,
    quantiles,
)
from pipeline.statistics.moments import add_row, merge, write_figures
from pipeline.statistics.panes import (
    Panes,
    Work,
    clear,
    empty_panes,
    make_work,
    on_their_grids,
)
from schemas.columns import F8, FIGURES, I8, NEVER, ROW, U1, U4, Grid, State, WindowBatch
from schemas.settings import WindowSettings
from schemas.state import Stateful

START, CURRENT = range(2)  # scalars of the state: start and index of the open pane
BLOCK = 16  # closings handed on at a time
_N = len(FIGURES)
_MIN, _MAX = ROW["min"], ROW["max"]


class Feed(NamedTuple):
    """Of a grid: k rows of f parameters, and the watermark's advances."""

    time_ns: I8
    packet: I8
    value: F8
    quality: U1
    advance_row: I8
    advance_ns: I8
    advance_packet: I8


class Shape(NamedTuple):
    """Of a window: length of its panes, and ranks of its quantiles."""

    pane_ns: int
    ranks: F8


class Statistics(Stateful):
    """Statistics stage of one group and one window. quantiles: ranks 0..1."""

    def __init__(self, parameters: int, window: WindowSettings, quantiles: tuple[float, ...]):
        self.window, self._parameters = window, parameters
        self._quantiles = quantiles
        self._shape = Shape(round(window.pane_s * 1e9), np.array(quantiles, np.float64))
        self.panes = round(window.window_s / window.pane_s)
        panes = empty_panes(self.panes, parameters)
        self.state = {"clock": np.array([NEVER, 0], np.int64), **panes}
        least, most = np.array([-(2**63), 0]), np.array([2**63 - 1, self.panes - 1])
        self.bounds = {"clock": (least, most), "rows": (0, 2**31)}
        self._panes, self._work = Panes(**panes), make_work(parameters)
        room = BLOCK + self.panes + 1
        self._out = WindowBatch(
            np.empty(room, np.int64),
            np.empty(room, np.int64),
            np.empty(room, np.int32),
            np.empty((room, _N + len(quantiles) + 1, parameters)),
            np.empty((room, 8, parameters), np.uint32),
        )

    def check(self, state: State) -> None:
        """The values of a pane must lie on its grid, since kernels do not check that."""
        super().check(state)
        if not on_their_grids(state):
            raise ValueError("snapshot with impossible values: a pane's values are not on its grid")

    def end(self, packet: int) -> Iterator[WindowBatch]:
        """Close the open pane, as far as it is filled; then the state is as at the beginning.

        packet: the one that caused it.
        """
        start = int(self.state["clock"][START])
        if start != NEVER:
            time, one = start + self._shape.pane_ns, np.zeros(1, np.int64)
            none, wide = np.zeros(0, np.int64), np.zeros((0, self._parameters))
            yield from self.feed(
                Grid(none, none, wide, wide.astype(np.uint8), none, one, one + time, one + packet)
            )
        self.restore(Statistics(self._parameters, self.window, self._quantiles).state)

    def site(self) -> tuple[Any, ...]:
        """Arguments of its kernel; what comes with a batch is empty."""
        none = np.zeros(0, np.int64)
        wide = np.zeros((0, self._parameters))
        feed = Feed(none, none, wide, wide.astype(np.uint8), none, none, none)
        return (feed, 0, 0, self._shape, self.state["clock"], self._panes, self._work, self._out)

    @property
    def closed(self) -> WindowBatch:
        """Where its kernel writes closings."""
        return self._out

    def feed(self, grid: Grid) -> Iterator[WindowBatch]:
        """Closings in order; each batch is valid until the next is asked for."""
        g, row, advance = grid, 0, 0
        feed = Feed(
            g.time_ns, g.packet, g.value, g.quality, g.advance_row, g.advance_ns, g.advance_packet
        )
        while row < len(grid.time_ns) or advance < len(grid.advance_row):
            row, advance, n = window(
                feed, row, advance, self._shape, self.state["clock"], self._panes, self._work,
                self._out,
            )  # fmt: skip
            if n:
                yield WindowBatch._make(array[:n] for array in self._out)


@kernel
def window(
    f: Feed,
    row: int,
    advance: int,
    shape: Shape,
    clock: I8,
    panes: Panes,
    work: Work,
    out: WindowBatch,
) -> tuple[int, int, int]:
    """Returns where it stopped, once BLOCK closings are out: (row, advance, closings)."""
    n = 0
    while n < BLOCK:
        by_tick = advance < len(f.advance_row) and f.advance_row[advance] <= row
        if not by_tick and row >= len(f.time_ns):
            break
        mark = f.advance_ns[advance] if by_tick else f.time_ns[row]
        cause = f.advance_packet[advance] if by_tick else f.packet[row]
        if clock[START] != NEVER and mark - clock[START] >= shape.pane_ns:
            n = _close(mark, cause, n, shape, clock, panes, work, out)
        if by_tick:
            advance += 1
            continue
        if clock[START] == NEVER:
            clock[START] = mark - mark % shape.pane_ns
        c = clock[CURRENT]
        panes.rows[c] += 1
        x, q = f.value[row], f.quality[row]
        flagged = add_row(x, q, np.float64(mark - clock[START]) * 1e-9, c, panes)
        if place_row(x, panes.scale, panes.origin, work.place, panes.bins[c]):
            find_places(x, c, panes, work.place, work.moved)
        if flagged:
            panes.flagged[c] = 1
            for bit in range(8):
                for j in range(len(x)):
                    panes.flags[c, bit, j] += np.uint16((q[j] >> bit) & 1)
        row += 1
    return row, advance, n


@part
def _close(
    mark: int,
    cause: int,
    n: int,
    shape: Shape,
    clock: I8,
    panes: Panes,
    work: Work,
    batch: WindowBatch,
) -> int:
    """Close panes up to `mark`; an empty window closes silently and the panes jump to the mark."""
    p, pane_ns = len(panes.rows), shape.pane_ns
    while mark - clock[START] >= pane_ns:
        filled = 0
        for k in range(p):
            filled += panes.rows[k] > 0
        if filled == 0:
            clock[START] = mark - mark % pane_ns
            for j in range(len(work.count)):
                forget_grid(j, panes)
            break
        batch.end_ns[n], batch.packet[n] = clock[START] + pane_ns, cause
        batch.panes[n] = filled
        c, out = clock[CURRENT], batch.figures[n]
        merge(c, np.float64(pane_ns) * 1e-9, panes, work)
        write_figures(work, out)
        find_mixed(c, panes, work.mixed)
        for j in range(len(work.count)):
            low, high = out[_MIN, j], out[_MAX, j]
            quantiles(j, c, shape.ranks, work.count[j], low, high, panes, work, out, _N)
        _count_flags(panes, batch.quality[n])
        n += 1
        clock[START] += pane_ns
        clock[CURRENT] = (c + 1) % p
        clear(panes, clock[CURRENT], len(work.count))
        open_grid(c, clock[CURRENT], panes, work.low, work.high)
    return n


@part
def _count_flags(panes: Panes, out: U4) -> None:
    out[:] = 0
    for k in range(len(panes.rows)):
        if panes.flagged[k]:
            for bit in range(8):
                for j in range(out.shape[1]):
                    out[bit, j] += panes.flags[k, bit, j]
