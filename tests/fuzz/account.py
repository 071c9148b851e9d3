"""Law 6 over records, told a second time by code that reads like docs/raw.md and is slow."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.columns import PacketBatch, Rejects
from schemas.records import Kind, RawRecord, classify
from schemas.space_packet import IDLE_APID


def account(records: Sequence[RawRecord], batch: PacketBatch, refused: Rejects) -> None:
    """Framing, packets, idle packets and the refused range make up each record, byte by byte."""
    starts = batch.start - batch.record_start[batch.record]
    found: dict[int, list[tuple[int, int]]] = {}
    for r, s, n in zip(batch.record.tolist(), starts.tolist(), batch.length.tolist(), strict=True):
        if n:
            found.setdefault(r, []).append((s, n))
    lost: dict[int, tuple[int, int]] = {}
    for r, s, n in zip(
        refused.record.tolist(), refused.start.tolist(), refused.length.tolist(), strict=True
    ):
        assert r not in lost
        lost[r] = (s, n)
    for i, record in enumerate(records):
        packets, rest = expected(record)
        assert found.get(i, []) == packets, f"record {i}"
        assert lost.get(i) == rest, f"record {i}"


def expected(record: RawRecord) -> tuple[list[tuple[int, int]], tuple[int, int] | None]:
    """(start, length) of the packets that are not idle, and the range that is refused."""
    value, size = record.value, len(record.value)
    kind, _ = classify(record.headers)
    if kind == Kind.UNKNOWN:
        return [], (0, size)
    if kind == Kind.CONTROL:  # told of by the chain
        return [], None
    if kind == Kind.TICK:
        return [], None if size == 8 else (0, size)
    if kind == Kind.CONTROL:  # the chain reads it, and refuses what it does not understand
        return [], None
    at, count = 0, 1
    if kind == Kind.PACKETS:
        count = int.from_bytes(value[:4], "big")
        at = 4 + 8 * count
        if size < 4 or at > size or 15 * count > size:
            return [], (0, size)
    packets = []
    for _ in range(count):
        length = int.from_bytes(value[at + 4 : at + 6], "big") + 7
        if at + 7 > size or at + length > size or value[at] >> 5:
            return packets, (at, size - at)
        if int.from_bytes(value[at : at + 2], "big") & 2047 != IDLE_APID:
            packets.append((at, length))
        at += length
    return packets, (at, size - at) if at < size else None
