"""All containers of a batch at once: one call a stage in place of one a container and stage.

    order ─▶ limits ─▶ invalid, refused ─▶ resample ─▶ windows ─▶ stale ─▶ models, monitors

The kernels and their state are those of the stages (`pipeline.across`), so a batch may be run in
either way, and gives the same. What is rare is left to the stages themselves: rows that are late or
recorded, alarms in context, a monitor that has something to say, trained models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from pipeline.across import Scratch
from pipeline.alarms.refused import NOTHING_UNREAD, Unread
from pipeline.chain.container import ContainerChain
from pipeline.chain.program.arrivals import Arrivals
from pipeline.chain.program.groups import Groups
from pipeline.chain.program.ordered import OrderAll
from pipeline.decode.decoder import Columns
from pipeline.outputs.closings import Closings
from pipeline.outputs.pending import Pending
from pipeline.timeline.order import Steps
from schemas.columns import I8, PacketBatch, Rejects

LEAST = 6  # containers, from which on it is faster


class Taken(NamedTuple):
    """What one container did not take, and changes of its clock."""

    container: int
    late: Rejects
    steps: Steps


class Program:
    """The containers of one source, and its groups in their order."""

    def __init__(self, containers: Sequence[ContainerChain], pool: Closings) -> None:
        scratch = Scratch()
        self._containers = containers
        self._order = OrderAll([c.order for c in containers], scratch)
        self._arrivals = Arrivals(containers, scratch)
        self._groups = Groups(
            [(i, g) for i, c in enumerate(containers) for g in c.groups], pool, scratch
        )

    def feed(
        self, batch: PacketBatch, decoded: Columns, unread: Mapping[int, Unread], ticks: I8,
        out: list[Pending],
    ) -> list[Taken]:  # fmt: skip
        """Run rows and ticks, adding what is to be said to `out`."""
        refused = np.array(list(unread), np.int64)
        active = np.flatnonzero((decoded.counts > 0) | (len(ticks) > 0))
        active = np.union1d(active, refused)
        if not len(active):
            return []
        found = self._order.feed(batch, decoded, ticks, active)
        odd, taken = np.union1d(found.odd(), refused), []
        for c in odd.tolist():
            one, mine = self._containers[c], unread.get(c, NOTHING_UNREAD)
            rest = found.rest(c, one.order)
            taken.append(Taken(c, *one.take(batch, decoded.of(c), rest, mine, out)))
        plain = np.setdiff1d(active, odd, assume_unique=True)
        self._arrivals.feed(plain, batch, found, out)
        self._groups.feed(plain, found, batch, out)
        return taken
