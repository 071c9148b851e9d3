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
from pipeline.alarms.flapping import PLAIN, Flapping
from pipeline.alarms.flapping import WORDS as FLAPPING_WORDS
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
_OF_CHANGE = len(Change._fields)  # with which `Told` begins


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
    its id is known. word, flaps: of `flapping.Told`; context: in force, from 1; 0: none."""

    change: Change
    word: int
    flaps: int
    packet: int
    observed: float
    variant: int
    context: int


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
        told = self._flapping.feed(batch.reception_ns[rows.packet], t)
        if told is None:
            return
        packet = rows.packet[told.row]
        variant = self._limits.variant[told.row, told.parameter]
        first = np.where(told.since_offset < 0, batch.offset[packet], told.since_offset)
        context = variant - self._limits.first[0, told.parameter]
        observed = rows.eng[told.row, self._limits.columns[told.parameter]]
        columns = (*told._replace(since_offset=first), packet, observed, variant, context)
        record = batch.record[packet].tolist()
        for i, numbers in enumerate(zip(*(c.tolist() for c in columns), strict=True)):
            seen = _Seen(Change(*numbers[:_OF_CHANGE]), *numbers[_OF_CHANGE:])
            make = partial(self._alert, batch, rows, seen, self._reasons(rows, seen))
            order = (self._index, seen.change.parameter)
            out.append(Pending(seen.packet, record[i], Rank.LIMIT, order, make))

    def _reasons(self, rows: Rows, seen: _Seen) -> list[dict[str, Any]]:
        labels = self._about[seen.change.parameter].labels
        sample = Sample(rows, seen.change.row, seen.variant, seen.observed, labels)
        return [r for check in self._judges if (r := check.reason(sample))]

    def _alert(
        self, batch: PacketBatch, rows: Rows, seen: _Seen, reasons: list[dict[str, Any]], id_: str
    ) -> Output:
        change, variant, observed = seen.change, seen.variant, seen.observed
        row, about = change.row, self._about[change.parameter]
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
        alert["reasons"] = reasons
        if seen.context:
            alert["context"] = seen.context
        alert |= self._limits.ranges_in_force(variant)
        if about.calibrator is not None:
            alert["calibrator"] = about.calibrator
        alert["fingerprint"] = self._origin.fingerprint
        if seen.word != PLAIN:
            alert["transition"] = FLAPPING_WORDS[seen.word]
            alert["flaps"] = {"raises": seen.flaps, "since_ns": change.since_ns}
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
