"""Groups of all containers: their grids, and what looks at them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.across import Across, Scratch, starts
from pipeline.alarms.calm import silent
from pipeline.chain.group import GroupChain
from pipeline.chain.modelled import Modelled
from pipeline.chain.program.families import Family, Work
from pipeline.chain.program.ordered import Ordering
from pipeline.chain.program.windows import Windows
from pipeline.kernel import kernel
from pipeline.outputs.closings import Closings
from pipeline.outputs.pending import Pending
from pipeline.timeline.phases import phase_of
from pipeline.timeline.resample import resample
from schemas.columns import I8, PacketBatch

_NONE = np.zeros(0, np.int64)


class Groups:
    """every: the groups, each with the number of its container. Plain ones are run together."""

    def __init__(
        self, every: Sequence[tuple[int, GroupChain]], pool: Closings, scratch: Scratch
    ) -> None:
        self._by_itself = [(c, g) for c, g in every if not g.is_plain]
        container = [c for c, g in every if g.is_plain]
        self._plain = _Plain([g for _, g in every if g.is_plain], container, pool, scratch)

    def feed(self, plain: I8, found: Ordering, batch: PacketBatch, out: list[Pending]) -> None:
        """plain: containers whose rows are all live and accepted."""
        here = np.zeros(len(found.rows), bool)
        here[plain] = (found.rows[plain] > 0) | (found.advances[plain] > 0)
        for c, group in self._by_itself:
            if here[c]:
                group.feed(found.of(c), batch, out)
        self._plain.feed(here, found, batch, out)


class _Plain:
    def __init__(
        self, groups: Sequence[GroupChain], container: list[int], pool: Closings, scratch: Scratch
    ) -> None:
        self._groups, self._container = groups, np.array(container, np.int64)
        if not groups:
            return
        self._resample = Across(resample, [g.resample.site() for g in groups])
        self._windows = Windows(groups, pool)
        self._watched = np.array([i for i, g in enumerate(groups) if g.stale], np.int64)
        grids = [g.resample.grid(0, 0) for g in groups]
        stale = [
            (q.quality, *g.stale.site()) for q, g in zip(grids, groups, strict=True) if g.stale
        ]
        self._stale = Across(silent, stale) if stale else None
        self._offsets = Across(gather, [(_NONE, g.packet, _NONE) for g in grids])
        self._scratch = scratch
        by_family: dict[type, list[Work]] = {}
        # by group, models that no call runs together: each is fed its grid by itself
        self._apart: list[list[Modelled]] = [[] for _ in groups]
        for i, g in enumerate(groups):
            for m in g.models:
                if site := m.model.site():
                    by_family.setdefault(type(m.model), []).append(Work(i, g, m, site))
                else:
                    self._apart[i].append(m)
        self._families = [Family(every, scratch) for every in by_family.values()]

    def feed(
        self, here: np.ndarray, found: Ordering, batch: PacketBatch, out: list[Pending]
    ) -> None:
        """here: of each container, whether it has rows or advances to run."""
        sites = np.flatnonzero(here[self._container])
        if not len(sites):
            return
        self._give(found)
        at = np.zeros((len(self._groups), 2), np.int64)
        while len(sites):
            done = self._resample.run(sites)
            at[sites] = done[:, :2]
            self._take(sites, done[:, 2], done[:, 3], batch, out)
            c = self._container[sites]
            sites = sites[(at[sites, 0] < found.rows[c]) | (at[sites, 1] < found.advances[c])]
            self._resample.put("row", at[:, 0])
            self._resample.put("advance", at[:, 1])

    def _give(self, found: Ordering) -> None:
        c, o, run, at = self._container, found.out, self._resample, found.at
        n, a, f = found.rows[c], found.advances[c], found.width[c]
        run.part("time", o.time, at.row[c], n)
        run.part("packet", o.packet, at.row[c], n)
        run.part("eng", o.eng, at.value[c], n, f)
        run.part("quality_in", o.quality, at.value[c], n, f)
        for name in ("advance_row", "advance_ns", "advance_packet"):
            run.part(name, getattr(o, name), at.advance[c], a)
        run.put("row", 0)
        run.put("advance", 0)

    def _take(self, sites: I8, n: I8, a: I8, batch: PacketBatch, out: list[Pending]) -> None:
        """Grids of n rows and a advances have been made at these groups."""
        rows, advances = np.zeros((2, len(self._groups)), np.int64)
        rows[sites], advances[sites] = n, a
        self._windows.feed(sites, rows, advances)
        self._watch(sites, rows, advances, batch, out)
        first = starts(rows)
        offset = self._offset(rows, first, batch)
        for family in self._families:
            family.feed(rows, advances, offset, first[:-1], batch, out)
        for i in sites[n > 0].tolist():
            group, apart = self._groups[i], self._apart[i]
            if apart or group.installed or group.listeners:
                grid = group.resample.grid(int(rows[i]), int(advances[i]))
                if batch.phases is not None:
                    grid.phase = phase_of(grid.time_ns, grid.packet, batch.phases)
                mine = offset[first[i] : first[i + 1]]
                for one in (*apart, *group.others()):
                    one.feed(grid, mine, batch, out)

    def _watch(
        self, sites: I8, rows: I8, advances: I8, batch: PacketBatch, out: list[Pending]
    ) -> None:
        """Containers that have run into a gap, or are in one."""
        if self._stale is None:
            return
        self._stale.lengthen("quality", rows[self._watched])
        at = np.flatnonzero(np.isin(self._watched, sites))
        for i in self._watched[at[self._stale.run(at)[:, 0] != 0]].tolist():
            group = self._groups[i]
            assert group.stale
            group.stale.feed(group.resample.grid(int(rows[i]), int(advances[i])), batch, out)

    def _offset(self, rows: I8, first: I8, batch: PacketBatch) -> I8:
        """The input record of every row of every grid, one grid's behind the other's."""
        offset: I8 = self._scratch.room("offsets", np.int64, int(first[-1]))
        run = self._offsets
        run.share("offset", batch.offset)
        run.lengthen("packet", rows)
        run.part("out", offset, first[:-1], rows)
        run.run(np.flatnonzero(rows))
        return offset


@kernel
def gather(offset: I8, packet: I8, out: I8) -> None:
    """The input record of each row of a grid."""
    for i in range(len(packet)):
        out[i] = offset[packet[i]]
