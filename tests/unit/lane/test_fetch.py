"""Record batches as columns give what aiokafka gives of the same bytes, record by record."""

from __future__ import annotations

import gzip
import logging
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import aiokafka
import numpy as np
import pyarrow as pa
import pytest
from aiokafka import TopicPartition
from aiokafka.consumer import fetcher as own
from aiokafka.errors import CorruptRecordException, KafkaError
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from aiokafka.record.util import calc_crc32c

from agents.lane import fetch
from agents.lane.chunk import Chunk
from agents.lane.codecs import unpack
from agents.lane.fetch import _Chunks, _Message
from pipeline.packets.record_batches import BASE, COUNT, HEAD, LAST_DELTA, START, heads
from schemas.records import (
    CONTROL_HEADERS,
    PACKETS_HEADERS,
    TICK_HEADERS,
    Numbered,
    with_number,
    with_time_offset,
)


def xerial(content: bytes) -> bytes:
    """Blocks of snappy in the frame of Java clients."""
    framed = b"\x82SNAPPY\x00" + struct.pack(">ii", 1, 1)
    for i in range(0, len(content), 1000):
        block = pa.compress(content[i : i + 1000], "snappy", asbytes=True)
        framed += struct.pack(">i", len(block)) + block
    return framed


def stream(codec: str) -> Callable[[bytes], bytes]:
    def packed(content: bytes) -> bytes:
        sink = pa.BufferOutputStream()
        with pa.CompressedOutputStream(sink, codec) as out:
            out.write(content)
        return sink.getvalue().to_pybytes()

    return packed


PACK: dict[int, Callable[[bytes], bytes]] = {
    1: gzip.compress, 2: xerial, 3: stream("lz4"), 4: stream("zstd"),
}  # fmt: skip
Rng = np.random.Generator
PART = TopicPartition("telemetry.raw", 3)
COMPRESSIONS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
HEADERS = [
    PACKETS_HEADERS, TICK_HEADERS, CONTROL_HEADERS, (),
    with_number(PACKETS_HEADERS, Numbered(0xFFFFFFFFFFFFFFFF, 12)),
    with_number(TICK_HEADERS, Numbered(0xAB, 2**61)), with_time_offset(PACKETS_HEADERS, -77),
    with_number(with_time_offset(TICK_HEADERS, 5), Numbered(1, 2)),
    (("version", b"1"), ("kind", b"packets")), (("kind", b"packets"), ("version", b"2")),
    (*PACKETS_HEADERS, ("ingest", b"0x1:2")), (*PACKETS_HEADERS, ("ingest", b"1:-2")),
    (*PACKETS_HEADERS, ("ingest", b"1:2:3")), (*PACKETS_HEADERS, ("ingest", b":2")),
    (*PACKETS_HEADERS, ("ingest", b"")), (*PACKETS_HEADERS, ("ingest", b"11111111111111111:2")),
    (*PACKETS_HEADERS, ("ingest", b"A:1")), (*TICK_HEADERS, ("trace", b"x" * 200)),
    (("kind", None), ("ünïcode", b"\xff")), (*PACKETS_HEADERS, PACKETS_HEADERS[0]),
]  # fmt: skip


def batch(
    rng: Rng, base: int, records: int, compression: int = 0, producer: int = -1,
    transactional: bool = False, appended: bool = False, holes: bool = False,
) -> bytes:  # fmt: skip
    """A batch of magic 2 as a broker stores it: with a base offset, and its CRC."""
    builder = DefaultRecordBatchBuilder(
        2, 0, transactional, producer, 0 if producer >= 0 else -1, 0, 1 << 24
    )
    for i in range(records):
        if holes and i and rng.random() < 0.3:
            continue  # compaction took it
        size = int(rng.choice([0, 1, 20, 300, 20_000], p=[0.1, 0.2, 0.4, 0.29, 0.01]))
        key = (None, b"", b"hl1", b"hl2", bytes(rng.integers(0, 256, 3, np.uint8)))
        value = None if rng.random() < 0.05 else rng.bytes(size)
        chosen = key[int(rng.integers(0, 5))]
        if chosen is None and value is None:
            chosen = b"k"
        stamp = int(rng.integers(0, 2**42)) if i else 2**41
        headers = list(HEADERS[int(rng.integers(0, len(HEADERS)))])
        assert builder.append(i, stamp, chosen, value, headers) is not None
    made = bytearray(builder.build())
    struct.pack_into(">q", made, 0, base)
    struct.pack_into(">i", made, 23, records - 1)
    if compression:  # by other codecs than the client's, of which it has gzip alone
        made[22] |= compression
        made[HEAD:] = PACK[compression](bytes(made[HEAD:]))
        struct.pack_into(">i", made, 8, len(made) - 12)
    if appended:
        made[22] |= 8
        struct.pack_into(">q", made, 35, 2**41 + 5)
    return sealed(made)


def marker(base: int, producer: int, abort: bool) -> bytes:
    """The control batch that ends a transaction (KIP-98)."""
    builder = DefaultRecordBatchBuilder(2, 0, True, producer, 0, 0, 1 << 20)
    builder.append(0, 0, struct.pack(">hh", 0, 0 if abort else 1), bytes(6), [])
    made = bytearray(builder.build())
    made[22] |= 32
    struct.pack_into(">q", made, 0, base)
    return sealed(made)


def sealed(made: bytearray) -> bytes:
    struct.pack_into(">I", made, 17, calc_crc32c(bytes(made[21:])))
    return bytes(made)


def theirs(
    content: bytes, offset: int, level: int, aborted: list[tuple[int, int]]
) -> tuple[Chunk | None, int]:
    read = own.PartitionRecords(
        PART, own.MemoryRecords(content), list(aborted), offset, None, None, True, level
    )
    records = list(read)
    return (Chunk.of(3, records) if records else None), read.next_fetch_offset


def ours(
    content: bytes, offset: int, level: int, aborted: list[tuple[int, int]]
) -> tuple[Chunk | None, int]:
    message = _Message(content)
    assert message.has_next() == own.MemoryRecords(content).has_next()
    read = _Chunks(PART, message, list(aborted), offset, None, None, True, level)
    chunks = list(read)
    assert len(chunks) <= 1
    return (chunks[0] if chunks else None), read.next_fetch_offset


def same(a: Chunk | None, b: Chunk | None) -> None:
    if a is None or b is None:
        assert a is b
        return
    assert a.partition == b.partition
    assert a.records.offset.tolist() == b.records.offset.tolist()
    assert a.stamp_ms.tolist() == b.stamp_ms.tolist()
    for name in ("timestamp_ns", "kind", "shift_ns", "writer", "number"):
        assert getattr(a.records, name).tolist() == getattr(b.records, name).tolist(), name
    for i in range(len(a)):
        assert a.records.one(i) == b.records.one(i)
        assert a.keys[a.key[i]] == b.keys[b.key[i]]
        assert a.source(i) == b.source(i)
    where = {s: p.tolist() for s, p in a.by_source().items()}
    assert where == {s: p.tolist() for s, p in b.by_source().items()}


def log_of(rng: Rng) -> tuple[bytes, list[tuple[int, int]], int]:
    """Batches of a log: plain ones, transactions that were committed and aborted, interleaved.

    Returns its bytes, the aborted transactions (producer, first offset), and its end.
    """
    parts, aborted, base = [], [], int(rng.integers(0, 1000))
    open_: dict[int, int] = {}
    for _ in range(int(rng.integers(1, 12))):
        producer = int(rng.integers(-1, 3))
        if producer >= 0 and producer in open_ and rng.random() < 0.5:
            abort = rng.random() < 0.5
            if abort:
                aborted.append((producer, open_[producer]))
            del open_[producer]
            parts.append(marker(base, producer, abort))
            base += 1
            continue
        n = int(rng.integers(1, 40))
        parts.append(
            batch(
                rng, base, n, int(rng.integers(0, 2)), producer, producer >= 0,
                rng.random() < 0.3, rng.random() < 0.3,
            )
        )  # fmt: skip
        if producer >= 0:
            open_.setdefault(producer, base)
        base += n + int(rng.integers(0, 3))
    return b"".join(parts), aborted, base


@pytest.mark.parametrize("seed", range(40))
def test_equal_to_the_client(seed: int) -> None:
    """Both isolation levels, from any offset, also where the fetch ends within a batch."""
    rng = np.random.default_rng(seed)
    content, aborted, end = log_of(rng)
    table = np.empty((len(content) // HEAD, COUNT + 1), np.int64)
    batches = table[: heads(np.frombuffer(content, np.uint8), table)]
    assert batches[-1, BASE] + batches[-1, LAST_DELTA] < end
    for level in (own.READ_UNCOMMITTED, own.READ_COMMITTED):
        for cut in (len(content), int(rng.integers(0, len(content)))):
            # a broker begins with the batch that holds the offset
            first = batches[int(rng.integers(0, len(batches)))]
            offset = int(first[BASE] + rng.integers(0, first[LAST_DELTA] + 1))
            given = content[first[START] : cut], offset, level, aborted
            if not own.MemoryRecords(given[0]).has_next():
                continue  # the fetcher asks before it reads
            (want, behind), (got, after) = theirs(*given), ours(*given)
            same(want, got)
            assert after == behind


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_every_compression(compression: str, rng: Rng) -> None:
    """What the client gives of the same records unpacked."""
    seed = int(rng.integers(0, 2**32))
    packed, plain = (
        b"".join(batch(np.random.default_rng(seed + i), 100 * i, 100, kind) for i in range(3))
        for kind in (COMPRESSIONS[compression], 0)
    )
    want, got = theirs(plain, 0, 1, []), ours(packed, 0, 1, [])
    same(want[0], got[0])
    assert want[1] == got[1] == 300
    assert len(packed) < len(plain) or compression == "none"


@pytest.mark.parametrize("compression", [c for c in COMPRESSIONS if c != "none"])
@pytest.mark.parametrize("seed", range(10))
def test_what_cannot_be_unpacked_is_refused(compression: str, seed: int) -> None:
    """The CRC is good, and what is packed is not. No other error ends the lane; gzip alone has a
    checksum, the others may give the bytes of a value wrong."""
    rng = np.random.default_rng(seed)
    made = bytearray(batch(rng, 0, 30, COMPRESSIONS[compression]))
    for at in rng.integers(HEAD, len(made), 20).tolist():
        made[at] ^= int(rng.integers(1, 256))
    refused = pytest.raises(CorruptRecordException)
    with refused if compression == "gzip" else suppress(CorruptRecordException):
        ours(sealed(made), 0, 1, [])
    half = made[: HEAD + (len(made) - HEAD) // 2]
    struct.pack_into(">i", half, 8, len(half) - 12)
    with pytest.raises(CorruptRecordException, match=r"unpacked|agree"):
        ours(sealed(half), 0, 1, [])


def test_a_batch_shorter_than_its_head_is_refused() -> None:
    """Passed over in silence, it would be fetched again and again."""
    made = bytearray(20)
    struct.pack_into(">i", made, 8, 8)
    made[16] = 2
    with pytest.raises(CorruptRecordException, match="shorter than its head"):
        ours(bytes(made), 0, 1, [])


def test_a_bare_block_of_snappy(rng: Rng) -> None:
    content = rng.bytes(1000)
    assert unpack(2, memoryview(pa.compress(content, "snappy", asbytes=True))) == content


@pytest.mark.parametrize("magic", [0, 1])
def test_older_formats_are_left_to_the_client(magic: int, rng: Rng) -> None:
    builder = LegacyRecordBatchBuilder(magic, 0, 1 << 20)
    for i in range(20):
        builder.append(i, int(rng.integers(0, 2**40)), b"hl1", rng.bytes(30))
    content = bytes(builder.build())
    want, got = (read(content, 0, 0, []) for read in (theirs, ours))
    same(want[0], got[0])
    assert want[1] == got[1]
    assert len(got[0] or ()) == 20


@pytest.mark.parametrize("seed", range(200))
def test_damage_is_refused_and_reaches_no_other_memory(seed: int) -> None:
    """Bits flipped anywhere, the CRC made good again or not: an error of the client's kind, or the
    records that the client gives as well."""
    rng = np.random.default_rng(seed)
    made = bytearray(batch(rng, 0, 30, 0))
    for _ in range(int(rng.integers(1, 4))):
        made[int(rng.integers(12, len(made)))] ^= 1 << int(rng.integers(0, 8))
    content = sealed(made) if seed % 2 else bytes(made)
    results: list[Any] = []
    for read in (theirs, ours):
        try:
            results.append(read(content, 0, 1, []))
        except (KafkaError, UnicodeDecodeError) as error:
            results.append(error)
    if isinstance(results[1], Exception):
        assert isinstance(results[1], CorruptRecordException | UnicodeDecodeError)
    elif not isinstance(results[0], Exception):
        same(results[0][0], results[1][0])


def test_an_unknown_client_is_left_as_it_is(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(aiokafka, "__version__", "0.99")
    nothing: Callable[..., Any] = object  # type: ignore[assignment]
    with caplog.at_level(logging.WARNING):
        assert not fetch.columnar(nothing)  # type: ignore[arg-type]
    assert "aiokafka 0.99 is not one that records are read as columns with (0.14.0)" in caplog.text
