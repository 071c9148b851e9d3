"""Which APIDs a mission's containers can carry: what resynchronisation goes by."""

from __future__ import annotations

from pipeline.decode.plan import layout
from schemas.mission import MissionDatabase

APID_BIT, APID_BITS = 5, 11


def known_apids(mdb: MissionDatabase) -> frozenset[int] | None:
    """APIDs that restriction criteria ask for; None when a container does not restrict it."""
    fields = layout(mdb, mdb.root)
    name = next((f.parameter.name for f in fields if (f.bit, f.bits) == (APID_BIT, APID_BITS)), "")
    found: set[int] = set()
    for container in mdb.containers.values():
        if container.abstract or not _below_root(mdb, container.name):
            continue
        wanted: set[int] = set()
        current = container
        while True:
            wanted |= {
                int(c.value)
                for c in current.restriction
                if c.parameter == name and c.operator == "=="
            }
            if current.base is None:
                break
            current = mdb.containers[current.base]
        if not wanted:
            return None
        found |= wanted
    return frozenset(found)


def _below_root(mdb: MissionDatabase, name: str) -> bool:
    while name != mdb.root:
        base = mdb.containers[name].base
        if base is None:
            return False
        name = base
    return True
