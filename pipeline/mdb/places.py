"""Bit positions of a container's entries, as far as the database determines them."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod

from schemas.mission import (
    BinaryEncoding,
    Container,
    Entry,
    MissionDatabase,
    ParameterType,
    StringEncoding,
)


@dataclass(frozen=True, slots=True)
class Placed:
    """An entry. at: bits from the packet's start, None where it varies; bits: its width."""

    entry: Entry
    at: int | None
    bits: int | None


@dataclass(slots=True)
class Places:
    """Places of a database's entries; each container is measured once."""

    mdb: MissionDatabase
    _ends: dict[str, int | None] = field(default_factory=dict)

    def of(self, container: Container) -> list[Placed]:
        """The container's own entries, which stand behind those of its base."""
        here = self._end(container.base) if container.base else 0
        placed = []
        for entry in container.entries:
            one = self._place(entry, here)
            placed.append(one)
            here = self._behind(one)
        return placed

    def _end(self, name: str) -> int | None:
        if name not in self._ends:
            container = self.mdb.containers[name]
            placed = self.of(container)
            start = self._end(container.base) if container.base else 0
            self._ends[name] = self._behind(placed[-1]) if placed else start
        return self._ends[name]

    def _place(self, entry: Entry, here: int | None) -> Placed:
        anchor, by = entry.location or ("previousEntry", 0)
        start = 0 if anchor == "containerStart" else here
        at = start + by if start is not None and isinstance(by, int) else None
        if entry.kind == "container":
            return Placed(entry, at, self._end(entry.name))
        return Placed(entry, at, width(self.mdb.parameters[entry.name].type))

    def _behind(self, placed: Placed) -> int | None:
        """Position of the next entry; None after an entry that may be absent or varies in size."""
        count, gap = placed.entry.repeat or (1, 0)
        known = isinstance(count, int) and isinstance(gap, int) and placed.entry.include is None
        if placed.at is None or placed.bits is None or not known:
            return None
        assert isinstance(count, int)
        assert isinstance(gap, int)
        return placed.at + count * placed.bits + max(count - 1, 0) * gap


def width(of: ParameterType) -> int | None:
    """Bits of a type; None where it varies by packet, and for a type that is not telemetered."""
    if of.element is not None:
        inner = width(of.element)
        sizes = [last - first + 1 for first, last in of.dimensions if isinstance(last, int)
                 and isinstance(first, int)]  # fmt: skip
        known = inner is not None and len(sizes) == len(of.dimensions)
        return prod(sizes) * inner if known and inner is not None else None
    if of.members:
        widths = [width(m) for _, m in of.members]
        return None if None in widths else sum(w for w in widths if w is not None)
    if of.encoding is None:
        return None
    if isinstance(of.encoding, BinaryEncoding):
        return of.encoding.bits if isinstance(of.encoding.bits, int) else None
    if isinstance(of.encoding, StringEncoding):
        return of.encoding.box if isinstance(of.encoding.box, int) else None
    return of.encoding.bits
