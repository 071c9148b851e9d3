"""Which APIDs a mission's containers can carry; resynchronisation uses them."""

from __future__ import annotations

from pipeline.decode.definitions.layout import layout
from schemas.mission import AllOf, AnyOf, Comparison, Criteria, MissionDatabase

APID_BIT, APID_BITS = 5, 11
Apids = frozenset[int] | None  # None: any


def known_apids(mdb: MissionDatabase) -> Apids:
    """APIDs that restriction criteria ask for; None when a container does not restrict it."""
    fields = layout(mdb, mdb.root).fields
    name = next((f.parameter.name for f in fields if (f.bit, f.bits) == (APID_BIT, APID_BITS)), "")
    found: set[int] = set()
    for container in mdb.containers.values():
        if container.abstract or not _below_root(mdb, container.name):
            continue
        wanted: Apids = None
        here: str | None = container.name
        while here is not None and here != mdb.root:
            wanted = _both(wanted, _asked(mdb.containers[here].restriction, name))
            here = mdb.containers[here].base
        if wanted is None:
            return None
        found |= wanted
    return frozenset(found)


def _asked(criteria: Criteria, name: str) -> Apids:
    """APIDs for which criteria can hold."""
    if isinstance(criteria, Comparison):
        right = criteria.right
        asks = criteria.left.parameter == name and criteria.operator == "=="
        if asks and isinstance(right, int | float) and float(right).is_integer():
            return frozenset([int(right) & (2**APID_BITS - 1)])
        return None
    parts = [_asked(part, name) for part in criteria.parts]
    if isinstance(criteria, AllOf):
        allowed: Apids = None
        for part in parts:
            allowed = _both(allowed, part)
        return allowed
    assert isinstance(criteria, AnyOf)
    if any(part is None for part in parts):
        return None
    return frozenset(a for part in parts if part is not None for a in part)


def _both(a: Apids, b: Apids) -> Apids:
    return b if a is None else a if b is None else a & b


def _below_root(mdb: MissionDatabase, name: str) -> bool:
    here: str | None = name
    while here is not None and here != mdb.root:
        here = mdb.containers[here].base
    return here is not None
