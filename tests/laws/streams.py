"""Streams of numbers and records with all that goes wrong."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.simulate import TABLES
from schemas.columns import (
    Quality,
)
from schemas.records import (
    PACKETS_HEADERS,
    TICK_HEADERS,
    Numbered,
    RawRecord,
    encode_packets,
    encode_tick,
    with_number,
)
from tests.laws.case import LONG, SECOND, F, N, Rng


def wild_numbers(rng: Rng, n: int = N) -> tuple[Any, Any, Any]:
    """Times, values and quality with all that goes wrong: gaps, repeats, NaN, steps, infinities."""
    step = rng.choice([0, SECOND // 5, SECOND, 20 * SECOND], n, p=[0.05, 0.55, 0.38, 0.02])
    time = 1_700_000_000 * SECOND + np.cumsum(step) + int(rng.integers(SECOND))
    drift = np.linspace(0, 30, n)[:, None] * rng.normal(0, 1, F)
    value = 1e9 * (rng.random(F) < 0.3) + drift + rng.normal(0, 1, (n, F))
    value[rng.random((n, F)) < 0.02] = np.nan
    value[:, 0] = 42.0
    value[n // 2 :, 1] += 100.0
    value[rng.random((n, F)) < 0.003] = 1e300
    value[rng.random((n, F)) < 0.003] = 5e-324
    quality = np.where(np.isnan(value), int(Quality.INVALID), 0).astype(np.uint8)
    quality[rng.random((n, F)) < 0.02] |= int(Quality.HELD)
    quality[rng.random((n, F)) < 0.01] |= int(Quality.AFTER_GAP)
    return time.astype(np.int64), value, quality


def long_numbers(rng: Rng) -> tuple[Any, Any, Any]:
    """The same for long, and with few gaps: long enough for records to be made and broken."""
    time, value, quality = wild_numbers(rng, LONG)
    quality[rng.random((LONG, F)) < 0.999] &= ~np.uint8(Quality.AFTER_GAP)
    value[:, 2] += 20 * (rng.random(LONG) < 0.01)
    return time, value, quality


def spectrum_numbers(rng: Rng) -> tuple[Any, Any, Any]:
    """Tones in noise, with outliers that make records: a spectrum comes every sixteen rows only."""
    n = 3 * LONG
    _, _, quality = wild_numbers(rng, n)
    quality[rng.random((n, F)) < 0.999] = 0
    time = np.arange(n)[:, None]
    value = np.sin(time * (0.9 + 0.1 * np.arange(F))) + rng.normal(0, 0.1, (n, F))
    value += np.where(time > 0.8 * n, 3 * rng.standard_cauchy((n, F)), 0.0)
    return np.arange(n) * SECOND, value, quality


def late_numbers(rng: Rng) -> tuple[Any, Any, Any]:
    """Out of order by a little and by a lot, with jumps ahead and back."""
    time, value, quality = wild_numbers(rng)
    time = time + rng.normal(0, SECOND, N).astype(np.int64)
    time[rng.random(N) < 0.02] += 10_000 * SECOND
    time[rng.random(N) < 0.02] -= 500 * SECOND
    value[np.abs(value) > 1e200] = np.nan
    return time, value, quality


def raw_records(rng: Rng) -> list[RawRecord]:
    """Good runs of packets, ticks, and everything that may stand in a record by mistake."""
    records: list[RawRecord] = []
    sequence = dict.fromkeys((t.apid for t in TABLES), 0)
    now = 1_700_000_000 * SECOND
    for offset in range(N):
        now += int(rng.integers(0, SECOND))
        kind = rng.random()
        if kind < 0.1:
            records.append(RawRecord(offset, encode_tick(now), TICK_HEADERS))
            continue
        packets = [_vehicle_packet(rng, sequence, now) for _ in range(rng.integers(1, 5))]
        value = encode_packets([now] * len(packets), b"".join(packets))
        headers: Any = PACKETS_HEADERS
        if kind < 0.14:
            value = value[: int(rng.integers(0, len(value)))]
        elif kind < 0.18:
            value = rng.bytes(int(rng.integers(0, 80)))
        elif kind < 0.2:
            headers = (("kind", b"control"), ("version", b"1"))
        elif kind < 0.24:
            value, headers = packets[0], ()
        elif kind < 0.26:
            headers = (*PACKETS_HEADERS, ("time_offset_ns", b"5000000000"))
        records.append(RawRecord(offset, value, headers, now))
    return records


def repeated_records(rng: Rng) -> list[RawRecord]:
    """Records of three writers, which send again what they are not sure of."""
    given = raw_records(rng)
    out, number = [], [0, 0, 0]
    for offset, record in enumerate(given):
        who = int(rng.integers(0, 3))
        if rng.random() < 0.05:
            number[who] = max(0, number[who] - int(rng.integers(0, 20)))
        headers = with_number(record.headers, Numbered(who, number[who]))
        number[who] += 1
        out.append(RawRecord(offset, record.value, headers, record.timestamp_ns))
    return out


def clock_records(rng: Rng) -> list[RawRecord]:
    """A clock that is set twice, recorded data beside it, and stamps that are off."""
    records: list[RawRecord] = []
    sequence = dict.fromkeys([TABLES[0].apid, TABLES[1].apid], 0)
    now = 1_700_000_000 * SECOND
    for offset in range(N):
        now += SECOND // 5
        if offset % 5 == 4:
            records.append(RawRecord(offset, encode_tick(now), TICK_HEADERS))
            continue
        shift = (0, -3600, 100)[3 * offset // N] * SECOND
        packets = []
        for apid in sequence:
            away = 0 if rng.random() < 0.95 else int(rng.integers(-86400, 86400)) * SECOND
            packets.append(_packet_of(rng, apid, sequence, (now + shift + away) // 1000))
            if rng.random() < 0.3:
                packets.append(_packet_of(rng, apid, sequence, (now - 10_000 * SECOND) // 1000))
        value = encode_packets([now] * len(packets), b"".join(packets))
        records.append(RawRecord(offset, value, PACKETS_HEADERS, now))
    return records


def _packet_of(rng: Rng, apid: int, sequence: dict[int, int], time_us: int) -> bytes:
    """A packet whose values cross few of its limits; random floats could be anything."""
    size = _WIDTH[apid]
    sequence[apid] += 1
    head = (0x0800 | apid).to_bytes(2, "big")
    head += (0xC000 | sequence[apid] % 16384).to_bytes(2, "big") + (size - 7).to_bytes(2, "big")
    level = rng.choice([b"\x41\x20", b"\x49\x20"]) if rng.random() < 0.1 else b"\x41\x20"
    return head + time_us.to_bytes(8, "big") + (level * size)[: size - 14]


_WIDTH = {t.apid: 14 + sum(int(c.encoding[1]) for c in t.columns) for t in TABLES}


def _vehicle_packet(rng: Rng, sequence: dict[int, int], now: int) -> bytes:
    apid = int(rng.choice([*sequence, 999, 2047]))
    size = _WIDTH.get(apid, 20) + (int(rng.integers(-3, 4)) if rng.random() < 0.05 else 0)
    count = sequence.get(apid, 0)
    sequence[apid] = count + int(rng.choice([0, 1, 2], p=[0.02, 0.95, 0.03]))
    head = (0x0800 | apid).to_bytes(2, "big") + (0xC000 | count % 16384).to_bytes(2, "big")
    time = (now // 1000 + int(rng.integers(-2000000, 10))).to_bytes(8, "big")
    return head + (size - 7).to_bytes(2, "big") + time + rng.bytes(size - 14)
