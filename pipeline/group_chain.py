"""The chain of one group: resample, then statistics and models side by side on its grid."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from pipeline.control import Watched
from pipeline.groups import Group
from pipeline.mission import Mission, rule_for
from pipeline.models.contract import Model
from pipeline.models.families import FAMILIES, MODEL_KINDS, Family
from pipeline.models.time_to_limit import TimeToLimit
from pipeline.monitor import Monitor
from pipeline.outputs.alerts import alert_output, number_or_none
from pipeline.outputs.evidence import (
    Origin,
    alert_head,
    seen,
)
from pipeline.outputs.pending import Make, Pending, Rank
from pipeline.outputs.statistics import statistics_output
from pipeline.resample import Resample
from pipeline.statistics import Statistics
from schemas.columns import ABSENT, Grid, Ordered, Output, PacketBatch, Quality, Scores, Stage
from schemas.mission import Five, Level
from schemas.state import Composite

Array = np.ndarray[Any, Any]


@dataclass(slots=True)
class _Modelled:
    place: int  # among the families
    columns: np.ndarray[Any, Any]  # of the group's parameters
    model: Model
    monitor: Monitor


def present(rows: Ordered, column: int) -> Ordered:
    """The rows that hold a column; those that do not only tell that time went on."""
    here = rows.quality[:, column] != ABSENT
    kept = np.concatenate([np.zeros(1, np.int64), np.cumsum(here)])
    absent = np.flatnonzero(~here)
    at = np.concatenate([rows.advance_row, absent])
    # an advance stands before the row of its number
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
        self._group, self._container, self._place, self._origin = group, container, place, origin
        self._settings = mission.settings
        self._resample = Resample(group.columns, group.rule)
        n = len(group.parameters)
        self._statistics = [
            Statistics(n, w, mission.settings.quantiles) for w in mission.settings.statistics
        ]
        self._models = [
            m for m in (self._model(i, f) for i, f in enumerate(FAMILIES)) if m is not None
        ]
        one = np.ones(1, np.int64)
        self._stale = Monitor(one, one * 0, one) if place[1] == 0 and group.always else None

    def _model(self, place: int, family: Family) -> _Modelled | None:
        rules = getattr(self._settings, family.name)
        every = [rule_for(p.name, rules) for p in self._group.parameters]
        chosen = [
            i
            for i, p in enumerate(self._group.parameters)
            if p.type.kind in MODEL_KINDS and every[i].enabled
        ]
        if not chosen:
            return None
        parameters = [self._group.parameters[i] for i in chosen]
        model = family.make(parameters, self._resample.period_ns, [every[i] for i in chosen])
        monitor = Monitor(model.min_samples, model.min_ns, model.leave_samples)
        return _Modelled(place, np.array(chosen), model, monitor)

    @property
    def stages(self) -> dict[str, Stage]:
        """Every stage that has state, by the name it has in a snapshot."""
        named: dict[str, Stage] = {"resample": self._resample}
        named |= {f"statistics{i}": s for i, s in enumerate(self._statistics)}
        for m in self._models:
            named |= {m.model.family: m.model, f"{m.model.family}.monitor": m.monitor}
        if self._stale:
            named["stale.monitor"] = self._stale
        return named

    def watched(self) -> Iterator[Watched]:
        if self._stale:
            yield Watched("stale", (self._container,), self._stale)
        for m in self._models:
            names = tuple(self._group.qualified_names[i] for i in m.columns)
            yield Watched(m.model.family, names, m.monitor)

    def set_limits(self, parameter: str, low: Five, high: Five) -> None:
        for m in self._models:
            for j, column in enumerate(m.columns):
                if isinstance(m.model, TimeToLimit) and (
                    self._group.qualified_names[column] == parameter
                ):
                    m.model.aim(j, low, high)

    def forecasts(self) -> Iterator[tuple[str, float]]:
        """(qualified name, seconds to the limit ahead) where a slope is significant."""
        for m in self._models:
            if isinstance(m.model, TimeToLimit):
                for j, column in enumerate(m.columns):
                    lead = m.model.lead_s(j)
                    if lead is not None:
                        yield self._group.qualified_names[column], lead

    def feed(self, rows: Ordered, batch: PacketBatch, out: list[Pending]) -> None:
        """Run the group on ordered rows, adding what it has to say to `out`."""
        if not self._group.always:
            rows = present(rows, int(self._group.columns[0]))
        for grid in self._resample.feed(rows):
            self._feed_statistics(grid, batch, out)
            if not len(grid.time_ns):
                continue
            offset = batch.offset[grid.packet]
            if self._stale:
                self._feed_stale(grid, offset, batch, out)
            for modelled in self._models:
                self._feed_model(modelled, grid, offset, batch, out)

    def _pending(
        self, batch: PacketBatch, packet: int, rank: Rank, order: tuple[int, ...], make: Make
    ) -> Pending:
        return Pending(packet, int(batch.record[packet]), rank, (*self._place, *order), make)

    def _feed_statistics(self, grid: Grid, batch: PacketBatch, out: list[Pending]) -> None:
        for w, statistics in enumerate(self._statistics):
            for closed in statistics.feed(grid):
                figures, quality = closed.figures.copy(), closed.quality.copy()
                closings = zip(
                    closed.end_ns.tolist(), closed.packet.tolist(), closed.panes.tolist(),
                    batch.record[closed.packet].tolist(), figures, quality, strict=True,
                )  # fmt: skip
                for end, packet, panes, record, mine, flags in closings:
                    make = partial(self._statistics_output, w, end, panes, mine, flags)
                    order = (*self._place, w, end)
                    out.append(Pending(packet, record, Rank.STATISTICS, order, make))

    def _statistics_output(
        self, w: int, end: int, panes: int, figures: Array, quality: Array, id_: str
    ) -> Output:
        window = self._statistics[w].window
        head = {
            "source": self._origin.source,
            "container": self._container,
            "window_s": window.window_s,
            "pane_s": window.pane_s,
            "pane_end_ns": end,
            "panes": panes,
            "parameters": self._group.qualified_names,
        }
        return statistics_output(head, self._settings.quantiles, figures, quality, id_)

    def _feed_stale(
        self, grid: Grid, offset: np.ndarray[Any, Any], batch: PacketBatch, out: list[Pending]
    ) -> None:
        """Not heard: the container's first group ran into a gap (one alert for all of it)."""
        assert self._stale is not None
        silent = (grid.quality[:, :1] & np.uint8(Quality.STALE)) != 0
        if self._stale.calm and not silent.any():
            return
        words = np.where(silent, np.uint8(Level.WARNING), np.uint8(0))
        none = np.empty((0, 1))
        t = self._stale.feed(grid.time_ns, offset, Scores(words, words, none, none, none))
        for i, row in enumerate(t.row):
            packet, now = int(grid.packet[row]), int(grid.time_ns[row])
            alert = alert_head(
                self._origin, self._container, "stale", "stale", t, i, batch, packet, now
            )
            quality = int(grid.quality[row, 0])
            alert |= seen(np.nan, "", quality, 1.0)
            alert["last_heard_ns"] = now - int(grid.age_ns[row])
            alert["limit"] = self._resample.max_age_ns / 1e9
            alert["fingerprint"] = self._origin.fingerprint
            make = partial(alert_output, alert)
            out.append(self._pending(batch, packet, Rank.STALE, (now,), make))

    def _feed_model(
        self,
        m: _Modelled,
        grid: Grid,
        offset: np.ndarray[Any, Any],
        batch: PacketBatch,
        out: list[Pending],
    ) -> None:
        mine = grid
        if len(m.columns) < grid.value.shape[1]:
            mine = Grid(
                grid.time_ns, grid.packet, grid.value.take(m.columns, 1),
                grid.quality.take(m.columns, 1),
                grid.age_ns, grid.advance_row, grid.advance_ns, grid.advance_packet,
            )  # fmt: skip
        scores = m.model.feed(mine)
        t = m.monitor.feed(grid.time_ns, offset, scores)
        for i, (row, j) in enumerate(zip(t.row, t.parameter, strict=True)):
            packet, now = int(grid.packet[row]), int(grid.time_ns[row])
            make = partial(alert_output, self._evidence(m, mine, scores, t, i, batch))
            order = (m.place, *self._place, now, int(j))
            out.append(Pending(packet, int(batch.record[packet]), Rank.MODEL, order, make))

    def _evidence(
        self, m: _Modelled, grid: Grid, scores: Scores, t: Any, i: int, batch: PacketBatch
    ) -> dict[str, Any]:
        row, j = int(t.row[i]), int(t.parameter[i])
        parameter = self._group.parameters[m.columns[j]]
        model = m.model
        score = float(scores.score[row, j])
        alert = alert_head(
            self._origin, self._group.qualified_names[m.columns[j]], model.family,
            f"{model.family}/{model.version}", t, i, batch, int(grid.packet[row]),
            int(grid.time_ns[row]),
        )  # fmt: skip
        certain = FAMILIES[m.place].confidence(score) if np.isfinite(score) else 0.0
        observed, quality = float(grid.value[row, j]), int(grid.quality[row, j])
        alert |= seen(observed, parameter.type.unit, quality, certain)
        predicted = float(scores.predicted[row, j])
        alert |= {
            "predicted": number_or_none(predicted),
            "residual": number_or_none(observed - predicted),
            "score": number_or_none(score),
            "threshold": model.threshold(j),
        }
        if t.after[i] and 0 < scores.enter[row, j] < 255:
            alert |= model.evidence(j, scores.detail[row, :, j])
        alert["model"] = {
            "id": f"{model.family}/{model.version}",
            "weights_sha256": model.weights_sha256[j],
        }
        alert["fingerprint"] = self._origin.fingerprint
        return alert
