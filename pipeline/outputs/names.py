"""Names for people: the short one where it is unique in the mission, else the qualified one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from pipeline.decode import Plan
from schemas.mission import MissionDatabase


def names_for_people(mdb: MissionDatabase, plans: Iterable[Plan]) -> dict[str, str]:
    """Names of parameters, of decoded members and of containers, by qualified name."""
    every = {p.qualified_name for p in mdb.parameters.values()}
    every |= {f.parameter.qualified_name for plan in plans for f in plan.fields}
    containers = {c.qualified_name for c in mdb.containers.values()}
    return _shown(every) | _shown(containers - every)


def shared_names(plans: Iterable[Plan]) -> frozenset[str]:
    """Qualified names of parameters that stand in several containers."""
    times = Counter(name for p in plans for name in {f.parameter.qualified_name for f in p.fields})
    return frozenset(name for name, n in times.items() if n > 1)


def short(qualified: str) -> str:
    return qualified.rsplit("/", 1)[-1]


def _shown(names: set[str]) -> dict[str, str]:
    times = Counter(short(name) for name in names)
    return {name: short(name) if times[short(name)] == 1 else name for name in names}
