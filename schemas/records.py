"""Records of telemetry.raw (docs/raw.md): a run of packets, a tick, or a control. Version 1."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple, Protocol

import numpy as np

from schemas.columns import I8, PADDING, SECOND, U1, U8

VERSION = b"1"
Headers = tuple[tuple[str, bytes], ...]

TICK_NS = SECOND  # from one tick to the next


class Numbered(NamedTuple):
    """The writer of a record, u8, and the number of the record among the writer's."""

    writer: int
    number: int


class Kind(IntEnum):
    UNKNOWN = 0
    PACKETS = 1
    TICK = 2
    BARE = 3  # one bare packet without headers, made by others
    CONTROL = 4
    REPEAT = 5  # a record that its writer sent before


PACKETS_HEADERS: Headers = (("kind", b"packets"), ("version", VERSION))
TICK_HEADERS: Headers = (("kind", b"tick"), ("version", VERSION))
CONTROL_HEADERS: Headers = (("kind", b"control"), ("version", VERSION))

_NO_NUMBER = Numbered(0, -1)
_COUNT = struct.Struct(">I")
_TIME = struct.Struct(">q")
# whole answers, so that the common record costs one look-up and no allocation
_KNOWN = {
    PACKETS_HEADERS: (Kind.PACKETS, 0),
    TICK_HEADERS: (Kind.TICK, 0),
    (): (Kind.BARE, 0),
    CONTROL_HEADERS: (Kind.CONTROL, 0),
}


@dataclass(slots=True)
class RawRecord:
    """One record of telemetry.raw as the chain sees it, wherever it came from."""

    offset: int
    value: bytes
    headers: Headers
    timestamp_ns: int = 0  # used for a bare packet only


class HeadersOf(Protocol):
    """Headers by number, however they are kept."""

    def __getitem__(self, i: int, /) -> Headers: ...


@dataclass(slots=True)
class Records:
    """The same of n records in columns. headers: of which record i has headers[header[i]]; few are
    ever asked for."""

    data: U1  # their values back to back, padded by PADDING
    start: I8  # [n + 1] where each value begins in `data`, and where the last one ends
    offset: I8
    timestamp_ns: I8
    kind: I8  # of `Kind`
    shift_ns: I8
    writer: U8
    number: I8  # among its writer's; -1: the record is not numbered
    header: I8
    headers: HeadersOf

    @classmethod
    def of(cls, records: Sequence[RawRecord]) -> Records:
        kinds = [classify(r.headers) for r in records]
        numbers = [numbered(r.headers) or _NO_NUMBER for r in records]
        return cls(
            *_joined([r.value for r in records]),
            np.array([r.offset for r in records], np.int64),
            np.array([r.timestamp_ns for r in records], np.int64),
            np.array([kind for kind, _ in kinds], np.int64),
            np.array([shift for _, shift in kinds], np.int64),
            np.array([of.writer for of in numbers], np.uint64),
            np.array([of.number for of in numbers], np.int64),
            np.arange(len(records)),
            [tuple(r.headers) for r in records],
        )

    def __len__(self) -> int:
        return len(self.offset)

    def part(self, first: int, end: int) -> Records:
        """Some of them, on the same data."""
        return Records(
            self.data, self.start[first : end + 1], self.offset[first:end],
            self.timestamp_ns[first:end], self.kind[first:end], self.shift_ns[first:end],
            self.writer[first:end], self.number[first:end], self.header[first:end], self.headers,
        )  # fmt: skip

    def take(self, places: I8) -> Records:
        """Those at some places, with data of their own unless they are all of them."""
        if len(places) == len(self):
            return self
        length = self.start[places + 1] - self.start[places]
        start = np.zeros(len(places) + 1, np.int64)
        np.cumsum(length, out=start[1:])
        data = np.zeros(int(start[-1]) + PADDING, np.uint8)
        byte = np.arange(start[-1]) + np.repeat(self.start[places] - start[:-1], length)
        data[: start[-1]] = self.data[byte]
        return Records(
            data, start, self.offset[places],
            self.timestamp_ns[places], self.kind[places], self.shift_ns[places],
            self.writer[places], self.number[places], self.header[places], self.headers,
        )  # fmt: skip

    def value(self, i: int) -> bytes:
        return self.data[self.start[i] : self.start[i + 1]].tobytes()

    def one(self, i: int) -> RawRecord:
        headers, stamp = self.headers[int(self.header[i])], int(self.timestamp_ns[i])
        return RawRecord(int(self.offset[i]), self.value(i), headers, stamp)


def _joined(values: Sequence[bytes]) -> tuple[U1, I8]:
    """`data` and `start` of `Records`."""
    data = np.frombuffer(b"".join([*values, bytes(PADDING)]), np.uint8)
    return data, np.cumsum([0, *map(len, values)])


def classify(headers: Sequence[tuple[str, bytes]]) -> tuple[Kind, int]:
    """Kind and `time_offset_ns` of a record; an unknown kind or version is UNKNOWN."""
    key = tuple(headers)
    known = _KNOWN.get(key)
    if known is not None:
        return known
    try:
        named = dict(key)
        base = tuple(sorted((k, v) for k, v in key if k in ("kind", "version")))
        shift = int(named.get("time_offset_ns", b"0"))
    except (ValueError, TypeError):  # headers without values, or that are no numbers
        return Kind.UNKNOWN, 0
    if abs(shift) >= 2**62:
        return Kind.UNKNOWN, 0
    return _KNOWN.get(base, (Kind.UNKNOWN, 0))[0], shift


def numbered(headers: Sequence[tuple[str, bytes]]) -> Numbered | None:
    """Writer and number of a record that `ingest` wrote; None for all others."""
    if len(headers) < 3:
        return None
    for key, value in headers:
        if key == "ingest":
            writer, _, number = value.partition(b":")
            try:
                found = Numbered(int(writer, 16), int(number))
            except ValueError:
                return None
            return found if found.writer < 2**64 and 0 <= found.number < 2**62 else None
    return None


def with_number(headers: Headers, of: Numbered) -> Headers:
    return (*headers, ("ingest", b"%x:%d" % of))


def tick_of(records: Records, i: int) -> int | None:
    """Time of a tick; None for a record that is not a tick."""
    if records.kind[i] != Kind.TICK or records.start[i + 1] - records.start[i] != _TIME.size:
        return None
    return int(_TIME.unpack(records.value(i))[0]) + int(records.shift_ns[i])


def with_time_offset(headers: Headers, shift_ns: int) -> Headers:
    return (*headers, ("time_offset_ns", b"%d" % shift_ns)) if shift_ns else headers


def encode_packets(reception_ns: Sequence[int], packets: bytes) -> bytes:
    """count u4, reception_ns i8[count], then whole packets back to back; all big-endian."""
    n = len(reception_ns)
    return _COUNT.pack(n) + struct.pack(f">{n}q", *reception_ns) + packets


def encode_tick(reception_ns: int) -> bytes:
    return _TIME.pack(reception_ns)
