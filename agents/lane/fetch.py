"""Record batches of Kafka as columns, without an object a record (docs/lane.md).

A consumer whose fetcher is `columnar` yields one `Chunk` a fetch and partition where aiokafka would
yield its records. The batches are parsed here: magic 2 (KIP-98) with its CRC, control batches and
aborted transactions, all compressions. Older formats are left to aiokafka. This reaches into parts
of aiokafka that are not public, so only versions that it was tested with are taken.
"""

from __future__ import annotations

import logging
import struct
import types
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import aiokafka
import numpy as np
import pyarrow as pa
from aiokafka import AIOKafkaConsumer
from aiokafka.consumer import fetcher as own
from aiokafka.errors import CorruptRecordException
from aiokafka.record.util import calc_crc32c

from agents.lane.chunk import NO_KEY, Chunk, clamped_ns
from agents.lane.codecs import unpack
from pipeline.packets.record_batches import (
    ATTRIBUTES,
    BASE,
    COUNT,
    CRC,
    END,
    HEAD,
    LAST_DELTA,
    PRODUCER,
    START,
    UNREAD,
    Columns,
    heads,
    parse_batch,
    varint,
)
from schemas.columns import I8, PADDING, U1
from schemas.records import Headers, Records, classify, numbered

log = logging.getLogger("heartline.fetch")
TESTED = ("0.14.0",)  # versions of aiokafka
_MAGIC_AT = 16
_COMPRESSION, _LOG_APPEND, _TRANSACTIONAL, _CONTROL = 7, 8, 16, 32  # bits of the attributes
_ABORT = b"\0\0"  # type of a control record, behind its version


def columnar(client: AIOKafkaConsumer) -> bool:
    """Make a started consumer yield chunks. False, and a warning, where aiokafka is another."""
    if aiokafka.__version__ not in TESTED:
        log.warning(
            "aiokafka %s is not one that records are read as columns with (%s): the lanes read "
            "them one by one, which costs more", aiokafka.__version__, ", ".join(TESTED),
        )  # fmt: skip
        return False
    fetcher = client._fetcher
    # the fetcher's own method, with our classes in place of those that it makes
    theirs = own.Fetcher._proc_fetch_request
    names = theirs.__globals__ | {"PartitionRecords": _Chunks, "MemoryRecords": _Message}
    mine = types.FunctionType(theirs.__code__, names, theirs.__name__, theirs.__defaults__)
    fetcher._proc_fetch_request = types.MethodType(mine, fetcher)
    return True


class _Message:
    """Stands for MemoryRecords: what a fetch gave of one partition."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def has_next(self) -> bool:
        """Whether the first batch is whole: a fetch may end within a batch."""
        if len(self.content) < _MAGIC_AT + 1:
            return False
        return len(self.content) >= 12 + int(struct.unpack_from(">i", self.content, 8)[0])

    def size_in_bytes(self) -> int:
        return len(self.content)


class _Chunks(own.PartitionRecords):  # type: ignore[misc]
    """Yields one chunk where aiokafka yields records; `next_fetch_offset` is behind it."""

    next_fetch_offset: int

    def _unpack_records(self) -> Iterator[Chunk]:
        content = self._records.content
        buffer = np.frombuffer(content, np.uint8)
        table = np.empty((len(content) // HEAD + 1, COUNT + 1), np.int64)
        n = heads(buffer, table)
        if n < 0:  # magic 0 or 1
            yield from self._by_aiokafka(content)
            return
        if n == 0:  # the fetcher has seen that the first one is whole
            raise CorruptRecordException(f"A batch shorter than its head - {self._tp}")
        whole, next_offset = [], self.next_fetch_offset
        for head in table[:n]:
            if self._check_crcs and _crc(content, head) != head[CRC]:
                raise CorruptRecordException(f"Invalid CRC - {self._tp}")
            if self._is_read(content, head):
                whole.append(_Batch(_records_of(content, head), head, next_offset))
            next_offset = int(head[BASE] + head[LAST_DELTA] + 1)
        chunk = _chunk(self._tp.partition, whole)
        self.next_fetch_offset = next_offset
        if len(chunk):
            yield chunk

    def _by_aiokafka(self, content: bytes) -> Iterator[Chunk]:
        self._records = own.MemoryRecords(content)
        records = list(super()._unpack_records())
        if records:
            yield Chunk.of(self._tp.partition, records)

    def _is_read(self, content: bytes, head: I8) -> bool:
        """Whether a batch has records that this isolation level reads (KIP-98)."""
        attributes, producer = int(head[ATTRIBUTES]), int(head[PRODUCER])
        if self._isolation_level == own.READ_COMMITTED and producer != -1:
            self._consume_aborted_up_to(int(head[BASE]))
            if attributes & _CONTROL and _is_abort(_records_of(content, head), head):
                self._aborted_producers.discard(producer)
            if attributes & _TRANSACTIONAL and producer in self._aborted_producers:
                return False
        return not attributes & _CONTROL


def _crc(content: bytes, head: I8) -> int:
    """CRC-32C from the attributes on."""
    return int(calc_crc32c(memoryview(content)[head[START] + 21 : head[END]]))


def _records_of(content: bytes, head: I8) -> memoryview | bytes:
    part = memoryview(content)[head[START] + HEAD : head[END]]
    kind = int(head[ATTRIBUTES]) & _COMPRESSION
    if not kind:
        return part
    try:
        return unpack(kind, part)
    except (pa.ArrowException, OSError, ValueError, EOFError) as error:
        raise CorruptRecordException(f"records that cannot be unpacked: {error!r}") from error


def _is_abort(records: memoryview | bytes, head: I8) -> bool:
    """The key of a control record is its version and its type, two bytes each."""
    found = _parsed([_Batch(records, head, -(2**62))])
    return found.n > 0 and found.key(0)[2:4] == _ABORT


class _Batch(NamedTuple):
    """Unpacked records, their head, and the offset from which on they are read."""

    records: memoryview | bytes
    head: I8
    least: int


class _Parsed(NamedTuple):
    """Records in a buffer that holds them all. values: bytes of them."""

    buffer: U1
    columns: Columns
    n: int
    values: int

    def key(self, i: int) -> bytes:
        first, size = self.columns.key[i].tolist()
        return self.buffer[first : first + size].tobytes()


def _parsed(whole: Sequence[_Batch]) -> _Parsed:
    buffer = np.frombuffer(b"".join([*(b.records for b in whole), bytes(PADDING)]), np.uint8)
    counts = [int(b.head[COUNT]) for b in whole]
    if any(not 0 <= n <= len(buffer) for n in counts):
        raise CorruptRecordException(f"{counts} records in {len(buffer)} bytes")
    columns = Columns.empty(sum(counts), len(buffer))
    n = used = begin = 0
    for part, head, least in whole:
        end, appended = begin + len(part), bool(int(head[ATTRIBUTES]) & _LOG_APPEND)
        n, used = parse_batch(buffer, begin, end, head, appended, least, columns, n, used)
        if n < 0:
            raise CorruptRecordException("a record whose lengths do not agree")
        begin = end
    return _Parsed(buffer, columns, n, used)


def _chunk(partition: int, whole: Sequence[_Batch]) -> Chunk:
    parsed = _parsed(whole)
    c, n, used = parsed.columns, parsed.n, parsed.values
    c.value[used : used + PADDING], c.start[n] = 0, used
    keys: dict[bytes, int] = {}
    first = c.first[: c.groups[0]].tolist()
    numbers = [keys.setdefault(parsed.key(i), len(keys)) for i in first]
    key = np.array(numbers or [0], np.int32)[c.group[:n]]
    records = Records(
        c.value[: used + PADDING], c.start[: n + 1], c.offset[:n], clamped_ns(c.stamp_ms[:n]),
        c.kind[:n], c.shift[:n], c.writer[:n], c.number[:n], np.arange(n),
        _Headers(parsed.buffer, c.headers),
    )  # fmt: skip
    for i in np.flatnonzero(records.kind == UNREAD).tolist():
        _classify(records, i)
    return Chunk(partition, records, tuple(keys) or (NO_KEY,), key, c.stamp_ms[:n])


class _Headers:
    """Headers of records, read when they are asked for."""

    def __init__(self, buffer: U1, spans: I8) -> None:
        self._buffer, self._spans = buffer, spans

    def __getitem__(self, i: int) -> Headers:
        first, end = self._spans[i].tolist()
        return _read_headers(self._buffer[first:end].tobytes())


def _classify(records: Records, i: int) -> None:
    """Kind, shift and number of a record whose headers the kernel does not know."""
    headers = records.headers[i]
    records.kind[i], records.shift_ns[i] = classify(headers)
    if of := numbered(headers):
        records.writer[i], records.number[i] = of


@lru_cache(maxsize=256)
def _read_headers(content: bytes) -> Headers:
    """As aiokafka gives them."""
    try:
        count, at = varint(content, 0)
        found: list[tuple[str, bytes]] = []
        for _ in range(count):
            size, at = varint(content, at)
            name = content[at : at + size].decode()
            length, at = varint(content, at + size)
            value = content[at : at + length] if length >= 0 else None
            found.append((name, value))  # type: ignore[arg-type]  # others send some without value
            at += max(length, 0)
            if size < 0 or at > len(content):
                raise IndexError
    except (IndexError, UnicodeDecodeError):
        count, at = -1, 0
    if count < 0 or at != len(content):
        raise CorruptRecordException("headers whose lengths do not agree")
    return tuple(found)
