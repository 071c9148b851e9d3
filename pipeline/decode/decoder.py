"""The decode stage: PacketBatch in, Rows a container out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.decode.kernels import REFUSED, UNSEEN, classify, decode
from pipeline.decode.plan import PlanSet
from schemas.columns import F8, I4, I8, NEVER, U1, U8, PacketBatch, Reason, Rejects, Rows
from schemas.state import Stateful

HEADS = 65536


@dataclass(slots=True)
class Flat:
    """The same values in one piece, found by packet: for those who want them in arrival order."""

    plan: I4  # [packets] below 0: a tick, or refused
    row_at: I8  # [packets] place in `time_ns`
    value_at: I8  # [packets] place of the first value in the columns below
    time_ns: I8
    raw: U8
    eng: F8
    quality: U1


@dataclass(slots=True)
class Decoded:
    """What one batch held: rows of every container that came (in plan order), and refusals."""

    rows: list[Rows]
    rejects: Rejects
    flat: Flat


class Decoder(Stateful):
    """Stateless between batches, but for its output buffers, which the next `feed` reuses."""

    def __init__(self, plans: PlanSet, allow_trailing_bytes: bool = False) -> None:
        self.plans = plans
        self.state = {}
        self._allow_trailing = allow_trailing_bytes
        self._head_cache = np.full(HEADS, UNSEEN, np.int32)
        self._fields = np.diff(plans.plan_start)
        self._counts = np.zeros(len(plans.plans), np.int64)
        self._room(0, 0, 0, 0)

    def _room(self, packets: int, rows: int, values: int, wide: int) -> None:
        """Buffers of at least these sizes; grown by half more, never shrunk."""
        size = {"packets": packets, "rows": rows, "values": values, "wide": wide}
        have = getattr(self, "_size", {})
        if have and all(have[k] >= n for k, n in size.items()):
            return
        self._size = {k: max(have.get(k, 0), n + n // 2 + 16) for k, n in size.items()}
        s = self._size
        self._plan = np.empty(s["packets"], np.int32)
        self._reason = np.empty(s["packets"], np.uint8)
        self._row_at = np.empty(s["packets"], np.int64)
        self._value_at = np.empty(s["packets"], np.int64)
        self._packet = np.empty(s["rows"], np.int64)
        self._time = np.empty(s["rows"], np.int64)
        self._raw = np.empty(s["values"], np.uint64)
        self._eng = np.empty(s["values"], np.float64)
        self._quality = np.empty(s["values"], np.uint8)
        self._wide = np.empty(s["wide"], np.uint8)

    def feed(self, batch: PacketBatch) -> Decoded:
        """Rows whose arrays are views on this decoder's buffers, valid until the next feed."""
        t, n = self.plans, len(batch)
        self._room(n, 0, 0, 0)
        plan, reason = self._plan[:n], self._reason[:n]
        classify(
            batch.data, batch.start, batch.length, t.nodes, t.compares, t.compare_fields,
            t.compare_bits, t.compare_values, t.polynomials, t.plan_bits, self._allow_trailing,
            self._head_cache, plan, reason, self._counts,
        )  # fmt: skip
        counts = self._counts
        row0, value0, wide0 = (_starts(counts * k) for k in (1, self._fields, t.plan_wide))
        self._room(n, int(row0[-1]), int(value0[-1]), int(wide0[-1]))
        if plan.base is not self._plan:  # the buffers grew: classification moves with them
            self._plan[:n], self._reason[:n] = plan, reason
            plan, reason = self._plan[:n], self._reason[:n]
        decode(
            batch.data, batch.start, batch.reception_ns, batch.time_offset_ns, batch.duplicate,
            plan, t.plan_start, t.fields, t.polynomials, t.labels, t.times, t.time_start,
            t.epoch_ns, row0[:-1].copy(), value0[:-1].copy(), wide0[:-1].copy(), self._value_at,
            self._row_at, self._packet,
            self._time, self._raw, self._eng, self._quality, self._wide,
        )  # fmt: skip
        refused = batch.rejects(np.flatnonzero(reason), reason[reason != 0])
        rows, bad = [], []
        for c in np.flatnonzero(counts):
            one = self._rows(int(c), row0, value0, wide0)
            good = one.time_ns != NEVER
            if not good.all():
                at = one.packet[~good]
                bad.append(batch.rejects(at, np.full(len(at), Reason.BAD_TIME, np.uint8)))
                plan[at] = REFUSED
                one = _select(one, good)
            rows.append(one)
        flat = Flat(
            plan, self._row_at, self._value_at, self._time, self._raw, self._eng, self._quality
        )
        return Decoded(rows, Rejects.concatenate([refused, *bad]), flat)

    def _rows(self, c: int, row0: I8, value0: I8, wide0: I8) -> Rows:
        k, f, w = int(self._counts[c]), int(self._fields[c]), int(self.plans.plan_wide[c])
        r, v, b = slice(row0[c], row0[c + 1]), slice(value0[c], value0[c + 1]), int(wide0[c])
        return Rows(
            c,
            self._packet[r],
            self._time[r],
            self._raw[v].reshape(k, f),
            self._eng[v].reshape(k, f),
            self._quality[v].reshape(k, f),
            self._wide[b : b + k * w].reshape(k, w),
        )


def _starts(sizes: I8) -> I8:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])


def _select(rows: Rows, keep: NDArray[np.bool_]) -> Rows:
    names = ("packet", "time_ns", "raw", "eng", "quality", "wide")
    return Rows(rows.container, *(getattr(rows, n)[keep] for n in names))
