"""Samples as Arrow record batches, a container and period each (docs/outputs.md).

A row is a packet. A batch closes at the first tick of a later period, or with the packet that fills
it, however the input was cut: so its bytes are the same in any chunking.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from pipeline.decode import Plan
from pipeline.decode.decoder import Flat
from pipeline.mission.folder import Mission
from pipeline.outputs.arrow import Form
from pipeline.outputs.sample_columns import (
    QUALITY,
    TIME_BYTES,
    SampleColumns,
    sample_columns,
)
from pipeline.outputs.sample_rows import Closed, Given, Heads, Open, RowPlan, collect
from schemas.columns import I8, NEVER, PacketBatch, State

CLOSINGS = 256  # at a time
SPARE_BYTES = 1 << 20


class Batch(NamedTuple):
    """A closed batch of a container, and the packet that closed it."""

    packet: int
    container: int
    record: bytes


class Samples:
    """Collects rows into batches. Its state is the rows of open ones.

    names: of parameters for people, by qualified name.
    """

    def __init__(self, mission: Mission, plans: Sequence[Plan], names: Mapping[str, str]) -> None:
        wanted = mission.settings.outputs
        self.columns: list[SampleColumns | None] = [None] * len(plans)
        if wanted.samples != "off":
            made = [sample_columns(mission, plan, names) for plan in plans]
            self.columns = [c if c.columns else None for c in made]
        self._period_ns = round(wanted.period_s * 1e9)
        self._plan = _row_plan(self.columns)
        self._heads = _heads(self.columns)
        rows = int((self._plan.capacity * self._plan.row_bytes).sum())
        self._open = Open(
            np.zeros(len(plans), np.int64), np.array([NEVER], np.int64), np.zeros(rows, np.uint8)
        )
        room = SPARE_BYTES + self._heads.most
        self._closed = Closed(np.zeros((CLOSINGS, 4), np.int64), np.zeros(room, np.uint8))

    def form(self, container: int) -> Form:
        columns = self.columns[container]
        assert columns
        return columns.form

    def feed(self, batch: PacketBatch, flat: Flat) -> Iterator[Batch]:
        """Batches that these packets close, in order."""
        given = Given(
            batch.length, batch.reception_ns, flat.plan, flat.row_at, flat.value_at, flat.time_ns,
            flat.raw, flat.eng, flat.quality,
        )  # fmt: skip
        yield from self._feed(given, self._open)

    def _feed(self, given: Given, into: Open) -> Iterator[Batch]:
        packet, container = 0, 0
        while packet < len(given.length):
            packet, container, n = collect(
                packet, container, self._period_ns, given, self._plan, self._heads, into,
                self._closed,
            )  # fmt: skip
            yield from self._batches(n)

    def _batches(self, n: int) -> Iterator[Batch]:
        out = memoryview(self._closed.out)  # type: ignore[arg-type]
        for packet, container, start, end in self._closed.table[:n].tolist():
            yield Batch(packet, container, bytes(out[start:end]))

    def rest(self) -> Iterator[tuple[int, bytes]]:
        """(container, record) of the open batches, which stay open; for when an input ends."""
        rows, period = self._open.rows.copy(), self._open.period.copy()
        none, one = np.zeros(0, np.int64), np.zeros(1, np.int64)
        tick = Given(
            one.astype(np.int32), one + (max(int(period[0]), 0) + 1) * self._period_ns,
            one.astype(np.int32), one, one, none, none.astype(np.uint64), none.astype(np.float64),
            none.astype(np.uint8),
        )  # fmt: skip
        for batch in self._feed(tick, self._open._replace(rows=rows, period=period)):
            yield batch.container, batch.record

    def snapshot(self) -> State:
        rows, first, size = self._open.rows, self._plan.base, self._plan.row_bytes
        parts = [
            self._open.content[first[c] : first[c] + rows[c] * size[c]]
            for c in np.flatnonzero(rows).tolist()
        ]
        content = np.concatenate(parts) if parts else np.zeros(0, np.uint8)
        return {"rows": rows.copy(), "period": self._open.period.copy(), "content": content}

    def restore(self, state: State) -> None:
        """ValueError if the state is from another mission."""
        rows, size = state["rows"], self._plan.row_bytes
        like = (("rows", self._open.rows), ("period", self._open.period))
        if any(state[n].dtype != a.dtype or state[n].shape != a.shape for n, a in like):
            raise ValueError("snapshot of another mission: other containers have samples")
        if ((rows < 0) | (rows > np.maximum(self._plan.capacity - 1, 0))).any():
            raise ValueError("snapshot with impossible values: more rows than a batch of samples")
        content, total = state["content"], int((rows * size).sum())
        if content.dtype != np.uint8 or content.shape != (total,):
            raise ValueError("snapshot of another mission: rows of samples of another size")
        self._open.rows[:], self._open.period[:] = rows, state["period"]
        at = 0
        for c in np.flatnonzero(rows).tolist():
            n, first = int(rows[c] * size[c]), int(self._plan.base[c])
            self._open.content[first : first + n] = content[at : at + n]
            at += n


def _row_plan(every: Sequence[SampleColumns | None]) -> RowPlan:
    runs: list[list[int]] = []
    columns: list[list[int]] = []
    qualities, run_start, column_start = [], [0], [0]
    for one in every:
        qualities.append(_add_rows(one, runs, columns) if one else [0, 0])
        run_start.append(len(runs))
        column_start.append(len(columns))
    size = np.array([one.row_bytes if one else 0 for one in every], np.int64)
    capacity = np.array([one.capacity if one else 0 for one in every], np.int64)
    base = np.cumsum([0, *(size * capacity)])[:-1]
    return RowPlan(
        size, capacity, base, _table(runs, 6), np.array(run_start), _table(columns, 4),
        np.array(column_start), _table(qualities, 2),
    )  # fmt: skip


def _add_rows(one: SampleColumns, runs: list[list[int]], columns: list[list[int]]) -> list[int]:
    """How a row of a container lies in memory; returns place and number of the qualities."""
    place, first = TIME_BYTES, len(runs)
    columns.append([0, TIME_BYTES, 0, False])
    for c, nullable in zip(one.columns, one.nullable, strict=True):
        _append(runs, first, [c.made, c.field, 1, place, c.width, c.bits])
        columns.append([place, c.width, c.place, nullable])
        place += c.width
    for i, field in enumerate(one.fields):
        _append(runs, first, [QUALITY, field, 1, place + i, 1, 8])
    return [place, len(one.fields)]


def _append(runs: list[list[int]], first: int, new: list[int]) -> None:
    """Columns of one kind that follow each other in the packet's row are a run."""
    if len(runs) > first:
        made, field, n, _, width, bits = runs[-1]
        if [made, field + n, width, bits] == [new[0], new[1], *new[4:]]:
            runs[-1][2] += 1
            return
    runs.append(new)


def _heads(every: Sequence[SampleColumns | None]) -> Heads:
    forms = [one.form if one else None for one in every]
    heads = [form.head if form else np.zeros(0, np.uint8) for form in forms]
    most = max((one.record_bytes for one in every if one), default=0)
    return Heads(
        np.concatenate(heads), np.cumsum([0, *map(len, heads)]),
        _table([form.places if form else (0, 0, 0, 0) for form in forms], 4), most,
    )  # fmt: skip


def _table(rows: Sequence[Sequence[int]], columns: int) -> I8:
    return np.array(rows, np.int64).reshape(-1, columns)
