"""Records of one partition as a lane works on them: in columns, with who sent them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from aiokafka import ConsumerRecord

from schemas.columns import I4, I8, PADDING
from schemas.records import Headers, RawRecord, Records

LATEST_MS = 2**62 // 1_000_000  # upper limit: a producer may set any time stamp
NO_KEY = b""


@dataclass(slots=True)
class Chunk:
    """keys: the different keys; key: of each record, its place among them. stamp_ms: as written."""

    partition: int
    records: Records
    keys: tuple[bytes, ...]
    key: I4
    stamp_ms: I8

    @classmethod
    def of(cls, partition: int, records: Sequence[ConsumerRecord[bytes, bytes]]) -> Chunk:
        """Of the client's own records."""
        # a record of Kafka's first format has none
        stamps = np.array([-1 if r.timestamp is None else r.timestamp for r in records], np.int64)
        keys = {key: i for i, key in enumerate(dict.fromkeys(r.key or NO_KEY for r in records))}
        given = [
            RawRecord(r.offset, r.value or b"", r.headers, stamp)
            for r, stamp in zip(records, clamped_ns(stamps).tolist(), strict=True)
        ]
        key = np.array([keys[r.key or NO_KEY] for r in records], np.int32)
        return cls(partition, Records.of(given), tuple(keys), key, stamps)

    def __len__(self) -> int:
        return len(self.records)

    @property
    def size(self) -> int:
        """Bytes of its values, and 64 for each record."""
        return int(self.records.start[-1] - self.records.start[0]) + 64 * len(self)

    @property
    def first_offset(self) -> int:
        return int(self.records.offset[0])

    @property
    def next_offset(self) -> int:
        return int(self.records.offset[-1]) + 1

    def part(self, first: int, end: int) -> Chunk:
        return Chunk(
            self.partition, self.records.part(first, end), self.keys, self.key[first:end],
            self.stamp_ms[first:end],
        )  # fmt: skip

    def source(self, i: int) -> str:
        """Of a record."""
        return source_of(self.keys[self.key[i]])

    def by_source(self) -> dict[str, I8]:
        """The places of each source's records, in the order of their first ones."""
        if len(self.keys) == 1:
            return {source_of(self.keys[0]): np.arange(len(self))}
        found: dict[str, list[int]] = {}
        used = np.unique(self.key, return_index=True)
        for number in used[0][np.argsort(used[1])].tolist():
            found.setdefault(source_of(self.keys[number]), []).append(number)
        return {
            source: np.flatnonzero(np.isin(self.key, numbers)) for source, numbers in found.items()
        }

    def take(self, places: I8) -> Records:
        """Some of its records, whole."""
        r = self.records
        if len(places) == len(self):
            return r
        values = [r.value(i) for i in places.tolist()]
        sizes = np.array([0, *map(len, values)], np.int64)
        return Records(
            np.frombuffer(b"".join([*values, bytes(PADDING)]), np.uint8), np.cumsum(sizes),
            r.offset[places], r.timestamp_ns[places], r.kind[places], r.shift_ns[places],
            r.writer[places], r.number[places], _Some(r.headers, places),
        )  # fmt: skip


class _Some(Sequence[Headers]):
    """Headers at some places."""

    def __init__(self, headers: Sequence[Headers], places: I8) -> None:
        self._headers, self._places = headers, places

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, i: int | slice) -> Headers | Sequence[Headers]:  # type: ignore[override]
        if isinstance(i, slice):
            return _Some(self._headers, self._places[i])
        return self._headers[int(self._places[i])]


def source_of(key: bytes) -> str:
    return key.decode("utf-8", "replace")


def clamped_ns(stamp_ms: I8) -> I8:
    """Time stamps in ns; any producer may set any stamp."""
    return np.clip(stamp_ms, 0, LATEST_MS) * 1_000_000
