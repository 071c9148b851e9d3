"""The chain of one group: resample, then statistics and models side by side on its grid."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from typing import Protocol

import numpy as np

from pipeline.alarms.stale import Stale
from pipeline.alarms.watched import Watched
from pipeline.chain.gated import Gated
from pipeline.chain.groups import Group
from pipeline.chain.modelled import Modelled, Site
from pipeline.errors import MissionError
from pipeline.mission.folder import Mission, rule_for
from pipeline.models.families import FAMILIES, MODEL_KINDS, rules_of
from pipeline.models.shared.contract import Expected
from pipeline.models.shared.family import Family
from pipeline.models.shared.phased import make
from pipeline.outputs.closings import Closings
from pipeline.outputs.evidence import Origin
from pipeline.outputs.pending import Pending
from pipeline.outputs.statistics import GroupName
from pipeline.statistics import Statistics
from pipeline.timeline.phases import phase_of
from pipeline.timeline.resample import Resample
from pipeline.timeline.unwrap import Unwrap, span
from schemas.artefact import Artefact, Part
from schemas.columns import (
    ABSENT,
    I8,
    Grid,
    Ordered,
    PacketBatch,
    Stage,
    WindowBatch,
)
from schemas.mission import Five, Level
from schemas.state import Composite


class Listener(Protocol):
    """Receives the grid of a group, as its models do."""

    def feed(self, grid: Grid, offset: I8, batch: PacketBatch, out: list[Pending]) -> None: ...


def present(rows: Ordered, column: int) -> Ordered:
    """The rows that hold a column; the other rows only advance time."""
    here = rows.quality[:, column] != ABSENT
    kept = np.concatenate([np.zeros(1, np.int64), np.cumsum(here)])
    absent = np.flatnonzero(~here)
    at = np.concatenate([rows.advance_row, absent])
    # an advance comes before the row with its index
    kind = np.repeat([0, 1], [len(rows.advance_row), len(absent)])
    order = np.lexsort((kind, at))
    return Ordered(
        rows.time_ns[here], rows.packet[here], rows.eng[here], rows.quality[here],
        kept[at[order]],
        np.concatenate([rows.advance_ns, rows.time_ns[absent]])[order],
        np.concatenate([rows.advance_packet, rows.packet[absent]])[order],
    )  # fmt: skip


class GroupChain(Composite):
    """One group of one container. place: (container, group), its order among its siblings."""

    def __init__(
        self, mission: Mission, group: Group, container: str, place: tuple[int, int], origin: Origin
    ) -> None:
        self.group, self._site = group, Site(group, container, place, origin)
        self._mission, self._settings = mission, mission.settings
        self.resample = Resample(group.columns, group.rule)
        self._unwrap = self._counters() if group.rule.counter else None
        n = len(group.parameters)
        self.statistics = [
            Statistics(n, w, mission.settings.quantiles) for w in mission.settings.statistics
        ]
        self.models = [
            m for m in (self._model(i, f) for i, f in enumerate(FAMILIES)) if m is not None
        ]
        self.installed: dict[str, Gated] = {}
        self.listeners: list[Listener] = []
        self.number, self._closings = 0, Closings(np.array([n]), len(mission.settings.quantiles))
        first = place[1] == 0 and group.always
        self.stale = Stale(container, place, self.resample.max_age_ns, origin) if first else None

    def _counters(self) -> Unwrap:
        spans = []
        for p in self.group.parameters:
            try:
                spans.append(span(p.type))
            except ValueError as error:
                raise MissionError(f"[[resample]] {p.name}: {error}.") from None
        return Unwrap(self.group.columns, np.array(spans))

    def _model(self, place: int, family: type[Family]) -> Modelled | None:
        rules = rules_of(self._settings, family)
        every = [rule_for(p.name, rules) for p in self.group.parameters]
        chosen = [
            i
            for i, p in enumerate(self.group.parameters)
            if p.type.kind in MODEL_KINDS
            and every[i].enabled
            and not getattr(every[i], "across", False)
        ]
        if not chosen:
            return None
        parameters = [self.group.parameters[i] for i in chosen]
        rules_in_force = [every[i] for i in chosen]
        phases = self._settings.phases.names
        try:
            model = make(family, parameters, self.resample.period_ns, rules_in_force, phases)
            return Modelled(family, place, self._site, np.array(chosen), model, phases)
        except ValueError as error:
            raise MissionError(f"[[{family.name}]] in {self._site.container}: {error}.") from None

    @property
    def is_plain(self) -> bool:
        """Whether its rows are those of its container, and one call may run many like it."""
        return self.group.always and not self._unwrap

    def others(self) -> list[Listener]:
        """What receives its grid beside the models of the settings."""
        return [*self.installed.values(), *self.listeners]

    def publish_in(self, pool: Closings, number: int) -> None:
        """Its statistics go to a pool of all groups of the source, in which it has a number."""
        self.number, self._closings = number, pool

    @property
    def name(self) -> GroupName:
        return GroupName(self._site.container, self.group.qualified_names)

    @property
    def period_ns(self) -> int:
        """From one row of its grid to the next."""
        return self.resample.period_ns

    def holds(self, names: tuple[str, ...]) -> bool:
        return set(names) <= set(self.group.qualified_names)

    def prepare(self, artefact: Artefact, part: Part, slot: int) -> Gated:
        """A trained model for this group, not yet at work. ValueError where it does not fit."""
        return Gated(artefact, part, slot, self._site, self._mission, self.resample.period_ns)

    def install(self, made: Gated) -> None:
        """Install a model; it replaces another of the same name."""
        self.installed[made.artefact.name] = made

    def gated(self, name: str) -> Gated | None:
        return self.installed.get(name)

    def remove(self, name: str) -> None:
        self.installed.pop(name, None)

    @property
    def stages(self) -> dict[str, Stage]:
        """Every stage that has state, by the name it has in a snapshot."""
        named: dict[str, Stage] = {"resample": self.resample}
        if self._unwrap:
            named["unwrap"] = self._unwrap
        named |= {f"statistics{i}": s for i, s in enumerate(self.statistics)}
        named |= {m.model.name: m for m in self.models}
        named |= {f"model.{name}": m for name, m in self.installed.items()}
        if self.stale:
            named["stale"] = self.stale
        return named

    def watched(self) -> Iterator[Watched]:
        if self.stale:
            yield from self.stale.watched()
        for m in (*self.models, *self.installed.values()):
            yield from m.watched()

    def set_limits(self, parameter: str, low: Five, high: Five) -> None:
        if self._unwrap:
            return
        for m in (*self.models, *self.installed.values()):
            m.set_limits(parameter, low, high)

    def forecasts(self) -> Iterator[tuple[str, Level, float]]:
        for m in self.models:
            yield from m.forecasts()

    def expects(self, chosen: Container[str]) -> Iterator[tuple[str, str, Expected]]:
        for m in self.models:
            yield from m.expects(chosen)

    def feed(self, rows: Ordered, batch: PacketBatch, out: list[Pending]) -> None:
        """Run the group on ordered rows, adding what it has to say to `out`."""
        if not self.group.always:
            rows = present(rows, int(self.group.columns[0]))
        if self._unwrap:
            self._unwrap.feed(rows.eng, rows.quality)
        for grid in self.resample.feed(rows):
            self._feed_statistics(grid)
            if self.stale:
                self.stale.feed(grid, batch, out)
            if not len(grid.time_ns):
                continue
            if batch.phases is not None:
                grid.phase = phase_of(grid.time_ns, grid.packet, batch.phases)
            offset = batch.offset[grid.packet]
            for m in (*self.models, *self.others()):
                m.feed(grid, offset, batch, out)

    def begin_anew(self, step_ns: int, packet: int) -> None:
        """The clock was set back: open statistics are closed, and the grid begins again.

        Models keep what they have learnt, and receive a gap.
        """
        self.resample.begin_anew()
        for w, statistics in enumerate(self.statistics):
            self._close_statistics(w, statistics.end(packet))
        for m in (*self.models, *self.installed.values()):
            m.clock_set(step_ns)

    def _feed_statistics(self, grid: Grid) -> None:
        for w, statistics in enumerate(self.statistics):
            self._close_statistics(w, statistics.feed(grid))

    def _close_statistics(self, w: int, batches: Iterable[WindowBatch]) -> None:
        for closed in batches:
            self._closings.add(self.number, w, closed)
