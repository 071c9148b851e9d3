"""Records of telemetry.raw (docs/raw.md): a run of packets, a tick, or a control. Version 1."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from schemas.columns import SECOND

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


def tick_of(record: RawRecord) -> int | None:
    """Time of a tick; None for a record that is not a tick."""
    kind, shift = classify(record.headers)
    if kind != Kind.TICK or len(record.value) != _TIME.size:
        return None
    return int(_TIME.unpack(record.value)[0]) + shift


def with_time_offset(headers: Headers, shift_ns: int) -> Headers:
    return (*headers, ("time_offset_ns", b"%d" % shift_ns)) if shift_ns else headers


def encode_packets(reception_ns: Sequence[int], packets: bytes) -> bytes:
    """count u4, reception_ns i8[count], then whole packets back to back; all big-endian."""
    n = len(reception_ns)
    return _COUNT.pack(n) + struct.pack(f">{n}q", *reception_ns) + packets


def encode_tick(reception_ns: int) -> bytes:
    return _TIME.pack(reception_ns)
