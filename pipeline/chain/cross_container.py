"""Cross-container models: of parameters in several containers (sensors of two flight computers, the
parts of one subsystem). On every tick they use the last row of each: no packet holds all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pipeline.alarms.watched import Watched
from pipeline.chain.group import GroupChain
from pipeline.chain.groups import Group
from pipeline.chain.modelled import Modelled, Site
from pipeline.errors import MissionError
from pipeline.mission.folder import Mission, rule_for
from pipeline.models.families import FAMILIES, MODEL_KINDS, rules_of
from pipeline.models.shared.contract import GroupParameter
from pipeline.models.shared.family import Family
from pipeline.models.shared.phased import make
from pipeline.outputs.evidence import Origin
from pipeline.outputs.pending import Pending
from pipeline.timeline.phases import phase_of
from schemas.columns import F8, I8, U1, Grid, PacketBatch, Quality, Stage
from schemas.control import Control
from schemas.records import TICK_NS
from schemas.settings import ResampleRule
from schemas.state import Composite, Stateful

LATE = 2  # periods of the slowest member; one that lags the newest by more is HELD
_HELD = np.uint8(Quality.HELD)
_NEVER = -(2**63)


class _Last(Stateful):
    """The last row of each of f members. seen: time of the last row that was judged."""

    def __init__(self, f: int) -> None:
        self.state = {
            "value": np.full(f, np.nan),
            "quality": np.full(f, _HELD, np.uint8),
            "time": np.full(f, _NEVER, np.int64),
            "seen": np.full(1, _NEVER, np.int64),
        }


@dataclass(slots=True)
class _Rows:
    """Rows of one member since the last feed: packet i8[k], time, value, quality."""

    packet: I8
    time: I8
    value: F8
    quality: U1


class _Ear:
    """Collects the rows of one column of a group."""

    def __init__(self, column: int) -> None:
        self._column, self._heard = column, list[_Rows]()

    def feed(self, grid: Grid, offset: I8, batch: PacketBatch, out: list[Pending]) -> None:  # noqa: ARG002
        c = self._column
        self._heard.append(
            _Rows(grid.packet.copy(), grid.time_ns.copy(), grid.value[:, c].copy(),
                  grid.quality[:, c].copy())
        )  # fmt: skip

    def take(self) -> _Rows | None:
        heard, self._heard = self._heard, []
        if not heard:
            return None
        return _Rows(
            *(
                np.concatenate([getattr(h, n) for h in heard])
                for n in ("packet", "time", "value", "quality")
            )
        )


class CrossContainer(Composite):
    """One family over the members of its rules that say `across = true`."""

    def __init__(
        self, family: type[Family], place: int, mission: Mission, groups: list[GroupChain],
        site: tuple[str, tuple[int, int], Origin],
    ) -> None:  # fmt: skip
        rules = rules_of(mission.settings, family)
        members: dict[str, tuple[GroupParameter, GroupChain]] = {}
        self._ears: list[_Ear] = []
        for group in groups:
            both = zip(group.group.parameters, group.group.qualified_names, strict=True)
            for i, (p, name) in enumerate(both):
                rule = rule_for(p.name, rules)
                mine = p.type.kind in MODEL_KINDS and rule.enabled and rule.across
                if mine and name not in members:  # if it is in several groups, the first
                    members[name] = p, group
                    self._ears.append(_Ear(i))
                    group.listeners.append(self._ears[-1])
        parameters = tuple(p for p, _ in members.values())
        self._lag = LATE * max((g.period_ns for _, g in members.values()), default=0)
        container, where, origin = site
        columns = np.arange(len(members))
        together = Group(ResampleRule(), parameters, tuple(members), columns)
        try:
            if not members:
                raise ValueError("no number that is decoded matches")
            in_force = [rule_for(p.name, rules) for p in parameters]
            phases = mission.settings.phases.names
            model = make(family, [*parameters], TICK_NS, in_force, phases)
        except ValueError as error:
            raise MissionError(f"[[{family.name}]] across containers: {error}.") from None
        self._modelled = Modelled(
            family, place, Site(together, container, where, origin), columns, model, phases
        )
        self._last = _Last(len(members))

    @property
    def stages(self) -> dict[str, Stage]:
        return {"last": self._last, "model": self._modelled}

    def watched(self) -> Iterator[Watched]:
        yield from self._modelled.watched()

    def set_limits(self, parameter: str, control: Control) -> bool:  # noqa: ARG002
        return False

    def feed(self, batch: PacketBatch, ticks: I8, out: list[Pending]) -> None:
        """Run after every group of the batch. ticks: indices of its ticks."""
        s, n, f = self._last.state, len(ticks), len(self._ears)
        value, time = np.empty((n, f)), np.empty((n, f), np.int64)
        quality = np.empty((n, f), np.uint8)
        for j, ear in enumerate(self._ears):
            rows = ear.take()
            known = (s["value"][j : j + 1], s["time"][j : j + 1], s["quality"][j : j + 1])
            if rows is not None:
                known = (
                    np.concatenate([known[0], rows.value]),
                    np.concatenate([known[1], rows.time]),
                    np.concatenate([known[2], rows.quality]),
                )
            # rows that a tick closes are known at that tick
            packets = np.zeros(0, np.int64) if rows is None else rows.packet
            at = np.searchsorted(packets, ticks, "right")
            value[:, j], time[:, j], quality[:, j] = (k[at] for k in known)
            s["value"][j], s["time"][j], s["quality"][j] = (k[-1] for k in known)
        newest = time.max(axis=1, initial=_NEVER)
        # not "later": the clock may have been set back
        new = newest != np.concatenate([s["seen"], newest])[:-1]
        if not new.any():
            return
        s["seen"][0] = newest[new][-1]
        behind = (newest[:, None] - self._lag > time) | (time == _NEVER)
        quality[behind] |= _HELD
        packet, none = ticks[new], np.zeros(0, np.int64)
        age = np.zeros(len(packet), np.int64)
        grid = Grid(newest[new], packet, value[new], quality[new], age, none, none, none)
        if batch.phases is not None:
            grid.phase = phase_of(grid.time_ns, grid.packet, batch.phases)
        self._modelled.feed(grid, batch.offset[packet], batch, out)


def cross_container_models(
    mission: Mission, groups: list[GroupChain], container: str, place: int, origin: Origin
) -> list[CrossContainer]:
    """One for each family that has such rules. container: the container named in their alerts."""
    found = [
        (i, family)
        for i, family in enumerate(FAMILIES)
        if any(
            getattr(r, "across", False) and r.enabled for r in rules_of(mission.settings, family)
        )
    ]
    return [
        CrossContainer(family, i, mission, groups, (container, (place, k), origin))
        for k, (i, family) in enumerate(found)
    ]
