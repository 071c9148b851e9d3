"""The order stage of all containers, and where their rows stand afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pipeline.across import Across, Scratch, starts
from pipeline.decode.decoder import Columns
from pipeline.timeline.order import Order, Sorted, Told, arrived_of, order
from pipeline.timeline.rivals import SUSPECTS
from pipeline.timeline.watermark import Arrived, Come, Out
from schemas.columns import I8, Ordered, PacketBatch

_N, _A, _REFUSED, _CHANGES = 2, 3, 4, 5  # of what the kernel returns


class Places(NamedTuple):
    """Where the parts of each container begin, i8[containers + 1]: its rows that are out, their
    values, advances of the watermark, refusals, changes of clock."""

    row: I8
    value: I8
    advance: I8
    refused: I8
    steps: I8


class Ordering(NamedTuple):
    """What became of a batch. done i8[containers, 6]: what the kernel returned of each container;
    out, told: its arrays, one container's behind the other's; width: columns that go on."""

    decoded: Columns
    arrived: Arrived
    done: I8
    out: Out
    told: Told
    at: Places
    width: I8

    @property
    def rows(self) -> I8:
        """Of each container, how many are out."""
        return self.done[:, _N]

    @property
    def advances(self) -> I8:
        return self.done[:, _A]

    def odd(self) -> I8:
        """Containers whose rows are not all live and accepted."""
        refused = (self.done[:, _REFUSED] > 0) | (self.done[:, _CHANGES] > 0)
        kind = np.flatnonzero(self.told.kind[: self.decoded.rows])
        return np.union1d(np.flatnonzero(refused), self.decoded.container_of(kind))

    def of(self, c: int) -> Ordered:
        """The rows of one container whose rows are all accepted."""
        out = self._out(c, int(self.rows[c]), int(self.advances[c]))
        return Ordered(*out)

    def judged(self, c: int) -> I8:
        """The time at which each row of one container is judged."""
        first = int(self.decoded.row0[c])
        return self.told.judged[first : first + int(self.decoded.counts[c])]

    def rest(self, c: int, one: Order) -> Sorted:
        """All that one container gives, whatever its rows are."""
        d, at, k = self.decoded, self.at, int(self.decoded.counts[c])
        rows, first = d.of(c), int(d.row0[c])
        told = Told(
            self.told.refused[6 * at.refused[c] : 6 * at.refused[c + 1]].reshape(-1, 6),
            self.told.steps[6 * at.steps[c] : 6 * at.steps[c + 1]].reshape(-1, 6),
            self.told.kind[first : first + k], self.judged(c),
        )  # fmt: skip
        come = Come(rows.time_ns, rows.packet, rows.eng, rows.quality, one.columns)
        out = self._out(c, k + one.spare, len(self.arrived.ticks))
        return one.go_on(come, self.arrived, told, out, tuple(self.done[c].tolist()))

    def _out(self, c: int, n: int, a: int) -> Out:
        o, f = self.out, int(self.width[c])
        row, value, advance = (int(x[c]) for x in (self.at.row, self.at.value, self.at.advance))
        r, v, t = slice(row, row + n), slice(value, value + n * f), slice(advance, advance + a)
        return Out(
            o.time[r], o.packet[r], o.eng[v].reshape(n, f), o.quality[v].reshape(n, f),
            o.advance_row[t], o.advance_ns[t], o.advance_packet[t],
        )  # fmt: skip


class OrderAll:
    """The order stages of all containers."""

    def __init__(self, stages: Sequence[Order], scratch: Scratch) -> None:
        self._run, self._scratch = Across(order, [one.site() for one in stages]), scratch
        self._spare = np.array([one.spare for one in stages], np.int64)
        self._width = np.array([len(one.columns) for one in stages], np.int64)

    def feed(self, batch: PacketBatch, decoded: Columns, ticks: I8, active: I8) -> Ordering:
        """active: the containers that are to be run."""
        k, run, s = decoded.counts, self._run, self._scratch
        room, t = k + self._spare, np.full(len(k), len(ticks))
        at = Places(*map(starts, (room, room * self._width, t, k + SUSPECTS + 1, k + 1)))
        rows, values, advances, refused, steps = (int(x[-1]) for x in at)
        out = Out(
            s.room("time", np.int64, rows), s.room("packet", np.int64, rows),
            s.room("eng", np.float64, values), s.room("quality", np.uint8, values),
            *(s.room(f"advance{i}", np.int64, advances) for i in range(3)),
        )  # fmt: skip
        told = Told(
            s.room("refused", np.int64, 6 * refused), s.room("steps", np.int64, 6 * steps),
            s.room("kind", np.uint8, decoded.rows), s.room("judged", np.int64, decoded.rows),
        )  # fmt: skip
        told.kind[: decoded.rows] = 0
        told.judged[: decoded.rows] = decoded.time_ns[: decoded.rows]
        self._give(decoded, out, told, at, room, t)
        arrived = arrived_of(batch, ticks)
        for name in Arrived._fields:
            run.share(f"arrived.{name}", getattr(arrived, name))
        done = np.zeros((len(k), 6), np.int64)
        done[active] = run.run(active)
        return Ordering(decoded, arrived, done, out, told, at, self._width)

    def _give(self, decoded: Columns, out: Out, told: Told, at: Places, room: I8, t: I8) -> None:
        run, k, f, c = self._run, decoded.counts, decoded.width, self._width
        row, value = decoded.row0[:-1], decoded.value0[:-1]
        run.part("come.time", decoded.time_ns, row, k)
        run.part("come.packet", decoded.packet, row, k)
        run.part("come.eng", decoded.eng, value, k, f)
        run.part("come.quality", decoded.quality, value, k, f)
        run.part("out.time", out.time, at.row[:-1], room)
        run.part("out.packet", out.packet, at.row[:-1], room)
        run.part("out.eng", out.eng, at.value[:-1], room, c)
        run.part("out.quality", out.quality, at.value[:-1], room, c)
        for name in ("advance_row", "advance_ns", "advance_packet"):
            run.part(f"out.{name}", getattr(out, name), at.advance[:-1], t)
        run.part("told.refused", told.refused, 6 * at.refused[:-1], k + SUSPECTS + 1, 6)
        run.part("told.steps", told.steps, 6 * at.steps[:-1], k + 1, 6)
        run.part("told.kind", told.kind, row, k)
        run.part("told.judged", told.judged, row, k)
