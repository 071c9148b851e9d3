"""Refuses a short file that asks for endless work, before any layout is computed.

Nested and repeated containers multiply: forty lines can describe 2^40 entries.
"""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.mdb.names import Names
from schemas.mission import Container, Entry

MAX_ENTRIES = 1_000_000  # in one container, nested ones included
_DYNAMIC = 1024  # repetitions where a packet says how many, at the most


def refuse_floods(names: Names, containers: Mapping[str, Container]) -> None:
    """MissionError names the container that comes to too many entries. There is no circle."""
    sizes: dict[str, int] = {}
    for name in containers:
        if _size(name, containers, sizes) > MAX_ENTRIES:
            element, _ = names.items["container"][name]
            raise element.refuse(f"comes to more than {MAX_ENTRIES} entries.")


def _size(name: str, containers: Mapping[str, Container], sizes: dict[str, int]) -> int:
    """Entries of a container, with those of what it holds and extends."""
    if name not in sizes:
        one = containers[name]
        base = _size(one.base, containers, sizes) if one.base else 0
        sizes[name] = base + sum(_entry(e, containers, sizes) for e in one.entries)
    return sizes[name]


def _entry(entry: Entry, containers: Mapping[str, Container], sizes: dict[str, int]) -> int:
    inner = _size(entry.name, containers, sizes) if entry.kind == "container" else 0
    count = entry.repeat[0] if entry.repeat else 1
    return (1 + inner) * (count if isinstance(count, int) else _DYNAMIC)
