"""Loss of signal: nothing is received from a source any more, as detected by ticks, which go on.

It uses reception time, not generation time. A container that falls silent while others are received
is stale; a parameter that is received and does not change is flat.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from pipeline.alarms.monitor import Monitor, plain_scores
from pipeline.alarms.watched import Watched
from pipeline.kernel import kernel
from pipeline.outputs.alerts import alert_output, iso
from pipeline.outputs.evidence import Origin, alert_head, what_was_seen
from pipeline.outputs.pending import Pending, Rank
from schemas.columns import I4, I8, NEVER, Heard, PacketBatch, Stage
from schemas.control import Control
from schemas.mission import Level
from schemas.state import Composite, Stateful

KIND = "los"
AHEAD_NS = 60_000_000_000  # a packet counts as received at most this long after the last tick


class _Heard(Stateful):
    """Reception time of the newest packet, and of the first after the last loss of signal."""

    def __init__(self) -> None:
        self.state = {
            name: np.array([NEVER], np.int64) for name in ("last", "back", "tick")
        }  # tick: time of the last one; no packet is received long after it


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

    @property
    def last_ns(self) -> int:
        """Reception time of the newest packet; NEVER before the first."""
        return int(self._heard.state["last"][0])

    def watched(self) -> Iterator[Watched]:
        yield Watched(KIND, (self._name,), self._monitor)

    def set_limits(self, parameter: str, control: Control) -> bool:  # noqa: ARG002
        return False

    def feed(self, batch: PacketBatch, out: list[Pending]) -> Heard:
        """Raised by a tick when no packet was received for too long, cleared by a packet."""
        heard = self._listen(batch)
        silent = batch.length == 0
        silent &= (heard.last_ns != NEVER) & (batch.reception_ns - self._los_ns > heard.last_ns)
        if self._monitor.calm and not silent.any():
            return heard
        words = np.where(silent, np.uint8(Level.WARNING), np.uint8(0))[:, None]
        time = batch.reception_ns
        t = self._monitor.feed(time, batch.offset, plain_scores(words))
        for change in t.each():
            row = change.row
            now = int(time[row])
            alert = alert_head(self._origin, self._name, KIND, KIND, change, batch, row, now)
            alert |= what_was_seen(np.nan, "", 0, 1.0)
            alert["last_heard_ns"] = int(heard.last_ns[row])
            alert["limit"] = self._los_s
            alert["fingerprint"] = self._origin.fingerprint
            make = partial(alert_output, alert, sentence)
            out.append(Pending(row, int(batch.record[row]), Rank.LOS, (now,), make))
        return heard

    def _listen(self, batch: PacketBatch) -> Heard:
        n, s = len(batch.length), self._heard.state
        heard = Heard(np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int64))
        hear(
            batch.reception_ns, batch.length, self._los_ns, s["last"], s["back"], s["tick"],
            heard.last_ns, heard.back_ns, heard.received_ns,
        )  # fmt: skip
        return heard


@kernel
def hear(
    reception: I8, length: I4, los_ns: int, last: I8, back: I8, tick: I8,
    newest: I8, since: I8, received: I8,
) -> None:  # fmt: skip
    """newest, since, received i8[n]: after each packet or tick."""
    for i in range(len(reception)):
        is_packet, before = length[i] > 0, last[0]
        if not is_packet:
            tick[0] = max(tick[0], reception[i])
        # a packet with a reception time in the future must not hide a silence until then
        most = reception[i] if tick[0] == NEVER else tick[0] + AHEAD_NS
        received[i] = min(reception[i], most)
        if is_packet:
            last[0] = max(before, received[i])
            # a first packet is no return; nothing is subtracted from NEVER: it would overflow
            if before != NEVER and received[i] - los_ns > before:
                back[0] = max(back[0], received[i])
        newest[i], since[i] = last[0], back[0]


def sentence(alert: dict[str, Any], seen: str, unit: str) -> str:  # noqa: ARG001
    since = iso(alert["last_heard_ns"])
    return f"{alert['name']}: no signal since {since} ({alert['level_after']})."
