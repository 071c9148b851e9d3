"""Outputs on their way to an id: collected in any order, numbered in the chain's (docs/outputs.md).

Ids are `topic-partition-offset-n`. n counts all outputs of one input record in an order that does
not depend on how the input was cut into batches: by the packet that caused them, then by stage,
container, group and row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum

from pipeline.outputs.ids import id_of
from schemas.columns import I8
from schemas.columns import Output as Record


class Rank(IntEnum):
    """Order of the stages whose outputs one packet may cause."""

    DEFINITION = -1
    LIMIT = 0
    STALE = 1
    SAMPLES = 2
    STATISTICS = 3
    MODEL = 4  # by family
    REJECT = 5
    LOS = 6
    REFUSED = 7
    INVALID = 8
    CLOCK = 9


Make = Callable[[str], Record]  # makes a record, given its id


@dataclass(slots=True)
class Pending:
    """One output without its id. order: what tells it from its siblings, within its rank."""

    packet: int
    record: int
    rank: Rank
    order: tuple[int, ...]
    make: Make

    @property
    def key(self) -> tuple[int, int, int, tuple[int, ...]]:
        return self.record, self.packet, self.rank, self.order


def number(pending: list[Pending], offsets: I8, partition: int) -> Iterator[tuple[int, Record]]:
    """(record of this feed, output) in the chain's order. offsets: of the records of the feed."""
    pending.sort(key=lambda p: p.key)
    record, n = -1, 0
    for p in pending:
        record, n = p.record, (n + 1 if p.record == record else 0)
        yield record, p.make(id_of(partition, offsets.item(record), n))
