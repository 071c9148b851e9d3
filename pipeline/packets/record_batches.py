"""Kernels that parse Kafka's record batches, magic 2 (KIP-98, "Message Format").

Varints are zigzag coded (Protocol Buffers, "Signed Integers"). Whatever the bytes, nothing is read
or written outside the arrays.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pipeline.kernel import kernel, load_be32, load_be64, part
from schemas.columns import I4, I8, PADDING, U1, U8
from schemas.records import (
    CONTROL_HEADERS,
    PACKETS_HEADERS,
    TICK_HEADERS,
    Headers,
    Kind,
)

HEAD = 61  # bytes of a batch before its records
(
    START, END, BASE, ATTRIBUTES, LAST_DELTA, FIRST_STAMP, LAST_STAMP, PRODUCER, CRC, COUNT,
) = range(10)  # fmt: skip
MAGIC = 2
UNREAD = -1  # kind of a record whose headers are read elsewhere
MOST_GROUPS = 32  # different keys that are looked for


class Columns(NamedTuple):
    """What was parsed. key, headers i8[n, 2]: first byte and size, first byte and end. group: of
    records with one key; first i8[n]: record that a group began with. groups i8[1]: how many."""

    offset: I8
    stamp_ms: I8
    key: I8
    group: I4
    first: I8
    groups: I8
    kind: I8
    shift: I8
    writer: U8
    number: I8
    headers: I8
    start: I8
    value: U1

    @classmethod
    def empty(cls, records: int, size: int) -> Columns:
        def i8(*shape: int) -> I8:
            return np.zeros(shape, np.int64)

        n = records
        return cls(
            i8(n), i8(n), i8(n, 2), np.zeros(n, np.int32), i8(n), i8(1), i8(n), i8(n),
            np.zeros(n, np.uint64), i8(n), i8(n, 2), i8(n + 1),
            np.empty(size + PADDING, np.uint8),
        )  # fmt: skip


class Patterns(NamedTuple):
    """Encoded headers without their count: of each kind from start[k] to start[k + 1]."""

    content: U1
    start: I8
    kind: I8


def _varint(n: int) -> bytes:
    z, out = (n << 1) ^ (n >> 63), b""
    while z > 127:
        out += bytes([z & 127 | 128])
        z >>= 7
    return out + bytes([z])


def _encoded(headers: Headers) -> bytes:
    return b"".join(_varint(len(k)) + k.encode() + _varint(len(v)) + v for k, v in headers)


def _patterns() -> Patterns:
    every = (PACKETS_HEADERS, TICK_HEADERS, CONTROL_HEADERS)
    encoded = [_encoded(h) for h in every]
    kinds = np.array([Kind.PACKETS, Kind.TICK, Kind.CONTROL], np.int64)
    start = np.cumsum([0, *map(len, encoded)])
    return Patterns(np.frombuffer(b"".join(encoded), np.uint8), start, kinds)


PATTERNS = _patterns()
_INGEST = np.frombuffer(_varint(6) + b"ingest", np.uint8)  # a header's key, encoded
_BARE = int(Kind.BARE)


@kernel
def heads(buffer: U1, table: I8) -> int:
    """Heads of the whole batches in a buffer; -1 if one is of another format."""
    at, n = 0, 0
    while at + HEAD <= len(buffer) and n < len(table):
        size = _int32(buffer, at + 8) + 12
        if size < HEAD or at + size > len(buffer):
            break  # a fetch may end within a batch
        if buffer[at + 16] != MAGIC:
            return -1
        row = table[n]
        row[START], row[END], row[BASE] = at, at + size, _int64(buffer, at)
        row[CRC] = _int32(buffer, at + 17) & 0xFFFFFFFF
        row[ATTRIBUTES] = (np.int64(buffer[at + 21]) << 8) | np.int64(buffer[at + 22])
        row[LAST_DELTA], row[FIRST_STAMP] = _int32(buffer, at + 23), _int64(buffer, at + 27)
        row[LAST_STAMP], row[PRODUCER] = _int64(buffer, at + 35), _int64(buffer, at + 43)
        row[COUNT] = _int32(buffer, at + 57)
        n, at = n + 1, at + size
    if n == 0 and len(buffer) > 16 and buffer[16] != MAGIC:
        return -1
    return n


@part
def _int64(buffer: U1, at: int) -> int:
    return np.int64(load_be64(buffer, at))


@part
def _int32(buffer: U1, at: int) -> int:
    return np.int64(np.int32(load_be32(buffer, at)))


@part
def _read_varint(buffer: U1, at: int, end: int) -> tuple[int, int]:
    """(value, place behind it); behind the end where there is no whole one."""
    word, shift = np.uint64(0), np.uint64(0)
    while at < end and shift < 64:
        byte = np.uint64(buffer[at])
        word |= (byte & np.uint64(127)) << shift
        at += 1
        if byte < 128:
            return np.int64(word >> np.uint64(1)) ^ -np.int64(word & np.uint64(1)), at
        shift += np.uint64(7)
    return np.int64(0), end + 1


@kernel
def parse(
    buffer: U1,
    at: int,
    end: int,
    count: int,
    base: int,
    first_stamp: int,
    last_stamp: int,
    appended: bool,
    least: int,
    patterns: Patterns,
    ingest: U1,
    c: Columns,
    n: int,
    used: int,
) -> tuple[int, int]:
    """Records of one batch from offset `least` on, behind n others: (records, bytes of values).

    appended: the broker's time stands for all of them. (-1, 0): lengths that do not agree.
    """
    for _ in range(count):
        size, at = _read_varint(buffer, at, end)
        behind = at + size
        if at > end or size < 0 or behind > end:
            return -1, 0
        at += 1  # attributes, unused
        delta, at = _read_varint(buffer, at, behind)
        step, at = _read_varint(buffer, at, behind)
        keys, at = _read_varint(buffer, at, behind)
        key = at
        at += max(keys, 0)
        if at > behind or keys > behind:
            return -1, 0
        values, at = _read_varint(buffer, at, behind)
        value = at
        at += max(values, 0)
        if at > behind or values > behind:
            return -1, 0
        if base + step >= least:
            if n >= len(c.offset):
                return -1, 0
            c.offset[n] = base + step
            c.stamp_ms[n] = last_stamp if appended else first_stamp + delta
            c.key[n, 0], c.key[n, 1] = key, max(keys, 0)
            c.group[n] = _group(buffer, c, n)
            c.headers[n, 0], c.headers[n, 1] = at, behind
            _known(buffer, at, behind, patterns, ingest, c, n)
            least, c.start[n] = base + step + 1, used  # offsets rise
            for i in range(max(values, 0)):
                c.value[used + i] = buffer[value + i]
            used += max(values, 0)
            n += 1
        at = behind
    return n, used


@part
def _group(buffer: U1, c: Columns, n: int) -> int:
    """The group of records whose key this one has, or a new one."""
    groups, size = c.groups[0], c.key[n, 1]
    for g in range(groups - 1, max(groups - 1 - MOST_GROUPS, -1), -1):
        other = c.first[g]
        if c.key[other, 1] == size and _same(buffer, c.key[other, 0], buffer, c.key[n, 0], size):
            return g
    c.first[groups] = n
    c.groups[0] = groups + 1
    return groups


@part
def _same(a: U1, i: int, b: U1, j: int, size: int) -> bool:
    differ = np.uint8(0)
    for k in range(size):
        differ |= a[i + k] ^ b[j + k]
    return differ == 0


@part
def _known(
    buffer: U1, at: int, end: int, patterns: Patterns, ingest: U1, c: Columns, n: int
) -> None:
    """Kind, and number among its writer's, of a record with the headers that we write."""
    c.kind[n], c.shift[n], c.writer[n], c.number[n] = UNREAD, 0, 0, -1
    count, at = _read_varint(buffer, at, end)
    if count == 0 and at == end:
        c.kind[n] = _BARE
    if count != 2 and count != 3:
        return
    for k in range(len(patterns.kind)):
        first, size = patterns.start[k], patterns.start[k + 1] - patterns.start[k]
        if at + size > end or not _same(patterns.content, first, buffer, at, size):
            continue
        whole = count == 2 and at + size == end
        if whole or (count == 3 and _number(buffer, at + size, end, ingest, c, n)):
            c.kind[n] = patterns.kind[k]
        return


@part
def _number(buffer: U1, at: int, end: int, ingest: U1, c: Columns, n: int) -> bool:
    """Reads `ingest`: the writer in hexadecimal digits, a colon, the number in decimal ones."""
    if at + len(ingest) > end or not _same(ingest, 0, buffer, at, len(ingest)):
        return False
    size, at = _read_varint(buffer, at + len(ingest), end)
    if at + size != end or size > 34:
        return False
    writer, number, digits, colon = np.uint64(0), np.int64(0), 0, 0
    for i in range(at, end):
        b = np.int64(buffer[i])
        decimal = 48 <= b <= 57
        if b == 58 and colon == 0 and 0 < digits <= 16:
            colon, digits = 1, 0
        elif colon == 0 and (decimal or 97 <= b <= 102):
            word = b - 48 if decimal else b - 87
            writer, digits = (writer << np.uint64(4)) | np.uint64(word), digits + 1
        elif colon == 1 and decimal and digits < 18:
            number, digits = number * 10 + (b - 48), digits + 1
        else:
            return False
    if colon == 0 or digits == 0:
        return False
    c.writer[n], c.number[n] = writer, number
    return True


def varint(buffer: bytes, at: int) -> tuple[int, int]:
    """(value, place behind it) of a varint in a buffer. IndexError: there is no whole one (of
    which aiokafka's own function reads on behind the end)."""
    word, shift = 0, 0
    while True:
        byte = buffer[at]
        word, at = word | (byte & 127) << shift, at + 1
        if byte < 128:
            return (word >> 1) ^ -(word & 1), at
        shift += 7


def parse_batch(
    buffer: U1, begin: int, end: int, head: I8, appended: bool, least: int, columns: Columns,
    n: int, used: int,
) -> tuple[int, int]:  # fmt: skip
    """`parse` with what a head says."""
    return parse(
        buffer, begin, end, int(head[COUNT]), int(head[BASE]), int(head[FIRST_STAMP]),
        int(head[LAST_STAMP]), appended, least, PATTERNS, _INGEST, columns, n, used,
    )  # fmt: skip
