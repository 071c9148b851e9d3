"""The windows of all groups; what closes goes to the pool of the source."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from pipeline.across import Across, starts
from pipeline.chain.group import GroupChain
from pipeline.outputs.closings import Closings, keep
from pipeline.statistics.stage import window
from schemas.columns import I8


class _Window(NamedTuple):
    """One window of all groups: its kernel, and what takes its closings to the pool."""

    run: Across
    kept: Across


class Windows:
    def __init__(self, groups: Sequence[GroupChain], pool: Closings) -> None:
        self._pool, self._windows = pool, list[_Window]()
        self._width = np.array([len(g.group.columns) for g in groups], np.int64)
        into = 0, 0, pool.heads, pool.figures, pool.quality
        for w in range(len(groups[0].statistics)):
            every = [(g, g.statistics[w]) for g in groups]
            run = Across(window, [_on_grid(s.site(), g) for g, s in every])
            kept = Across(keep, [(g.number, w, s.closed, *into) for g, s in every])
            self._windows.append(_Window(run, kept))

    def feed(self, sites: I8, rows: I8, advances: I8) -> None:
        """rows, advances: of the grid of each group."""
        for one in self._windows:
            self._run(one, sites, rows, advances)

    def _run(self, one: _Window, sites: I8, rows: I8, advances: I8) -> None:
        run = one.run
        for name in ("time_ns", "packet", "value", "quality"):
            run.lengthen(f"f.{name}", rows)
        for name in ("advance_row", "advance_ns", "advance_packet"):
            run.lengthen(f"f.{name}", advances)
        run.put("row", 0)
        run.put("advance", 0)
        while len(sites):
            row, advance, n = run.run(sites).T
            self._keep(one.kept, sites[n > 0], n[n > 0])
            run.put("row", row, sites)
            run.put("advance", advance, sites)
            sites = sites[(row < rows[sites]) | (advance < advances[sites])]

    def _keep(self, kept: Across, sites: I8, n: I8) -> None:
        """n closings of each of these groups."""
        if not len(sites):
            return
        pool, parameters = self._pool, n * self._width[sites]
        pool.room(int(n.sum()), int(parameters.sum()))
        for name in ("heads", "figures", "quality"):
            kept.share(name, getattr(pool, name))
        for name in ("end_ns", "packet", "panes", "figures", "quality"):
            kept.lengthen(f"batch.{name}", n, sites)
        kept.put("n", pool.n + starts(n)[:-1], sites)
        kept.put("used", pool.used + starts(parameters)[:-1], sites)
        kept.run(sites)
        pool.n, pool.used = pool.n + int(n.sum()), pool.used + int(parameters.sum())


def _on_grid(site: tuple[Any, ...], group: GroupChain) -> tuple[Any, ...]:
    """The arguments of a window on its group's grid."""
    g = group.resample.grid(0, 0)
    grid = g.time_ns, g.packet, g.value, g.quality, g.advance_row, g.advance_ns, g.advance_packet
    return (site[0]._make(grid), *site[1:])
