"""Tables of columns as CCSDS packets: what a container made by us looks like, and its bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pipeline.packets.header import SEQUENCE_MODULO
from schemas.columns import I8, U1
from schemas.mission import AlarmRanges

# encoding of a column: numpy type of its bytes
WIDTHS = {
    "u1": 8, "u2": 16, "u4": 32, "u8": 64,
    "i1": 8, "i2": 16, "i4": 32, "i8": 64, "f4": 32, "f8": 64,
}  # fmt: skip
_AT_ONCE = 4096  # rows
TIME_SCALES = {"ns": 1, "us": 1000}


@dataclass(frozen=True, slots=True)
class Column:
    """One parameter. values that are written are raw: (engineering - offset) / scale."""

    name: str
    encoding: str
    unit: str = ""
    description: str = ""
    calibrator: tuple[float, ...] = ()
    labels: tuple[tuple[int, str], ...] = ()
    boolean: bool = False
    alarm: AlarmRanges | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """One container: an APID, a time column, and its parameters."""

    name: str
    apid: int
    columns: tuple[Column, ...]
    description: str = ""
    time_unit: str = "ns"


@dataclass(slots=True)
class Recorded:
    """Rows of one table: generation times, and raw values a column."""

    table: Table
    time_ns: I8
    values: dict[str, NDArray[np.generic]] = field(default_factory=dict)


def time_name(table: Table) -> str:
    return f"{table.name}_TIME"


def packets_of(recorded: Recorded, sequence: I8 | None = None) -> U1:
    """Packets of equal length as u1[k, n]: primary header, time i8, columns; all big-endian."""
    table, k = recorded.table, len(recorded.time_ns)
    # names that no column has: one may be called "time" or "header"
    parts = [("header", ">u2", (3,)), ("time", ">i8")]
    parts += [(f"column {i}", f">{c.encoding}") for i, c in enumerate(table.columns)]
    rows = np.zeros(k, np.dtype(parts))
    count = np.arange(k) if sequence is None else sequence
    rows["header"][:, 0] = 0x0800 | table.apid  # version 0, telemetry, secondary header
    rows["header"][:, 1] = 0xC000 | (count % SEQUENCE_MODULO)  # unsegmented
    rows["header"][:, 2] = rows.dtype.itemsize - 7
    rows["time"] = recorded.time_ns // TIME_SCALES[table.time_unit]
    for i, column in enumerate(table.columns):
        rows[f"column {i}"] = recorded.values[column.name]
    return rows.view(np.uint8).reshape(k, rows.dtype.itemsize)


def raw_of(column: Column, engineering: NDArray[np.float64]) -> NDArray[np.generic]:
    """Raw values of a linear calibrator, rounded and clipped to what the encoding holds."""
    offset, scale = (*column.calibrator, 0.0, 1.0)[:2] if column.calibrator else (0.0, 1.0)
    raw = (engineering - offset) / scale
    kind = np.dtype(column.encoding)
    if kind.kind == "f":
        return raw.astype(kind)
    info = np.iinfo(kind)
    return np.clip(np.round(raw), info.min, info.max).astype(kind)


def interleave(recordings: Sequence[Recorded], sequences: Sequence[I8 | None]) -> memoryview:
    """All packets in order of time, those of one table in their own order; packets of equal time in
    the order of the tables."""
    blocks = [packets_of(r, s) for r, s in zip(recordings, sequences, strict=True)]
    # where a table's time goes back, the others wait for nobody
    time = np.concatenate([np.maximum.accumulate(r.time_ns) for r in recordings])
    table = np.concatenate([np.full(len(b), i) for i, b in enumerate(blocks)])
    size = np.array([b.shape[1] for b in blocks])[table]
    order = np.argsort(time, kind="stable")
    ends = np.cumsum(size[order])
    place = np.empty(len(order), np.int64)
    place[order] = ends - size[order]
    out = np.empty(int(ends[-1]) if len(ends) else 0, np.uint8)
    first = 0
    for block in blocks:
        wide = np.arange(block.shape[1])
        for row in range(0, len(block), _AT_ONCE):  # places are eight times as large as bytes
            rows = block[row : row + _AT_ONCE]
            out[place[first + row : first + row + len(rows), None] + wide] = rows
        first += len(block)
    return out.data
