"""The chain of one container: limits on arrival, then event time order, then its groups."""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np

from pipeline.alarm_table import alarm_table
from pipeline.control import Watched
from pipeline.decode import Plan
from pipeline.flapping import Flapping, Told
from pipeline.gate.gated import Gated
from pipeline.group_chain import GroupChain
from pipeline.groups import make_groups, watched_columns
from pipeline.invalid import Invalid
from pipeline.mission import Mission
from pipeline.order import Order
from pipeline.outputs.alerts import alert_output
from pipeline.outputs.evidence import Origin, alert_head, limit_confidence, seen
from pipeline.outputs.pending import Pending, Rank
from pipeline.reach import never_fires
from pipeline.refused import Refused, Unread
from schemas.columns import I8, PacketBatch, Rejects, Rows, Stage, Transitions
from schemas.control import Control
from schemas.mission import ALARM_LEVELS, Calibrator, Level, Polynomial
from schemas.state import Composite

Labels = tuple[tuple[int, str], ...]


class ContainerChain(Composite):
    """One container of one source. index: of its plan."""

    def __init__(self, mission: Mission, plan: Plan, index: int, origin: Origin) -> None:
        origin = origin.of(plan.qualified_name)
        self._plan, self._index, self._origin = plan, index, origin
        table = alarm_table(mission, plan)
        self._limits, self._changes, self._states = table.limits, table.changes, table.states
        self._monitor = table.monitor
        self._flapping = Flapping(len(self._limits.columns))
        watched = watched_columns(mission, plan)
        parameters = tuple(plan.fields[i].parameter for i in watched)
        invalid_s = mission.settings.time.invalid_s
        self._invalid = Invalid(watched, parameters, invalid_s, index, origin)
        self._refused = Refused(plan.qualified_name, index, origin)
        self.order = Order(watched, mission.settings.time)
        self.groups = [
            GroupChain(mission, g, plan.qualified_name, (index, i), origin)
            for i, g in enumerate(make_groups(mission, plan, watched))
        ]

    @property
    def stages(self) -> dict[str, Stage]:
        named: dict[str, Stage] = {
            "limits": self._limits, "limits.changes": self._changes,
            "limits.monitor": self._monitor, "limits.flapping": self._flapping,
            "invalid": self._invalid, "order": self.order, "refused": self._refused,
        }  # fmt: skip
        return named | {f"group{i}": g for i, g in enumerate(self.groups)}

    def watched(self) -> Iterator[Watched]:
        """Every monitor, and what it watches."""
        for one in self._watched():
            yield one._replace(origin=self._origin)

    def _watched(self) -> Iterator[Watched]:
        fields = [self._plan.fields[i].parameter.qualified_name for i in self._limits.columns]
        yield Watched("limit", tuple(fields), self._monitor, flapping=self._flapping)
        yield from self._invalid.watched()
        yield from self._refused.watched()
        for group in self.groups:
            yield from group.watched()

    def set_limits(self, parameter: str, control: Control) -> bool:
        """Other static limits, for the check and for the models; whether there are any here.

        ValueError where one of them could never fire.
        """
        low, high = control.sides()
        found = False
        for j, column in enumerate(self._limits.columns):
            mine = self._plan.fields[column].parameter
            if mine.qualified_name == parameter:
                if why := never_fires(mine.type, control.ranges):
                    raise ValueError(why)
                self._limits.set(j, low, high)
                found = True
        for group in self.groups if found else ():
            group.set_limits(parameter, low, high)
        return found

    def limits_in_force(self, chosen: Container[str]) -> Iterator[tuple[str, Level, str, float]]:
        """(qualified name, level, side, bound) of the static limits outside every context."""
        for j, column in enumerate(self._limits.columns):
            name = self._plan.fields[column].parameter.qualified_name
            if name not in chosen:
                continue
            for side, bounds in zip(("low", "high"), self._limits.usual(j), strict=True):
                for level, bound in zip(ALARM_LEVELS, bounds.tolist(), strict=True):
                    if np.isfinite(bound):
                        yield name, level, side, bound

    def aim(self, gated: Gated) -> None:
        """Tell a model that comes to work which limits are in force."""
        for j, column in enumerate(self._limits.columns):
            low, high = self._limits.usual(j)
            name = self._plan.fields[column].parameter.qualified_name
            gated.aim(name, tuple(low), tuple(high))

    def forecasts(self) -> Iterator[tuple[str, Level, float]]:
        for group in self.groups:
            yield from group.forecasts()

    def feed(
        self, batch: PacketBatch, rows: Rows, ticks: I8, unread: Unread, out: list[Pending]
    ) -> Rejects:
        """Run the container on its rows and the ticks between them; returns late rows."""
        if len(self._limits.columns) and len(rows.packet):
            self._feed_limits(batch, rows, out)
        if len(rows.packet):
            self._invalid.feed(batch, rows, out)
        ordered, late = self.order.feed(batch, rows, ticks)
        self._refused.feed(batch, rows, late, unread, out)
        if len(ordered.time_ns) or len(ordered.advance_row):
            for group in self.groups:
                group.feed(ordered, batch, out)
        return late

    def _feed_limits(self, batch: PacketBatch, rows: Rows, out: list[Pending]) -> None:
        scores = self._limits.feed(rows)
        variant = self._limits.variant
        self._changes.feed(rows, variant, scores)
        self._states.feed(rows, variant, scores)
        t = self._monitor.feed(rows.time_ns, batch.offset[rows.packet], scores, variant)
        for told in self._flapping.feed(batch.reception_ns[rows.packet], t):
            packet = int(rows.packet[told.row])
            make = partial(alert_output, self._told(batch, rows, t, told))
            order = (self._index, told.parameter)
            out.append(Pending(packet, int(batch.record[packet]), Rank.LIMIT, order, make))

    def _told(self, batch: PacketBatch, rows: Rows, t: Transitions, told: Told) -> dict[str, Any]:
        """The alert of a transition, or of one that stands for many."""
        since = told.since_ns if told.word else int(t.since_ns[told.i])
        offset = batch.offset[rows.packet[told.row]] if told.i < 0 else t.since_offset[told.i]
        all_of_it = (told.row, told.parameter, told.before, told.after, since, offset)
        one = Transitions(*(np.array([x]) for x in all_of_it))
        alert = self._evidence(batch, rows, one, 0)
        if told.word:
            alert["transition"] = told.word
            alert["flaps"] = {"raises": told.flaps, "since_ns": told.since_ns}
        return alert

    def _evidence(self, batch: PacketBatch, rows: Rows, t: Any, i: int) -> dict[str, Any]:
        row, j = int(t.row[i]), int(t.parameter[i])
        column = int(self._limits.columns[j])
        parameter = self._plan.fields[column].parameter
        observed, quality = float(rows.eng[row, column]), int(rows.quality[row, column])
        alert = alert_head(
            self._origin, parameter.qualified_name, "limit", "static", t, i, batch,
            int(rows.packet[row]), int(rows.time_ns[row]),
        )  # fmt: skip
        alert |= seen(observed, parameter.type.unit, quality, limit_confidence(quality))
        if label := dict(parameter.type.labels).get(int(observed) if np.isfinite(observed) else -1):
            alert["label"] = label
        if not self._plan.fields[column].wide:  # else it is a place in this batch
            alert["raw"] = int(rows.raw[row, column])
        variant = int(self._limits.variant[row, j])
        alert["limit"] = self._limits.crossed(variant, int(t.after[i]), observed)
        alert["reasons"] = self._reasons(rows, row, variant, observed, parameter.type.labels)
        context = self._limits.context(row, j)
        alert |= {"context": context} if context else {}
        alert |= self._ranges(variant)
        if parameter.type.calibrator:
            alert["calibrator"] = _told(parameter.type.calibrator)
        alert["fingerprint"] = self._origin.fingerprint
        return alert

    def _ranges(self, variant: int) -> dict[str, Any]:
        """What is in force, as far as it is ranges."""
        r = self._limits.ranges
        sides = zip(ALARM_LEVELS, r.low[:, variant], r.high[:, variant], strict=True)
        outside = {
            level.word: [_finite(low), _finite(high)]
            for level, low, high in sides
            if np.isfinite(low) or np.isfinite(high)
        }
        bands = [
            [Level(r.band_level[i]).word, _finite(r.band_low[i]), _finite(r.band_high[i])]
            for i in self._limits.bands(variant)
        ]
        found = {"ranges": outside, "bands": bands}
        return {name: value for name, value in found.items() if value}

    def _reasons(
        self, rows: Rows, row: int, variant: int, observed: float, labels: Labels
    ) -> list[dict[str, Any]]:
        """All that is not normal about this sample, whichever of it is the most severe."""
        reasons: list[dict[str, Any]] = []
        crossed = {v: self._limits.crossed(variant, v, observed) for v in ALARM_LEVELS}
        level = max((v for v, bound in crossed.items() if bound is not None), default=0)
        if level:
            limit = crossed[Level(level)]
            reasons.append({"check": "static", "level": Level(level).word, "limit": limit})
        change = self._changes.reason(row, variant)
        if change:
            reasons.append(change)
        state = self._states.level(variant, int(observed)) if np.isfinite(observed) else 0
        if state:
            label = dict(labels).get(int(observed))
            reasons.append({"check": "state", "level": Level(state).word, "label": label})
        condition = self._limits.condition(variant, rows.choice[row])
        if condition:
            reasons.append({"check": "condition", "level": Level(condition).word})
        return reasons


def _told(calibrator: Calibrator) -> Any:
    """A calibrator as it is written into an alert."""
    if isinstance(calibrator, Polynomial):
        return list(calibrator.coefficients)
    return asdict(calibrator)


def _finite(x: float) -> float | None:
    return float(x) if np.isfinite(x) else None
