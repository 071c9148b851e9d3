"""A container whose packets are received but all refused, for whatever reason.

Late packets, invalid times, stamps that fit nothing: each is a reject record. Recorded data are
judged separately and do not count here. Rejects are not read at night. So a container of which no
packet was accepted for `REFUSED_S` raises an alert, which its next accepted packets clear.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from pipeline.alarms.calm import NO_FLAGS
from pipeline.alarms.monitor import Monitor, plain_scores
from pipeline.alarms.watched import Watched
from pipeline.outputs.alerts import alert_output
from pipeline.outputs.evidence import Origin, alert_head, what_was_seen
from pipeline.outputs.pending import Pending, Rank
from pipeline.timeline.order import AHEAD, LIVE, ODD, RECORDED
from schemas.columns import I8, NO_VERDICT, U1, PacketBatch, Quality, Reason, Rows, Stage
from schemas.mission import Level
from schemas.state import Composite

KIND = "refused"
REFUSED_S = 10.0  # of reception time
REFUSED_PACKETS, TAKEN_PACKETS = 5, 3  # in a row: to raise it, to clear it


class Unread(NamedTuple):
    """Packets of one container that the decoder refused: places in the batch, and reasons."""

    packet: I8
    reason: U1


NOTHING_UNREAD = Unread(np.zeros(0, np.int64), np.zeros(0, np.uint8))


class Refused(Composite):
    """container: qualified name. index: its place, which orders its alerts."""

    def __init__(self, container: str, index: int, origin: Origin) -> None:
        self._container, self._index, self._origin = container, index, origin
        one = np.ones(1, np.int64)
        self._monitor = Monitor(
            one * REFUSED_PACKETS,
            one * round(REFUSED_S * 1e9),
            one * TAKEN_PACKETS,
            leave_ns=0 * one,
        )

    @property
    def stages(self) -> dict[str, Stage]:
        return {"monitor": self._monitor}

    def watched(self) -> Iterator[Watched]:
        yield Watched(KIND, (self._container,), self._monitor)

    def site(self) -> tuple[Any, ...]:
        """Arguments of `alarms.calm.stirred`."""
        return self._monitor.state["level"], self._monitor.state["run"], NO_FLAGS

    def feed(
        self, batch: PacketBatch, rows: Rows, kind: U1, any_late: bool, unread: Unread,
        out: list[Pending],
    ) -> None:  # fmt: skip
        """rows: all that were decoded; kind u1[k]: LIVE, RECORDED … by time; any_late: whether some
        were refused for their time; unread: the rest."""
        if self._monitor.calm and not any_late and not len(unread.packet) and not kind.any():
            return
        own = _reasons(rows, kind)
        if self._monitor.calm and not own.any() and not len(unread.packet):
            return
        packet = np.concatenate([rows.packet, unread.packet])
        reason = np.concatenate([own, unread.reason])
        silent = np.concatenate(
            [(kind == RECORDED) | (kind == ODD), np.zeros(len(unread.packet), bool)]
        )
        order = np.argsort(packet, kind="stable")
        packet, reason, silent = packet[order], reason[order], silent[order]
        words = np.where(reason != 0, np.uint8(Level.WARNING), np.uint8(0))
        words[silent] = NO_VERDICT
        words = words[:, None]
        received = batch.reception_ns[packet]
        t = self._monitor.feed(received, batch.offset[packet], plain_scores(words))
        for change in t.each():
            row = change.row
            at = int(packet[row])
            alert = alert_head(
                self._origin, self._container, KIND, KIND, change, batch, at,
                int(batch.reception_ns[at]),
            )  # fmt: skip
            alert |= what_was_seen(np.nan, "", 0, 1.0)
            alert["limit"] = REFUSED_S
            if reason[row]:
                alert["refused"] = Reason(reason[row]).word
            alert["fingerprint"] = self._origin.fingerprint
            make = partial(alert_output, alert, sentence)
            out.append(Pending(at, int(batch.record[at]), Rank.REFUSED, (self._index,), make))


def _reasons(rows: Rows, kind: U1) -> U1:
    """Why each row is refused, or why it is kept back; 0: it is neither."""
    found = np.where(kind == AHEAD, np.uint8(Reason.TIME_JUMP), np.uint8(0))
    late = ((rows.quality & np.uint8(Quality.LATE)) != 0).any(axis=1)
    found[late & (kind == LIVE)] = Reason.LATE
    return found


def sentence(alert: dict[str, Any], seen: str, unit: str) -> str:  # noqa: ARG001
    why = alert.get("refused", "late").replace("_", " ")
    what = f"none of its packets is taken, they are refused as {why}"
    return f"{alert['name']}: {what} ({alert['level_after']})."
