"""Stale: a container whose values are too old, while its source sends other packets.

If nothing at all is received from the source, one alert reports that (`alarms.loss_of_signal`), and
no alerts are emitted per container. A container that is stale then is reported only if it still is
after other packets have been received for a while.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from pipeline.alarms.monitor import Monitor, plain_scores
from pipeline.alarms.watched import Watched
from pipeline.outputs.alerts import alert_output, iso
from pipeline.outputs.evidence import Origin, alert_head, what_was_seen
from pipeline.outputs.pending import Pending, Rank
from schemas.columns import I8, NEVER, NO_VERDICT, U1, Grid, PacketBatch, Quality, Stage
from schemas.mission import Level
from schemas.state import Composite, Stateful

KIND = "stale"
Array = np.ndarray[Any, Any]
QUIET_NS = 2_000_000_000  # a source that sent nothing for so long may be lost altogether


class _Gap(Stateful):
    """Whether the container's grid has run into a gap, and the time of the last row before it."""

    def __init__(self) -> None:
        self.state = {"open": np.zeros(1, np.uint8), "heard": np.zeros(1, np.int64)}


class Stale(Composite):
    """Watches the first group of a container. place: of that group, which orders its alerts."""

    def __init__(
        self, container: str, place: tuple[int, ...], max_age_ns: int, origin: Origin
    ) -> None:
        self._container, self._place, self._max_age_ns = container, place, max_age_ns
        self._origin, self._gap, one = origin, _Gap(), np.ones(1, np.int64)
        self._monitor = Monitor(one, one * 0, one)

    @property
    def stages(self) -> dict[str, Stage]:
        return {"gap": self._gap, "monitor": self._monitor}

    def watched(self) -> Iterator[Watched]:
        yield Watched(KIND, (self._container,), self._monitor)

    def site(self) -> tuple[Any, ...]:
        """Arguments of `alarms.calm.silent` behind the grid's quality."""
        s = self._monitor.state
        return s["level"], s["run"], self._gap.state["open"]

    def feed(self, grid: Grid, batch: PacketBatch, out: list[Pending]) -> None:
        """A gap opens with a stale row of the grid and ends with the next row.
        Between them, advances of the watermark carry time on."""
        silent = (grid.quality[:, 0] & np.uint8(Quality.STALE)) != 0
        gap = self._gap.state
        if self._monitor.calm and not gap["open"][0] and not silent.any():
            return
        if not len(silent) and not len(grid.advance_row):
            return
        at = np.concatenate([np.arange(len(silent)), grid.advance_row])
        is_row = np.repeat([True, False], [len(silent), len(grid.advance_row)])
        order = np.lexsort((is_row, at))  # an advance stands before the row of its number
        time = np.concatenate([grid.time_ns, grid.advance_ns])[order]
        packet = np.concatenate([grid.packet, grid.advance_packet])[order]
        # of each moment: the row before it, counted from 1; 0: none yet in this grid
        row = np.cumsum(is_row[order])
        opened = np.concatenate([gap["open"] != 0, silent])[row]
        heard = np.concatenate([gap["heard"], grid.time_ns - grid.age_ns])[row]
        gap["open"][0], gap["heard"][0] = opened[-1], heard[-1]
        words = np.where(opened, np.uint8(Level.WARNING), np.uint8(0))
        words[opened & self._under_los(packet, batch)] = NO_VERDICT
        self._emit(time, packet, heard, words, batch, out)

    def _emit(
        self, time: I8, packet: I8, heard: I8, words: U1,
        batch: PacketBatch, out: list[Pending],
    ) -> None:  # fmt: skip
        t = self._monitor.feed(time, batch.offset[packet], plain_scores(words[:, None]))
        for change in t.each():
            k = change.row
            at, now = int(packet[k]), int(time[k])
            alert = alert_head(self._origin, self._container, KIND, KIND, change, batch, at, now)
            quality = int(Quality.STALE) if change.after else 0
            alert |= what_was_seen(np.nan, "", quality, 1.0)
            alert["last_heard_ns"] = int(heard[k])
            alert["limit"] = self._max_age_ns / 1e9
            alert["fingerprint"] = self._origin.fingerprint
            make = partial(alert_output, alert, sentence)
            order = (*self._place, now)
            out.append(Pending(at, int(batch.record[at]), Rank.STALE, order, make))

    def _under_los(self, packet: I8, batch: PacketBatch) -> Array:
        """Whether the whole source is silent, or has been received again only for a moment."""
        if batch.heard is None:
            return np.zeros(len(packet), np.bool_)
        heard, now = batch.heard.at(packet), batch.reception_ns[packet]
        quiet = (heard.last_ns != NEVER) & (now - QUIET_NS > heard.last_ns)
        back = (heard.back_ns != NEVER) & (now - self._max_age_ns < heard.back_ns)
        return np.asarray(quiet | back)


def sentence(alert: dict[str, Any], seen: str, unit: str) -> str:  # noqa: ARG001
    since = iso(alert["last_heard_ns"])
    return f"{alert['name']}: nothing heard since {since} ({alert['level_after']})."
