"""A sensor without a valid value for long: no number, no such label, outside its ValidRange.

Its samples give no verdict to any other monitor, so an alarm that was active then stays active.
That the sensor gives no valid values any more is an alarm of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from pipeline.alarms.calm import NO_FLAGS
from pipeline.alarms.monitor import Monitor, plain_scores
from pipeline.alarms.watched import Watched
from pipeline.outputs.alerts import alert_output, iso
from pipeline.outputs.evidence import Origin, alert_head, what_was_seen
from pipeline.outputs.pending import Pending, Rank
from schemas.columns import ABSENT, I8, NO_VERDICT, PacketBatch, Quality, Rows, Stage
from schemas.mission import Level, Parameter
from schemas.state import Composite

KIND = "invalid"
SAMPLES = 3  # in a row: to raise it, to clear it
_INVALID = np.uint8(Quality.INVALID)


class Invalid(Composite):
    """columns i8[f] of the rows, and their parameters. invalid_s: 0: no alerts are emitted."""

    def __init__(
        self, columns: I8, parameters: tuple[Parameter, ...], invalid_s: float, index: int,
        origin: Origin,
    ) -> None:  # fmt: skip
        if not invalid_s:
            columns, parameters = columns[:0], ()
        self._columns, self._parameters = columns, parameters
        self._limit, self._index, self._origin = invalid_s, index, origin
        n = np.full(len(columns), SAMPLES, np.int64)
        lasting = np.full(len(n), round(invalid_s * 1e9), np.int64)
        self._monitor = Monitor(n, lasting, n, leave_ns=0 * lasting)

    @property
    def stages(self) -> dict[str, Stage]:
        return {"monitor": self._monitor}

    def watched(self) -> Iterator[Watched]:
        names = tuple(p.qualified_name for p in self._parameters)
        yield Watched(KIND, names, self._monitor)

    def site(self) -> tuple[Any, ...]:
        """Arguments of `alarms.calm.stirred`."""
        return self._monitor.state["level"], self._monitor.state["run"], NO_FLAGS

    def feed(self, batch: PacketBatch, rows: Rows, out: list[Pending]) -> None:
        if not len(self._columns):
            return
        if self._monitor.calm and not (rows.quality & _INVALID).any():
            return
        quality = rows.quality[:, self._columns]
        words = np.where(quality & _INVALID, np.uint8(Level.WARNING), np.uint8(0))
        words[quality == ABSENT] = NO_VERDICT
        received = batch.reception_ns[rows.packet]
        t = self._monitor.feed(received, batch.offset[rows.packet], plain_scores(words))
        for change in t.each():
            row, j = change.row, change.parameter
            at, parameter = int(rows.packet[row]), self._parameters[j]
            alert = alert_head(
                self._origin, parameter.qualified_name, KIND, KIND, change, batch, at,
                int(rows.time_ns[row]),
            )  # fmt: skip
            observed = float(rows.eng[row, self._columns[j]])
            alert |= what_was_seen(observed, parameter.type.unit, int(quality[row, j]), 1.0)
            alert["limit"] = self._limit
            alert["fingerprint"] = self._origin.fingerprint
            make = partial(alert_output, alert, sentence)
            order = (self._index, j)
            out.append(Pending(at, int(batch.record[at]), Rank.INVALID, order, make))


def sentence(alert: dict[str, Any], seen: str, unit: str) -> str:  # noqa: ARG001
    since = iso(alert["since_ns"])
    return f"{alert['name']}: no valid value since {since} ({alert['level_after']})."
