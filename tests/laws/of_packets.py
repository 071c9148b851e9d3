"""Cases of packets: scanner, reader, segments, decoder, samples."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np

from pipeline.decode import Decoder
from pipeline.outputs.samples import Samples
from pipeline.packets import PacketReader, Reassembler, Scanner
from pipeline.packets.digest import InputDigest
from schemas.records import (
    PACKETS_HEADERS,
    TICK_HEADERS,
    RawRecord,
    Records,
    encode_packets,
    encode_tick,
)
from tests.laws.case import SECOND, Case, N, Rng, as_bytes
from tests.laws.streams import raw_records, repeated_records
from tests.laws.vehicle import vehicle_mission, vehicle_plans

GROUND = 9  # bytes of a ground header


class _Decoding:
    """Decoder and reader together: packets come from records."""

    def __init__(self) -> None:
        self.reader, self.decoder = PacketReader(), Decoder(vehicle_plans())

    def snapshot(self) -> Any:
        return self.reader.snapshot()

    def restore(self, state: Any) -> None:
        self.reader.restore(state)


def _feed_decoding(stage: _Decoding, stream: list[RawRecord], a: int, b: int) -> bytes:
    batch, refused = stage.reader.feed(stream[a:b])
    out = stage.decoder.feed(batch)
    rows = [
        (
            int(batch.record[p]) + a,
            int(p),
            r.container,
            as_bytes(r.time_ns[i], r.raw[i], r.eng[i], r.quality[i]),
        )
        for r in out.rows
        for i, p in enumerate(r.packet)
    ]
    rejected = [
        (
            int(x.record[i]) + a,
            10**9,
            0,
            as_bytes(x.reason[i], x.start[i], x.length[i], x.offset[i]),
        )
        for x in (refused, out.rejects)
        for i in range(len(x))
    ]
    return b"".join(row[3] for row in sorted([*rows, *rejected]))


def _feed_reader(stage: PacketReader, stream: list[RawRecord], a: int, b: int) -> bytes:
    batch, refused = stage.feed(stream[a:b])
    n = len(batch)
    columns = (
        batch.length,
        batch.apid,
        batch.seq_count,
        batch.reception_ns,
        batch.offset,
        batch.duplicate,
    )
    rows = [(int(batch.record[i]) + a, 0, as_bytes(*(c[i] for c in columns))) for i in range(n)]
    rows += [
        (
            int(refused.record[i]) + a,
            1,
            as_bytes(refused.reason[i], refused.start[i], refused.length[i]),
        )
        for i in range(len(refused))
    ]
    return b"".join(r[2] for r in sorted(rows, key=lambda r: r[:2]))


SEGMENTED = (7, 8)


def segments(rng: Rng) -> list[RawRecord]:
    """Segments of two APIDs and packets of a third; some lost, some repeated, some late, ticks."""
    count = {7: 16000, 8: 3, 9: 0}
    left = dict.fromkeys(count, 0)
    packets = []
    for _ in range(4 * N):
        apid = int(rng.choice([*count]))
        flags = 3 if apid == 9 else _flags(rng, left, apid)
        size = int(rng.integers(1, 40))
        second = (flags << 14 | count[apid] % 16384).to_bytes(2, "big")
        head = (0x0800 | apid).to_bytes(2, "big") + second
        packets.append(head + (size - 1).to_bytes(2, "big") + rng.bytes(size))
        count[apid] += 1
    for i in np.flatnonzero(rng.random(len(packets)) < 0.02):
        packets[i] = packets[max(0, i - int(rng.integers(0, 4)))]  # one lost, and one late or twice
    records = []
    for offset in range(N):
        if rng.random() < 0.05:
            records.append(RawRecord(offset, encode_tick(offset * SECOND), TICK_HEADERS))
            continue
        some, packets = packets[:4], packets[4:]
        value = encode_packets([offset * SECOND] * len(some), b"".join(some))
        records.append(RawRecord(offset, value, PACKETS_HEADERS))
    return records


def _flags(rng: Rng, left: dict[int, int], apid: int) -> int:
    """Unsegmented, or the next of a packet of up to seven segments."""
    if not left[apid]:
        if rng.random() < 0.2:
            return 3
        left[apid] = int(rng.integers(1, 7))
        return 1
    left[apid] -= 1
    return 0 if left[apid] else 2


class _Reassembling:
    def __init__(self) -> None:
        self.reader, self.reassembly = PacketReader(), Reassembler(SEGMENTED)

    def snapshot(self) -> Any:
        return self.reader.snapshot(), self.reassembly.snapshot()

    def restore(self, state: Any) -> None:
        self.reader.restore(state[0])
        self.reassembly.restore(state[1])


def _feed_reassembly(stage: _Reassembling, stream: list[RawRecord], a: int, b: int) -> bytes:
    batch, refused = stage.reader.feed(stream[a:b])
    assert not len(refused)
    out, lost = stage.reassembly.feed(batch)
    came = out.source_start - out.record_start[out.record]
    columns = (
        out.length, out.apid, out.seq_count, out.reception_ns, out.offset, out.duplicate,
        out.source_length, came,
    )  # fmt: skip
    rows = [
        (
            int(out.record[i]) + a,
            0,
            i,
            bytes(out.data[out.start[i] : out.start[i] + out.length[i]])
            + as_bytes(*(c[i] for c in columns)),
        )
        for i in range(len(out))
    ]
    rows += [
        (int(lost.record[i]) + a, 1, i,
         as_bytes(lost.reason[i], lost.offset[i], lost.start[i], lost.length[i]))
        for i in range(len(lost))
    ]  # fmt: skip
    return b"".join(r[3] for r in sorted(rows))


def _feed_samples(stage: Any, stream: list[RawRecord], a: int, b: int) -> bytes:
    batch, _ = stage.decoding.reader.feed(stream[a:b])
    out = stage.decoding.decoder.feed(batch)
    return b"".join(b.record for b in stage.samples.feed(batch, out.flat))


class _Sampling:
    def __init__(self) -> None:
        mission = vehicle_mission()
        often = replace(mission.settings.outputs, samples="both", period_s=2.0)
        mission = replace(mission, settings=replace(mission.settings, outputs=often))
        self.decoding = _Decoding()
        self.samples = Samples(mission, vehicle_plans().plans, {})

    def snapshot(self) -> Any:
        return self.decoding.snapshot(), self.samples.snapshot()

    def restore(self, state: Any) -> None:
        self.decoding.restore(state[0])
        self.samples.restore(state[1])


def _values(rng: Rng) -> list[RawRecord]:
    """Some records bring a block to its end by themselves."""
    sizes = rng.choice([0, 20, 700, 20_000], N, p=[0.1, 0.4, 0.49, 0.01])
    return [RawRecord(i, rng.bytes(int(n)), ()) for i, n in enumerate(sizes)]


def _feed_digest(stage: InputDigest, stream: list[RawRecord], a: int, b: int) -> bytes:
    digests = stage.feed(Records.of(stream[a:b]))
    return b"".join(digests[i] for i in range(b - a))


def byte_stream(rng: Rng) -> bytes:
    """Packets of three APIDs with garbage between them and false lengths. The first two are good,
    so that there is some output, whatever follows."""
    parts = []
    for i in range(60):
        size = int(rng.integers(1, 60))
        lie = int(rng.integers(0, 90)) if rng.random() < 0.05 and i > 1 else 0
        head = (0x0800 | int(rng.choice([5, 6, 7, 2047] if i > 1 else [5]))).to_bytes(2, "big")
        parts.append(
            head
            + (0xC000 | i).to_bytes(2, "big")
            + (size - 1 + lie).to_bytes(2, "big")
            + rng.bytes(size)
        )
        if rng.random() < 0.1 and i > 1:
            parts.append(rng.bytes(int(rng.integers(1, 40))))
    return b"".join(parts)


def with_ground_headers(rng: Rng) -> bytes:
    """The same, each packet behind nine random bytes, which are cut short now and then."""
    parts = []
    for i in range(60):
        size = int(rng.integers(1, 60))
        head = (0x0800 | int(rng.choice([5, 6, 7]))).to_bytes(2, "big")
        count = (0xC000 | i).to_bytes(2, "big")
        packet = head + count + (size - 1).to_bytes(2, "big") + rng.bytes(size)
        parts.append(rng.bytes(4 if rng.random() < 0.05 and i > 1 else GROUND) + packet)
        if rng.random() < 0.1 and i > 1:
            parts.append(rng.bytes(int(rng.integers(1, 40))))
    return b"".join(parts)


class _Scanning:
    """A scanner and its pending bytes; a snapshot is a copy of its attributes."""

    def __init__(self, ground_header: int = 0) -> None:
        self.scanner = Scanner([5, 6, 7], ground_header)

    def snapshot(self) -> Any:
        return deepcopy(vars(self.scanner))

    def restore(self, state: Any) -> None:
        vars(self.scanner).update(deepcopy(state))


def _feed_scanner(stage: _Scanning, stream: bytes, a: int, b: int) -> bytes:
    s = stage.scanner.feed(stream[a:b])
    packets = [bytes(s.data[x : x + n]) for x, n in zip(s.start, s.length, strict=True)]
    return b"".join(packets)


CASES = [
    Case("scanner", _Scanning, byte_stream, _feed_scanner, 2000),
    Case(
        "scanner behind ground headers",
        lambda: _Scanning(GROUND),
        with_ground_headers,
        _feed_scanner,
        2000,
    ),
    Case("reader", PacketReader, raw_records, _feed_reader),
    Case("reader, repeats", PacketReader, repeated_records, _feed_reader),
    Case("reassembly", _Reassembling, segments, _feed_reassembly),
    Case("decode", _Decoding, raw_records, _feed_decoding),
    Case("samples", _Sampling, raw_records, _feed_samples),
    Case("digest", InputDigest, _values, _feed_digest),
]
