"""Records of one partition as a lane works on them: in columns, with who sent them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from aiokafka import ConsumerRecord

from schemas.columns import I4, I8
from schemas.records import RawRecord, Records

LATEST_MS = 2**62 // 1_000_000  # upper limit: a producer may set any time stamp
NO_KEY = b""
RECORD_BYTES = 64  # that a record costs as much as


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
    def work(self) -> I8:
        """What it takes up to each record: bytes of the values, and 64 for each record."""
        start = self.records.start
        work: I8 = start[1:] - start[0] + RECORD_BYTES * np.arange(1, len(self) + 1)
        return work

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
        number: dict[str, int] = {}
        of_key = [number.setdefault(source_of(key), len(number)) for key in self.keys]
        source = np.array(of_key, np.int32)[self.key]
        places = np.argsort(source, kind="stable")  # those of a source stay in order
        parts = np.split(places, np.flatnonzero(np.diff(source[places])) + 1)
        parts.sort(key=lambda part: int(part[0]))
        names = tuple(number)
        return {names[source[part[0]]]: part for part in parts}


def source_of(key: bytes) -> str:
    return key.decode("utf-8", "replace")


def clamped_ns(stamp_ms: I8) -> I8:
    """Time stamps in ns; any producer may set any stamp."""
    return np.clip(stamp_ms, 0, LATEST_MS) * 1_000_000
