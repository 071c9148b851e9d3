"""Loss of signal: nothing of a source is received any more, told by the ticks that go on.

It looks at reception, not at generation time: a container that falls silent while others are heard
is stale, a parameter that is heard and does not change is flat.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from pipeline.control import Watched
from pipeline.monitor import Monitor
from pipeline.outputs.alerts import alert_output
from pipeline.outputs.evidence import Origin, alert_head, seen
from pipeline.outputs.pending import Pending, Rank
from schemas.columns import NEVER, PacketBatch, Scores, Stage
from schemas.control import Control
from schemas.mission import Level
from schemas.state import Composite, Stateful


class _Heard(Stateful):
    """Reception time of the newest packet."""

    def __init__(self) -> None:
        self.state = {"last": np.array([NEVER], np.int64)}


class LossOfSignal(Composite):
    """name: of the root SpaceSystem, qualified."""

    def __init__(self, name: str, los_s: float, origin: Origin) -> None:
        self._name, self._los_s, self._origin = name, los_s, origin
        self._los_ns = round(los_s * 1e9)
        one = np.ones(1, np.int64)
        self._heard, self._monitor = _Heard(), Monitor(one, one * 0, one)

    @property
    def stages(self) -> dict[str, Stage]:
        return {"heard": self._heard, "monitor": self._monitor}

    def watched(self) -> Iterator[Watched]:
        yield Watched("los", (self._name,), self._monitor)

    def set_limits(self, parameter: str, control: Control) -> bool:  # noqa: ARG002
        return False

    def feed(self, batch: PacketBatch, out: list[Pending]) -> None:
        """Raised by the tick that finds nothing heard for too long, cleared by a packet."""
        last = self._heard.state["last"]
        if not len(batch):
            return
        packet = batch.length > 0
        at = np.where(packet, batch.reception_ns, NEVER)
        at[0] = max(at[0], last[0])
        heard = np.maximum.accumulate(at)
        silent = ~packet & (heard != NEVER) & (batch.reception_ns - self._los_ns > heard)
        last[0] = heard[-1]
        if self._monitor.calm and not silent.any():
            return
        words = np.where(silent, np.uint8(Level.WARNING), np.uint8(0))[:, None]
        none = np.empty((0, 1))
        time = batch.reception_ns
        t = self._monitor.feed(time, batch.offset, Scores(words, words, none, none, none))
        for i, row in enumerate(t.row.tolist()):
            now = int(time[row])
            alert = alert_head(self._origin, self._name, "los", "los", t, i, batch, row, now)
            alert |= seen(np.nan, "", 0, 1.0)
            alert["last_heard_ns"] = int(heard[row])
            alert["limit"] = self._los_s
            alert["fingerprint"] = self._origin.fingerprint
            make = partial(alert_output, alert)
            out.append(Pending(row, int(batch.record[row]), Rank.LOS, (now,), make))
