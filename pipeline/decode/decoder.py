"""The decode stage: PacketBatch in, Rows a container out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pipeline.across import starts
from pipeline.decode.definitions.plans import MAX_NESTED_CONTAINERS, PlanSet
from pipeline.decode.kernels.classify import REFUSED_OF, UNSEEN, classify
from pipeline.decode.kernels.program import Work
from pipeline.decode.kernels.rows import decode
from pipeline.decode.written import Written
from pipeline.mdb.criteria import STACK
from schemas.columns import F8, I4, I8, U1, U8, PacketBatch, Rejects, Rows
from schemas.state import Stateful

HEADS = 65536


@dataclass(slots=True)
class Flat:
    """The same values as flat columns, indexed by packet, for use in arrival order."""

    plan: I4  # [packets] below 0: a tick, or refused
    row_at: I8  # [packets] place in `time_ns`
    value_at: I8  # [packets] place of the first value in the columns below
    time_ns: I8
    raw: U8
    eng: F8
    quality: U1


class Columns(NamedTuple):
    """The rows of all containers, one container behind the other.

    counts, width i8[containers]: rows and fields of each; row0, value0 i8[containers + 1]: where
    the rows and values of each begin. There may be room behind a container's rows.
    """

    counts: I8
    width: I8
    row0: I8
    value0: I8
    packet: I8
    time_ns: I8
    raw: U8
    eng: F8
    quality: U1
    choice: U1
    data: U1

    @property
    def rows(self) -> int:
        """Rows, with the room behind them."""
        return int(self.row0[-1])

    def container_of(self, row: I8) -> I8:
        return np.searchsorted(self.row0, row, side="right") - 1

    def of(self, c: int) -> Rows:
        """The rows of one container."""
        k, f, row, value = (int(x[c]) for x in (self.counts, self.width, self.row0, self.value0))
        r, v = slice(row, row + k), slice(value, value + k * f)
        return Rows(
            c, self.packet[r], self.time_ns[r], self.raw[v].reshape(k, f),
            self.eng[v].reshape(k, f), self.quality[v].reshape(k, f), self.choice[r], self.data,
        )  # fmt: skip


@dataclass(slots=True)
class Decoded:
    """Result of one batch: rows of every container received (in plan order), and refusals.

    unread: for each container, its packets that could not be read, and why. excess: a message about
    an array with more elements than there are columns for.
    """

    rejects: Rejects
    flat: Flat
    unread: dict[int, tuple[I8, U1]]
    columns: Columns
    excess: str = ""

    @property
    def rows(self) -> list[Rows]:
        return [self.columns.of(c) for c in np.flatnonzero(self.columns.counts).tolist()]


class Decoder(Stateful):
    """State: the newest values of the parameters that definitions look at (XTCE instance 0).

    Its output buffers are reused by the next `feed`.
    """

    def __init__(self, plans: PlanSet, allow_trailing_bytes: bool = False) -> None:
        self.plans = plans
        slots = plans.layout.slots
        room = int(plans.tables.comparisons[:, 4].max(initial=0)) + 4  # longest text compared with
        self.state = {
            "latest": np.full((slots, 2), np.nan),
            "word": np.zeros(slots, np.uint64),
            "has": np.zeros(slots, np.uint8),
            "text": np.zeros((slots, room), np.uint8),
        }
        self._scratch = (
            np.zeros(STACK + 1),
            np.zeros(plans.layout.registers + 1, np.int64),
            np.zeros(MAX_NESTED_CONTAINERS, np.int64),
            np.full(2, -1, np.int64),
        )
        self._allow_trailing = allow_trailing_bytes
        written = {i: Written(plan) for i, plan in enumerate(plans.plans)}
        self._written = {i: one for i, one in written.items() if one.columns}
        self._head_cache = np.full(HEADS, UNSEEN, np.int32)
        self._counts = np.zeros(len(plans.plans), np.int64)
        self._choices = max(len(p.choices) for p in plans.plans)
        self._room(0, 0, 0)

    def _room(self, packets: int, rows: int, values: int) -> None:
        """Buffers of at least these sizes; grown by half more, never shrunk."""
        size = {"packets": packets, "rows": rows, "values": values}
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
        self._choice = np.zeros((s["rows"], self._choices), np.uint8)

    def feed(self, batch: PacketBatch) -> Decoded:
        """Decode a batch. Arrays are views of this decoder's buffers, valid until the next feed."""
        layout, tables, n = self.plans.layout, self.plans.tables, len(batch)
        self._room(n, 0, 0)
        plan, reason = self._plan[:n], self._reason[:n]
        data = batch.data.view()
        data.flags.writeable = False  # one type for bytes and files; else it all compiles twice
        classify(
            data, batch.start, batch.length, layout, tables, self._allow_trailing,
            self._head_cache, plan, reason, self._counts,
        )  # fmt: skip
        row0, value0 = starts(self._counts), starts(self._counts * layout.columns)
        self._room(n, int(row0[-1]), int(value0[-1]))
        if plan.base is not self._plan:  # the buffers grew: copy the classification over
            self._plan[:n], self._reason[:n] = plan, reason
            plan, reason = self._plan[:n], self._reason[:n]
        s = self.state
        work = Work(s["latest"], s["word"], s["has"], s["text"], *self._scratch)
        work.excess[0] = -1
        next_row = row0[:-1].copy()
        decode(
            data, batch.start, batch.length, batch.reception_ns, batch.time_offset_ns,
            batch.duplicate, plan, reason, layout, tables, work, self._allow_trailing, next_row,
            value0[:-1].copy(), self._value_at, self._row_at, self._packet, self._time, self._raw,
            self._eng, self._quality, self._choice,
        )  # fmt: skip
        rejects = batch.rejects(np.flatnonzero(reason), reason[reason != 0])
        decoded = next_row - row0[:-1]
        columns = Columns(
            decoded, layout.columns, row0, value0, self._packet, self._time, self._raw, self._eng,
            self._quality, self._choice, batch.data,
        )  # fmt: skip
        for c, written in self._written.items():
            written.fill(columns.of(c))
        flat = Flat(
            plan, self._row_at, self._value_at, self._time, self._raw, self._eng, self._quality
        )
        excess = self._excess(*work.excess)
        return Decoded(rejects, flat, _unread(plan, reason), columns, excess)

    def _excess(self, step: int, number: int) -> str:
        if step < 0:
            return ""
        container, name, most = self.plans.counted[int(step)]
        return f"{name} of {container} comes {number} times, {most} are read"


def _unread(plan: I4, reason: U1) -> dict[int, tuple[I8, U1]]:
    packet = np.flatnonzero(plan <= REFUSED_OF)
    if not len(packet):
        return {}
    container = REFUSED_OF - plan[packet]
    return {
        int(c): (packet[container == c], reason[packet[container == c]])
        for c in np.unique(container)
    }
