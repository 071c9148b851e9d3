"""Samples as Arrow IPC: one batch for all parameters of a frame (docs/outputs.md).

A frame closes at a tick, or with the packet that fills it to `frame_values` values, however the
input was cut. Samples in a frame are in order of arrival, so its bytes are the same in any
chunking. Fields wider than 64 bits are left to `decode`.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
from pyarrow import ipc

from pipeline.decode import Plan
from pipeline.decode.decoder import Flat
from pipeline.kernel import kernel
from pipeline.mission.folder import Mission
from schemas import topics
from schemas.columns import ABSENT, F8, I4, I8, U1, U8, Output, PacketBatch, State

SCHEMA = pa.schema(
    [
        ("parameter", pa.dictionary(pa.int32(), pa.string())),
        ("time_ns", pa.int64()),
        ("raw", pa.uint64()),
        ("eng", pa.float64()),
        ("quality", pa.uint8()),
    ]
)
_ABSENT = np.uint8(ABSENT)
_TYPES = {
    "parameter": np.int32, "time_ns": np.int64, "raw": np.uint64, "eng": np.float64,
    "quality": np.uint8,
}  # fmt: skip


@dataclass(slots=True)
class Frame:
    """A closed frame and the packet that closed it."""

    packet: int
    columns: State


class Samples:
    """Collects values into frames. Its state is the open frame, below `frame_values` values."""

    def __init__(self, plans: tuple[Plan, ...], frame_values: int) -> None:
        narrow = np.array([not f.wide for p in plans for f in p.fields])
        # a wide field has no number among the parameters
        self._names = np.where(narrow, np.cumsum(narrow) - 1, -1).astype(np.int32)
        self._plan_start = np.cumsum([0, *(len(p.fields) for p in plans)])
        self._limit = frame_values
        widest = max(len(p.fields) for p in plans)
        self._open: State = {n: np.empty(frame_values + widest, t) for n, t in _TYPES.items()}
        self._filled = 0

    def feed(self, batch: PacketBatch, flat: Flat) -> list[Frame]:
        """Frames that this batch closes, in order."""
        frames, packet, o = [], 0, self._open
        while packet < len(batch):
            packet, self._filled, closed = collect(
                packet, self._filled, self._limit, batch.length, flat.plan, flat.row_at,
                flat.value_at, flat.time_ns, flat.raw, flat.eng, flat.quality, self._plan_start,
                self._names, o["parameter"], o["time_ns"], o["raw"], o["eng"], o["quality"],
            )  # fmt: skip
            if closed and self._filled:
                frames.append(Frame(packet - 1, self.snapshot()))
                self._filled = 0
        return frames

    def snapshot(self) -> State:
        return {name: column[: self._filled].copy() for name, column in self._open.items()}

    def restore(self, state: State) -> None:
        """ValueError if the state is from another mission."""
        filled = len(state["raw"])
        if filled > len(self._open["raw"]):
            raise ValueError("snapshot of another mission: its frame is larger than this one's")
        for name, column in self._open.items():
            if state[name].dtype != column.dtype or state[name].shape != (filled,):
                raise ValueError(f"snapshot of another mission: {name} is no column of its frame")
        names = state["parameter"]
        if filled and (names.min() < 0 or names.max() > self._names.max()):
            raise ValueError("snapshot with impossible values: a parameter that there is none of")
        self._filled = filled
        for name, column in self._open.items():
            column[: self._filled] = state[name]


@kernel
def collect(
    packet: int,
    filled: int,
    limit: int,
    length: I4,
    plan: I4,
    row_at: I8,
    value_at: I8,
    time: I8,
    raw: U8,
    eng: F8,
    quality: U1,
    plan_start: I8,
    names: I4,
    name_out: I4,
    time_out: I8,
    raw_out: U8,
    eng_out: F8,
    quality_out: U1,
) -> tuple[int, int, bool]:
    """Append packets from `packet` on until one closes the frame: (next packet, filled, closed)."""
    while packet < len(length):
        c = plan[packet]
        if length[packet] == 0:
            return packet + 1, filled, True
        if c >= 0:
            now, first = time[row_at[packet]], value_at[packet]
            for i in range(plan_start[c + 1] - plan_start[c]):
                name = names[plan_start[c] + i]
                if name >= 0 and quality[first + i] != _ABSENT:
                    name_out[filled], time_out[filled] = name, now
                    raw_out[filled], eng_out[filled] = raw[first + i], eng[first + i]
                    quality_out[filled] = quality[first + i]
                    filled += 1
        packet += 1
        if filled >= limit:
            return packet, filled, True
    return packet, filled, False


class SamplesEncoder:
    """Frames to Arrow IPC streams of one dictionary (the mission's parameters) and one batch."""

    def __init__(self, source: str, plans: tuple[Plan, ...]) -> None:
        self._source = source
        self._names = pa.array(
            [f.parameter.qualified_name for p in plans for f in p.fields if not f.wide]
        )

    def batch(self, columns: State) -> pa.RecordBatch:
        return pa.record_batch(
            [
                pa.DictionaryArray.from_arrays(columns["parameter"], self._names),
                *(pa.array(columns[name]) for name in ("time_ns", "raw", "eng", "quality")),
            ],
            schema=SCHEMA,
        )

    def output(self, frame: Frame, id_: str) -> Output:
        sink = io.BytesIO()
        with ipc.new_stream(sink, SCHEMA) as writer:
            writer.write_batch(self.batch(frame.columns))
        return Output(topics.SAMPLES, id_, self._source.encode(), sink.getvalue())


def file_schema(mission: Mission, plans: tuple[Plan, ...]) -> pa.Schema:
    """Schema of a file of samples. Its metadata holds what a reader without the mission needs."""
    units = {f.parameter.qualified_name: f.parameter.type.unit for p in plans for f in p.fields}
    told = {
        "mission": mission.settings.name,
        "mission_database": mission.mdb.sha256,
        "settings": mission.settings.sha256,
        "units": orjson.dumps(units),
    }
    return SCHEMA.with_metadata(told)


def read_frames(path: Path) -> Iterator[pa.Table]:
    """The frames of a `samples.arrow`, an Arrow IPC stream, in order."""
    with path.open("rb") as file:
        for batch in ipc.open_stream(file):
            yield pa.Table.from_batches([batch])
