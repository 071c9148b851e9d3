"""A model at work on one group: its family's kernel, a monitor, and the alerts of both."""

from __future__ import annotations

import math
from collections.abc import Container, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

from pipeline.alarms.monitor import Monitor
from pipeline.alarms.watched import Watched
from pipeline.chain.groups import Group
from pipeline.models.shared.contract import Expected, Model
from pipeline.models.shared.family import Family
from pipeline.models.shared.phased import phases_of
from pipeline.outputs.alerts import alert_output, number_or_none
from pipeline.outputs.evidence import Origin, alert_head, what_was_seen
from pipeline.outputs.pending import Make, Pending, Rank
from schemas import topics
from schemas.columns import (
    I8,
    NO_VERDICT,
    Change,
    Grid,
    Output,
    PacketBatch,
    Scores,
    Stage,
    Transitions,
)
from schemas.mission import Five, Level
from schemas.state import Composite


@dataclass(frozen=True, slots=True)
class Site:
    """Where a model works. place: (container, group), its order among its siblings."""

    group: Group
    container: str
    place: tuple[int, int]
    origin: Origin


class _Judged(NamedTuple):
    """What an alert rests on that later rows may change: its dictionary is made, and encoded, when
    its id is known. evidence: the family's own; phase: empty where there is none."""

    change: Change
    packet: int
    time_ns: int
    observed: float
    quality: int
    predicted: float
    score: float
    threshold: float
    evidence: dict[str, Any]
    label: dict[str, Any]
    sha256: str
    phase: str


class Modelled(Composite):
    """place: its place among the models of its group, which orders their alerts. columns: those of
    the group's parameters that it uses. phases: of the mission."""

    def __init__(
        self, family: type[Family], place: int, site: Site, columns: I8, model: Model,
        phases: tuple[str, ...],
    ) -> None:  # fmt: skip
        self._family, self.place, self._site, self.columns = family, place, site, columns
        self._phases = phases_of(family, phases)
        self.model = model
        self.monitor = Monitor(model.min_samples, model.min_ns, model.leave_samples)
        self.names = tuple(site.group.qualified_names[i] for i in columns)

    @property
    def stages(self) -> dict[str, Stage]:
        return {"model": self.model, "monitor": self.monitor}

    def label(self, active: bool) -> dict[str, Any]:  # noqa: ARG002
        """Which model it is, in its alerts."""
        return {"id": f"{self.model.name}/{self.model.version}"}

    def watched(self) -> Iterator[Watched]:
        yield Watched(self.model.name, self.names, self.monitor)

    def set_limits(self, parameter: str, low: Five, high: Five) -> None:
        """Set new limits of a parameter."""
        if parameter in self.names:
            self.model.set_limits(self.names.index(parameter), low, high)

    def clock_set(self, step_ns: int) -> None:
        """The clock was set by so much: what counts from a time of its own counts from there."""
        self.model.clock_set(step_ns)

    def forecasts(self) -> Iterator[tuple[str, Level, float]]:
        """(qualified name, level, seconds to its range) of every range ahead, where a slope is
        significant."""
        for j, name in enumerate(self.names):
            for level, seconds in self.model.forecasts(j):
                yield name, level, seconds

    def expects(self, chosen: Container[str]) -> Iterator[tuple[str, str, Expected]]:
        """(qualified name, model, what it expects) of the chosen parameters of which it expects a
        range of values."""
        for j, name in enumerate(self.names):
            if name in chosen and (found := self.model.expects(j)):
                yield name, self.model.name, found

    def of(self, grid: Grid) -> Grid:
        """Its own columns."""
        if len(self.columns) == grid.value.shape[1]:  # columns rise, so it is all of them
            return grid
        value = grid.value.take(self.columns, 1)
        return replace(grid, value=value, quality=grid.quality.take(self.columns, 1))

    def feed(self, grid: Grid, offset: I8, batch: PacketBatch, out: list[Pending]) -> None:
        """Judge rows of the group; offset: input record of each."""
        mine = self.of(grid)
        self.go_on(mine, offset, self.model.feed(mine), (0, 0), batch, out)

    def go_on(
        self, mine: Grid, offset: I8, scores: Scores, done: tuple[int, int], batch: PacketBatch,
        out: list[Pending],
    ) -> None:  # fmt: skip
        """What there is to say of its columns, once they are scored. done: of its monitor."""
        t = self.monitor.feed(mine.time_ns, offset, scores, done=done)
        self.emit(mine, scores, t, batch, out)

    def emit(
        self, grid: Grid, scores: Scores, t: Transitions, batch: PacketBatch, out: list[Pending],
        shadow_after: int = 2**62,
    ) -> None:  # fmt: skip
        """Emit alerts for transitions; those after row `shadow_after` go to the shadow topic."""
        for change in t.each():
            active = change.row <= shadow_after
            judged = self._judged(grid, scores, change, self.label(active))
            topic = topics.ALERTS if active else topics.SHADOW
            make = partial(self._alert, batch, judged, topic)
            self._pend(grid, change.row, change.parameter, make, batch, out)

    def _pend(
        self, grid: Grid, row: int, order: int, make: Make, batch: PacketBatch, out: list[Pending]
    ) -> None:
        packet = grid.packet.item(row)
        key = (self.place, *self._site.place, grid.time_ns.item(row), order)
        out.append(Pending(packet, batch.record.item(packet), Rank.MODEL, key, make))

    def _judged(self, grid: Grid, scores: Scores, change: Change, label: dict[str, Any]) -> _Judged:
        row, j = change.row, change.parameter
        told = change.after and 0 < scores.leave.item(row, j) < NO_VERDICT
        phase = None if grid.phase is None or not self._phases else grid.phase.item(row)
        return _Judged(
            change,
            grid.packet.item(row),
            grid.time_ns.item(row),
            grid.value.item(row, j),
            grid.quality.item(row, j),
            scores.predicted.item(row, j),
            scores.score.item(row, j),
            self.model.threshold(j),
            self.model.evidence(j, scores.detail[row, :, j]) if told else {},
            label,
            self.sha256(j),
            "" if phase is None else self._phases[phase],
        )

    def _alert(self, batch: PacketBatch, judged: _Judged, topic: str, id_: str) -> Output:
        j, name, origin = judged.change.parameter, self.model.name, self._site.origin
        score, observed, predicted = judged.score, judged.observed, judged.predicted
        certain = self._family.confidence(score) if math.isfinite(score) else 0.0
        unit = self._site.group.parameters[self.columns[j]].type.unit
        alert = alert_head(
            origin, self.names[j], name, judged.label["id"], judged.change, batch, judged.packet,
            judged.time_ns,
        )  # fmt: skip
        alert |= what_was_seen(observed, unit, judged.quality, certain)
        alert["predicted"] = number_or_none(predicted)
        alert["residual"] = number_or_none(observed - predicted)
        alert["score"] = number_or_none(score)
        alert["threshold"] = judged.threshold
        alert |= judged.evidence
        alert["model"] = judged.label | {"weights_sha256": judged.sha256}
        alert["fingerprint"] = origin.fingerprint
        if judged.phase:
            alert["phase"] = judged.phase
        return alert_output(alert, self._words, id_, topic)

    def _words(self, alert: dict[str, Any], seen: str, unit: str) -> str:
        return f"{self._family.sentence(alert, seen, unit)} ({alert['level_after']})."

    def sha256(self, parameter: int) -> str:
        """SHA-256 of what determines its alerts on a parameter."""
        return self.model.weights_sha256[parameter]
