"""The limit check of one container: it judges rows as they arrive and emits the alerts.

A container has two: for live data, and for recorded data that arrive beside them (docs/time.md).
They share only the limits: no older sample changes a live alarm.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from pipeline.alarms.check import Sample
from pipeline.alarms.checks import EVERY
from pipeline.alarms.flapping import Flapping, Told
from pipeline.alarms.tables import AlarmTable
from pipeline.alarms.watched import Watched
from pipeline.decode import Field, Plan
from pipeline.outputs.alerts import alert_output, iso
from pipeline.outputs.evidence import Origin, alert_head, limit_confidence, what_was_seen
from pipeline.outputs.pending import Pending, Rank
from schemas.columns import I8, Change, Output, PacketBatch, Rows, Scores, Stage, Transitions
from schemas.mission import Calibrator, Polynomial
from schemas.state import Composite

WORDS = {check.word: check.words for check in EVERY}
LIVE, RECORDED = "limit", "recorded_limit"


class About(NamedTuple):
    """What alerts say of a parameter, whatever its value."""

    column: int
    name: str
    unit: str
    labels: dict[int, str]
    wide: bool
    calibrator: Any


class _Seen(NamedTuple):
    """What an alert rests on that later rows may change: its dictionary is made, and encoded, when
    its id is known. context: in force, from 1; flaps, word: of an alert that stands for many."""

    packet: int
    change: Change
    observed: float
    variant: int
    context: int
    reasons: list[dict[str, Any]]
    flaps: dict[str, int] | None
    word: str


class LimitCheck(Composite):
    """kind: of its alarms. plan: of the container; index: of that plan."""

    def __init__(
        self, kind: str, table: AlarmTable, plan: Plan, index: int, origin: Origin
    ) -> None:
        self._kind, self._plan, self._index, self._origin = kind, plan, index, origin
        self._limits, self._checks = table.limits, table.checks
        self._judges = (self._limits, *(c for c in self._checks if not c.is_idle))
        self.width = len(self._limits.columns)
        self._monitor, self._flapping = table.monitor, Flapping(len(table.limits.columns))
        self._about = [_about(plan.fields[i], i) for i in self._limits.columns.tolist()]

    @property
    def stages(self) -> dict[str, Stage]:
        checks: dict[str, Stage] = {check.word: check for check in self._checks}
        return checks | {"monitor": self._monitor, "flapping": self._flapping}

    def watched(self) -> Iterator[Watched]:
        fields = (self._plan.fields[i].parameter for i in self._limits.columns)
        names = tuple(p.qualified_name for p in fields)
        yield Watched(self._kind, names, self._monitor, flapping=self._flapping)

    def withdraw(self, batch: PacketBatch, packet: int, out: list[Pending]) -> None:
        """Clear the alarms of rows that were judged as recorded ones but were not."""
        now, levels = batch.reception_ns[packet], self._monitor.state["level"].copy()
        for j in np.flatnonzero(levels).tolist():
            about = self._about[j]
            change = Change(0, j, int(levels[j]), 0, int(now), int(batch.offset[packet]))
            alert = alert_head(
                self._origin, about.name, self._kind, "static", change, batch, packet, int(now)
            )
            alert |= what_was_seen(np.nan, about.unit, 0, 1.0)
            alert["fingerprint"] = self._origin.fingerprint
            make = partial(alert_output, alert, sentence)
            order = (self._index, j, 1)
            out.append(Pending(packet, int(batch.record[packet]), Rank.LIMIT, order, make))
        for j in range(len(levels)):
            self._monitor.begin(j)
            self._flapping.begin(j)
        for check in self._checks:
            check.begin()

    def feed(self, batch: PacketBatch, rows: Rows, judged_ns: I8, out: list[Pending]) -> None:
        """judged_ns i8[k]: the time at which each row is judged."""
        if not len(self._limits.columns) or not len(rows.packet):
            return
        scores, variant = self._limits.levels(rows), self._limits.variant
        for check in self._checks:
            check.feed(rows, judged_ns, variant, scores)
        t = self._monitor.feed(judged_ns, batch.offset[rows.packet], scores, variant)
        self._tell(batch, rows, t, out)

    @property
    def is_plain(self) -> bool:
        """Whether the bounds of one variant a column are all that it judges by."""
        return self._limits.is_plain and all(check.is_idle for check in self._checks)

    def sites(self) -> tuple[tuple[Any, ...], tuple[Any, ...], tuple[Any, ...]]:
        """Arguments of the kernels of a plain one: levels, monitor, whether any flaps."""
        variant = self._limits.first
        return self._limits.site(), self._monitor.site(variant), self._flapping.site()

    def go_on(
        self, batch: PacketBatch, rows: Rows, judged_ns: I8, scores: Scores,
        done: tuple[int, int], out: list[Pending],
    ) -> None:  # fmt: skip
        """What a plain one has to say of rows whose levels are known. done: of its monitor."""
        variant = self._limits.variants(len(rows.packet))
        offset = batch.offset[rows.packet]
        t = self._monitor.feed(judged_ns, offset, scores, variant, done)
        self._tell(batch, rows, t, out)

    def _tell(self, batch: PacketBatch, rows: Rows, t: Transitions, out: list[Pending]) -> None:
        for told in self._flapping.feed(batch.reception_ns[rows.packet], t):
            seen = self._seen(batch, rows, t, told)
            make = partial(self._alert, batch, rows, seen)
            order = (self._index, told.parameter)
            out.append(
                Pending(seen.packet, batch.record.item(seen.packet), Rank.LIMIT, order, make)
            )

    def _seen(self, batch: PacketBatch, rows: Rows, t: Transitions, told: Told) -> _Seen:
        """What is known now of a transition, or of the one alert that stands for many of them."""
        row, j, packet = told.row, told.parameter, rows.packet.item(told.row)
        about, variant = self._about[j], self._limits.variant.item(row, j)
        since = told.since_ns if told.word else t.since_ns.item(told.i)
        offset = batch.offset.item(packet) if told.i < 0 else t.since_offset.item(told.i)
        observed = rows.eng.item(row, about.column)
        sample = Sample(rows, row, variant, observed, about.labels)
        return _Seen(
            packet,
            Change(row, j, told.before, told.after, since, offset),
            observed,
            variant,
            self._limits.context(row, j),
            [r for check in self._judges if (r := check.reason(sample))],
            {"raises": told.flaps, "since_ns": told.since_ns} if told.word else None,
            told.word,
        )

    def _alert(self, batch: PacketBatch, rows: Rows, seen: _Seen, id_: str) -> Output:
        change, row, variant, observed = seen.change, seen.change.row, seen.variant, seen.observed
        about = self._about[change.parameter]
        quality = rows.quality.item(row, about.column)
        alert = alert_head(
            self._origin, about.name, self._kind, "static", change, batch, seen.packet,
            rows.time_ns.item(row),
        )  # fmt: skip
        alert |= what_was_seen(observed, about.unit, quality, limit_confidence(quality))
        if about.labels:
            label = about.labels.get(int(observed) if math.isfinite(observed) else -1)
            alert |= {"label": label} if label else {}
        if not about.wide:  # a wide field has only a place in this batch
            alert["raw"] = rows.raw.item(row, about.column)
        alert["limit"] = self._limits.crossed(variant, change.after, observed)
        alert["reasons"] = seen.reasons
        if seen.context:
            alert["context"] = seen.context
        alert |= self._limits.ranges_in_force(variant)
        if about.calibrator is not None:
            alert["calibrator"] = about.calibrator
        alert["fingerprint"] = self._origin.fingerprint
        if seen.word:
            alert["transition"], alert["flaps"] = seen.word, seen.flaps
        return alert_output(alert, sentence, id_)


def _about(field: Field, column: int) -> About:
    kind = field.parameter.type
    calibrator = _told(kind.calibrator) if kind.calibrator else None
    name, labels = field.parameter.qualified_name, dict(kind.labels)
    return About(column, name, kind.unit, labels, field.wide, calibrator)


def _told(calibrator: Calibrator) -> Any:
    """A calibrator as it is written into an alert."""
    if isinstance(calibrator, Polynomial):
        return list(calibrator.coefficients)
    return asdict(calibrator)


def sentence(alert: dict[str, Any], seen: str, unit: str) -> str:
    told = [WORDS[r["check"]](r, unit) for r in alert.get("reasons", ())]
    after = alert["level_after"]
    late = ""
    if alert["monitor"]["kind"] == RECORDED:
        late = f" Recorded at {iso(alert['generation_ns'])}."
    return f"{seen}, {' and '.join(told) or f'within the deadband of its {after} limit'}.{late}"
