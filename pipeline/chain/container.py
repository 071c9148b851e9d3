"""The chain of one container: limits on arrival, then event time order, then its groups."""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import replace

import numpy as np

from pipeline.alarms import limit_check
from pipeline.alarms.invalid import Invalid
from pipeline.alarms.limit_check import LimitCheck
from pipeline.alarms.refused import Refused, Unread
from pipeline.alarms.tables import alarm_table
from pipeline.alarms.watched import Watched
from pipeline.chain.gated import Gated
from pipeline.chain.group import GroupChain
from pipeline.chain.groups import make_groups, watched_columns
from pipeline.decode import Plan
from pipeline.mdb.reach import never_fires
from pipeline.mission.folder import Mission
from pipeline.models.shared.contract import Expected
from pipeline.outputs.evidence import Origin
from pipeline.outputs.pending import Pending
from pipeline.timeline.order import ODD, RECORDED, Order, Sorted, Steps
from schemas.columns import I8, PacketBatch, Rejects, Rows, Stage
from schemas.control import Control
from schemas.mission import ALARM_LEVELS, Level
from schemas.state import Composite


class ContainerChain(Composite):
    """One container of one source. index: of its plan."""

    def __init__(self, mission: Mission, plan: Plan, index: int, origin: Origin) -> None:
        origin = origin.of(plan.qualified_name)
        self._plan, self._origin = plan, origin
        table = alarm_table(mission, plan)
        self._limits = table.limits
        self.live = LimitCheck(limit_check.LIVE, table, plan, index, origin)
        apart = replace(alarm_table(mission, plan), limits=table.limits)
        self._recorded = LimitCheck(limit_check.RECORDED, apart, plan, index, origin)
        watched = watched_columns(mission, plan)
        parameters = tuple(plan.fields[i].parameter for i in watched)
        invalid_s = mission.settings.time.invalid_s
        self.invalid = Invalid(watched, parameters, invalid_s, index, origin)
        self.refused = Refused(plan.qualified_name, index, origin)
        self.order = Order(watched, mission.settings.time)
        self.groups = [
            GroupChain(mission, g, plan.qualified_name, (index, i), origin)
            for i, g in enumerate(make_groups(mission, plan, watched))
        ]

    @property
    def stages(self) -> dict[str, Stage]:
        named: dict[str, Stage] = {
            "limits": self._limits, "live": self.live, "recorded": self._recorded,
            "invalid": self.invalid, "order": self.order, "refused": self.refused,
        }  # fmt: skip
        return named | {f"group{i}": g for i, g in enumerate(self.groups)}

    def watched(self) -> Iterator[Watched]:
        """Every monitor, and what it watches."""
        for one in self._watched():
            yield one._replace(origin=self._origin)

    def _watched(self) -> Iterator[Watched]:
        yield from self.live.watched()
        yield from self._recorded.watched()
        yield from self.invalid.watched()
        yield from self.refused.watched()
        for group in self.groups:
            yield from group.watched()

    def set_limits(self, parameter: str, control: Control) -> bool:
        """Set static limits, for the check and the models; returns whether there are any here.

        ValueError if one of them could never fire.
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

    def tell_limits(self, gated: Gated) -> None:
        """Set the limits in force in a newly installed model."""
        for j, column in enumerate(self._limits.columns):
            low, high = self._limits.usual(j)
            name = self._plan.fields[column].parameter.qualified_name
            gated.set_limits(name, tuple(low), tuple(high))

    def forecasts(self) -> Iterator[tuple[str, Level, float]]:
        for group in self.groups:
            yield from group.forecasts()

    def expects(self, chosen: Container[str]) -> Iterator[tuple[str, str, Expected]]:
        for group in self.groups:
            yield from group.expects(chosen)

    def feed(
        self, batch: PacketBatch, rows: Rows, ticks: I8, unread: Unread, out: list[Pending]
    ) -> tuple[Rejects, Steps]:
        """Run the container on its rows and the ticks between them.

        Returns rows that are refused for their time, and changes of its clock.
        """
        return self.take(batch, rows, self.order.feed(batch, rows, ticks), unread, out)

    def take(
        self, batch: PacketBatch, rows: Rows, found: Sorted, unread: Unread, out: list[Pending]
    ) -> tuple[Rejects, Steps]:
        """The same, once its rows are in order."""
        recorded = found.kind == RECORDED
        back = recorded | (found.kind == ODD)
        live, judged_ns = rows, found.judged_ns
        if any_back := back.any():
            live, judged_ns = rows.at(~back), judged_ns[~back]
        self.live.feed(batch, live, judged_ns, out)
        if len(live.packet):
            self.invalid.feed(batch, live, out)
        self.refused.feed(batch, rows, found.kind, bool(len(found.late)), unread, out)
        for piece in found.pieces:
            if piece.anew:
                before = recorded & (rows.packet <= piece.packet)
                self._recorded.feed(batch, rows.at(before), found.judged_ns[before], out)
                self._recorded.withdraw(batch, piece.packet, out)
                recorded &= ~before
            for group in self.groups:
                if piece.anew:
                    group.begin_anew(piece.step_ns, piece.packet)
                group.feed(piece.ordered, batch, out)
        if any_back:
            self._recorded.feed(batch, rows.at(recorded), found.judged_ns[recorded], out)
        return found.late, found.steps
