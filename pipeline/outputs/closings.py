"""What windows gave at the ends of their panes, collected as columns until it is published."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pipeline.kernel import kernel
from schemas.columns import F8, FIGURES, I8, QUALITY_WORDS, U4, WindowBatch

PACKET, GROUP, WINDOW, END, PANES, PLACE = range(6)  # columns of the heads
BITS = len(QUALITY_WORDS)


class Closing(NamedTuple):
    """One window of one group at the end of a pane. group: its place among all groups of the
    source. figures [figures, f] and quality [8, f] as in WindowBatch."""

    packet: int
    group: int
    window: int
    end_ns: int
    panes: int
    figures: F8
    quality: U4


class Closings:
    """A pool that grows. widths: parameters of each group; rows: figures of a parameter.

    heads [n, 6]: packet, group, window, end of the pane, panes with data, and how many parameters
    stand before it in `figures` and `quality`, which hold [rows, f] and [8, f] of each closing.
    """

    def __init__(self, widths: I8, quantiles: int) -> None:
        self.widths, self.rows = widths, len(FIGURES) + quantiles + 1
        self.n = self.used = 0
        self.heads: I8 = np.zeros((64, 6), np.int64)
        self.figures: F8 = np.zeros(0)
        self.quality: U4 = np.zeros(0, np.uint32)

    def room(self, closings: int, parameters: int) -> None:
        """Make room for more."""
        if self.n + closings > len(self.heads):
            self.heads = _grown(self.heads, self.n + closings)
        if self.rows * (self.used + parameters) > len(self.figures):
            self.figures = _grown(self.figures, self.rows * (self.used + parameters))
            self.quality = _grown(self.quality, BITS * (self.used + parameters))

    def clear(self) -> None:
        self.n = self.used = 0

    def add(self, group: int, window: int, batch: WindowBatch) -> None:
        """Copy closings of one group and window."""
        k, f = len(batch.end_ns), batch.figures.shape[2]
        self.room(k, k * f)
        keep(group, window, batch, self.n, self.used, self.heads, self.figures, self.quality)
        self.n, self.used = self.n + k, self.used + k * f

    def order(self) -> I8:
        """Their places by packet, group, window and end: the order of publication."""
        h = self.heads[: self.n]
        return np.lexsort((h[:, END], h[:, WINDOW], h[:, GROUP], h[:, PACKET]))

    def one(self, i: int) -> Closing:
        """A copy of one of them."""
        packet, group, window, end, panes, place = self.heads[i].tolist()
        f = int(self.widths[group])
        figures = self.figures[self.rows * place : self.rows * (place + f)].reshape(-1, f)
        quality = self.quality[BITS * place : BITS * (place + f)].reshape(-1, f)
        return Closing(packet, group, window, end, panes, figures.copy(), quality.copy())

    def keep_only(self, order: I8) -> None:
        """Drop all but these, which come before all that is added later, in this order."""
        kept = [self.one(i) for i in order.tolist()]
        self.clear()
        for i, c in enumerate(kept):
            f = c.figures.shape[1]
            self.room(1, f)
            head = (i - len(kept), c.group, c.window, c.end_ns, c.panes, self.used)
            self.heads[self.n] = head
            self.figures[self.rows * self.used : self.rows * (self.used + f)] = c.figures.ravel()
            self.quality[BITS * self.used : BITS * (self.used + f)] = c.quality.ravel()
            self.n, self.used = self.n + 1, self.used + f


def _grown(array: np.ndarray, room: int) -> np.ndarray:
    made = np.zeros((room + room // 2, *array.shape[1:]), array.dtype)
    made[: len(array)] = array
    return made


@kernel
def keep(
    group: int,
    window: int,
    batch: WindowBatch,
    n: int,
    used: int,
    heads: I8,
    figures: F8,
    quality: U4,
) -> None:
    """Closings of one group and window behind the first `n`, which hold `used` parameters."""
    rows, bits, f = batch.figures.shape[1], batch.quality.shape[1], batch.figures.shape[2]
    for e in range(len(batch.end_ns)):
        head = heads[n + e]
        head[PACKET], head[GROUP], head[WINDOW] = batch.packet[e], group, window
        head[END], head[PANES], head[PLACE] = batch.end_ns[e], batch.panes[e], used
        for i in range(rows):
            for j in range(f):
                figures[rows * used + i * f + j] = batch.figures[e, i, j]
        for i in range(bits):
            for j in range(f):
                quality[bits * used + i * f + j] = batch.quality[e, i, j]
        used += f
