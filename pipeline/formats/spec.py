"""Tables of columns as CCSDS packets: the containers that we make, and their bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.columns import I8, U1
from schemas.mission import AlarmRanges
from schemas.space_packet import SEQUENCE_MODULO

# encoding of a column: numpy type of its bytes
WIDTHS = {
    "u1": 8, "u2": 16, "u4": 32, "u8": 64,
    "i1": 8, "i2": 16, "i4": 32, "i8": 64, "f4": 32, "f8": 64,
}  # fmt: skip
_AT_ONCE = 1 << 22  # bytes of packets
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
    """Rows of one table: generation times, and raw values by column. sequence [k]: the packets'
    sequence counts, where they are not the row numbers."""

    table: Table
    time_ns: I8
    values: dict[str, NDArray[np.generic]] = field(default_factory=dict)
    sequence: I8 | None = None


def time_name(table: Table) -> str:
    return f"{table.name}_TIME"


def packet_type(table: Table) -> np.dtype[np.void]:
    """One packet: primary header, time i8, columns; all big-endian. Columns go by number: one of
    them may be called "time" or "header"."""
    parts: list[tuple[Any, ...]] = [("header", ">u2", (3,)), ("time", ">i8")]
    return np.dtype(
        parts + [(f"column {i}", f">{c.encoding}") for i, c in enumerate(table.columns)]
    )


def packets_of(recorded: Recorded, places: I8) -> U1:
    """Packets of some rows, u1[k, n] by the places of the rows."""
    table = recorded.table
    rows = np.zeros(len(places), packet_type(table))
    count = places if recorded.sequence is None else recorded.sequence[places]
    rows["header"][:, 0] = 0x0800 | table.apid  # version 0, telemetry, secondary header
    rows["header"][:, 1] = 0xC000 | (count % SEQUENCE_MODULO)  # unsegmented
    rows["header"][:, 2] = rows.dtype.itemsize - 7
    rows["time"] = recorded.time_ns[places] // TIME_SCALES[table.time_unit]
    for i, column in enumerate(table.columns):
        rows[f"column {i}"] = recorded.values[column.name][places]
    return rows.view(np.uint8).reshape(len(places), rows.dtype.itemsize)


def raw_of(column: Column, engineering: NDArray[np.float64]) -> NDArray[np.generic]:
    """Raw values of a linear calibrator, rounded and clipped to what the encoding holds."""
    offset, scale = (*column.calibrator, 0.0, 1.0)[:2] if column.calibrator else (0.0, 1.0)
    raw = (engineering - offset) / scale
    kind = np.dtype(column.encoding)
    if kind.kind == "f":
        return raw.astype(kind)
    info = np.iinfo(kind)
    return np.clip(np.round(raw), info.min, info.max).astype(kind)


def interleave(recordings: Sequence[Recorded]) -> Iterator[memoryview]:
    """All packets in order of time, those of one table in their own order; packets of equal time in
    the order of the tables. By blocks: a flight's packets may be larger than its columns."""
    # by running maximum: a table whose time goes back does not hold up the others
    time = np.concatenate([np.maximum.accumulate(r.time_ns) for r in recordings])
    order = np.argsort(time, kind="stable")
    first = np.cumsum([0, *(len(r.time_ns) for r in recordings)])
    size = np.array([packet_type(r.table).itemsize for r in recordings])
    rows = max(1, _AT_ONCE // int(size.max(initial=1)))
    for begin in range(0, len(order), rows):
        chosen = order[begin : begin + rows]
        table = np.searchsorted(first, chosen, side="right") - 1
        ends = np.cumsum(size[table])
        out = np.empty(int(ends[-1]), np.uint8)
        for i in np.unique(table).tolist():
            here = table == i
            place = (ends - size[table])[here]
            out[place[:, None] + np.arange(size[i])] = packets_of(
                recordings[i], chosen[here] - first[i]
            )
        yield out.data
