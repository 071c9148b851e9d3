"""Samples as Arrow IPC: one batch for all parameters of a frame (docs/outputs.md).

A frame closes at a tick, or when it holds `frame_values` values: never by how the input was cut.
Inside it containers stand in the order of the mission database, rows in order of arrival, so a
frame's bytes are the same in any chunking. Fields wider than 64 bits are left to `decode`.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import ipc

from pipeline.decode import Plan
from schemas import topics
from schemas.columns import I8, Output, PacketBatch, Rows, State

SCHEMA = pa.schema(
    [
        ("parameter", pa.dictionary(pa.int32(), pa.string())),
        ("time_ns", pa.int64()),
        ("raw", pa.uint64()),
        ("eng", pa.float64()),
        ("quality", pa.uint8()),
    ]
)
_COLUMNS = ("time_ns", "raw", "eng", "quality")


@dataclass(slots=True)
class Frame:
    """A closed frame and the packet that closed it."""

    packet: int
    content: dict[int, State]  # container: columns


class Samples:
    """Collects rows into frames. Its state is the open frame, at most `frame_values` values."""

    def __init__(self, plans: tuple[Plan, ...], frame_values: int) -> None:
        self._columns = [
            np.array([i for i, f in enumerate(p.fields) if f.bits <= 64], np.int64) for p in plans
        ]
        self._limit = frame_values
        self._open: dict[int, list[State]] = {}
        self._filled = 0

    def feed(self, batch: PacketBatch, rows: list[Rows]) -> list[Frame]:
        """Frames that this batch closes, in order."""
        values = np.zeros(len(batch), np.int64)
        for r in rows:
            values[r.packet] = len(self._columns[r.container])
        ticks = np.flatnonzero(batch.length == 0)
        frames, start = [], 0
        for cut in self._cuts(values, ticks):
            self._take(rows, start, cut + 1)
            start = cut + 1
            if self._filled:
                frames.append(Frame(cut, self._close()))
        self._take(rows, start, len(batch))
        return frames

    def _cuts(self, values: I8, ticks: I8) -> Iterator[int]:
        """Packets that close a frame: ticks, and the one that fills it."""
        total = np.cumsum(values)
        begin, tick, base = 0, 0, -self._filled
        while begin < len(values):
            full = int(np.searchsorted(total, base + self._limit))
            while tick < len(ticks) and ticks[tick] < begin:
                tick += 1
            cut = min(full, int(ticks[tick]) if tick < len(ticks) else len(values))
            if cut >= len(values):
                return
            yield cut
            begin, base = cut + 1, int(total[cut])

    def _take(self, rows: list[Rows], start: int, end: int) -> None:
        for r in rows:
            a, b = np.searchsorted(r.packet, (start, end))
            if a == b:
                continue
            keep = self._columns[r.container]
            part: State = {
                "time_ns": r.time_ns[a:b].copy(),
                "raw": r.raw[a:b, keep],
                "eng": r.eng[a:b, keep],
                "quality": r.quality[a:b, keep],
            }
            self._open.setdefault(r.container, []).append(part)
            self._filled += (b - a) * len(keep)

    def _close(self) -> dict[int, State]:
        content = {c: _joined(self._open[c]) for c in sorted(self._open)}
        self._open, self._filled = {}, 0
        return content

    def snapshot(self) -> State:
        return {
            f"{c}.{name}": column
            for c, parts in self._open.items()
            for name, column in _joined(parts).items()
        }

    def restore(self, state: State) -> None:
        self._open, self._filled = {}, 0
        for c in sorted({int(name.split(".")[0]) for name in state}):
            part = {name: state[f"{c}.{name}"].copy() for name in _COLUMNS}
            self._open[c] = [part]
            self._filled += part["raw"].size


def _joined(parts: list[State]) -> State:
    if len(parts) == 1:
        return parts[0]
    return {name: np.concatenate([p[name] for p in parts]) for name in _COLUMNS}


class SamplesEncoder:
    """Frames to Arrow IPC streams of one dictionary and one batch each."""

    def __init__(self, source: str, plans: tuple[Plan, ...]) -> None:
        self._source = source
        self._names = [
            [f.parameter.qualified_name for f in p.fields if f.bits <= 64] for p in plans
        ]

    def output(self, frame: Frame, id_: str) -> Output:
        names: list[str] = []
        index, time, raw, eng, quality = [], [], [], [], []
        for c, part in frame.content.items():
            k, f = part["raw"].shape
            index.append(np.tile(np.arange(len(names), len(names) + f, dtype=np.int32), k))
            names += self._names[c]
            time.append(np.repeat(part["time_ns"], f))
            raw.append(part["raw"].ravel())
            eng.append(part["eng"].ravel())
            quality.append(part["quality"].ravel())
        batch = pa.record_batch(
            [
                pa.DictionaryArray.from_arrays(np.concatenate(index), pa.array(names)),
                *(pa.array(np.concatenate(c)) for c in (time, raw, eng, quality)),
            ],
            schema=SCHEMA,
        )
        sink = io.BytesIO()
        with ipc.new_stream(sink, SCHEMA) as writer:
            writer.write_batch(batch)
        return Output(topics.SAMPLES, id_, self._source.encode(), sink.getvalue())


def read_frames(path: Path) -> Iterator[pa.Table]:
    """The frames of a `samples.arrow`: IPC streams back to back, as they stand on the topic."""
    with path.open("rb") as file:
        size = path.stat().st_size
        while file.tell() < size:
            yield ipc.open_stream(file).read_all()
