"""What judges rows as they arrive, of all containers: limits, invalid values, refusals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.across import Across, Scratch, starts
from pipeline.alarms.calm import stirred
from pipeline.alarms.monitor import step
from pipeline.alarms.refused import NOTHING_UNREAD
from pipeline.alarms.static import static_levels
from pipeline.chain.container import ContainerChain
from pipeline.chain.program.ordered import Ordering
from pipeline.decode.decoder import Columns
from pipeline.outputs.pending import Pending
from schemas.columns import I8, PacketBatch, Quality, Scores

_INVALID = np.uint8(Quality.INVALID)


class Arrivals:
    def __init__(self, containers: Sequence[ContainerChain], scratch: Scratch) -> None:
        self._containers, self._scratch = containers, scratch
        self._width = np.array([c.live.width for c in containers], np.int64)
        self._plain = np.array([c.live.is_plain for c in containers], bool)
        levels, monitors, flaps = zip(*(c.live.sites() for c in containers), strict=True)
        self._levels, self._monitors = Across(static_levels, levels), Across(step, monitors)
        self._flaps = Across(stirred, flaps)
        self._invalid = Across(stirred, [c.invalid.site() for c in containers])
        self._refused = Across(stirred, [c.refused.site() for c in containers])

    def feed(self, plain: I8, batch: PacketBatch, found: Ordering, out: list[Pending]) -> None:
        """plain: containers whose rows are all live and accepted."""
        decoded = found.decoded
        sites = plain[decoded.counts[plain] > 0]
        if not len(sites):
            return
        together = self._plain[sites]
        self._limits(sites[together & (self._width[sites] > 0)], batch, found, out)
        for c in sites[~together].tolist():
            self._containers[c].live.feed(batch, decoded.of(c), found.judged(c), out)
        invalid = (self._invalid.run(sites)[:, 0] != 0) | _invalid(decoded, sites)
        for c in sites[invalid].tolist():
            self._containers[c].invalid.feed(batch, decoded.of(c), out)
        for c in sites[self._refused.run(sites)[:, 0] != 0].tolist():
            accepted = np.zeros(int(decoded.counts[c]), np.uint8)
            one = self._containers[c].refused
            one.feed(batch, decoded.of(c), accepted, False, NOTHING_UNREAD, out)

    def _limits(self, sites: I8, batch: PacketBatch, found: Ordering, out: list[Pending]) -> None:
        if not len(sites):
            return
        decoded, s, w = found.decoded, self._scratch, self._width
        k, row, value = decoded.counts, decoded.row0[:-1], decoded.value0[:-1]
        first, levels, monitors = starts(k * w), self._levels, self._monitors
        enter, leave = (s.room(x, np.uint8, int(first[-1])) for x in ("enter", "leave"))
        offset = s.room("offset", np.int64, decoded.rows)
        # there may be room behind a container's rows, with any number in it
        np.take(
            batch.offset, decoded.packet[: decoded.rows], mode="clip", out=offset[: decoded.rows]
        )
        levels.part("eng", decoded.eng, value, k, decoded.width)
        levels.part("quality", decoded.quality, value, k, decoded.width)
        for run in (levels, monitors):
            run.part("enter", enter, first[:-1], k, w)
            run.part("leave", leave, first[:-1], k, w)
        monitors.part("time", found.told.judged, row, k)
        monitors.part("offset", offset, row, k)
        levels.run(sites)
        done = monitors.run(sites)
        news = (done[:, 1] > 0) | (done[:, 0] < k[sites]) | (self._flaps.run(sites)[:, 0] != 0)
        for c, at in zip(sites[news].tolist(), done[news].tolist(), strict=True):
            a, b, wide = int(first[c]), int(first[c + 1]), (-1, int(w[c]))
            none = np.empty((0, int(w[c])))
            scores = Scores(enter[a:b].reshape(wide), leave[a:b].reshape(wide), none, none, none)
            live = self._containers[c].live
            live.go_on(batch, decoded.of(c), found.judged(c), scores, (at[0], at[1]), out)


def _invalid(decoded: Columns, sites: I8) -> np.ndarray:
    """Whether containers may have an invalid value."""
    quality = decoded.quality[: decoded.value0[-1]]
    if not (quality & _INVALID).any():
        return np.zeros(len(sites), bool)
    found: np.ndarray = (np.bitwise_or.reduceat(quality, decoded.value0[sites]) & _INVALID) != 0
    return found
