"""Every stage, in the one shape that the laws ask for. A new stage joins by a line in CASES.

A case makes a stage, makes a stream of input from a generator, and feeds a piece [a, b) of the
stream to the stage, returning the bytes of what came out.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pipeline.alarms.change import ChangeLimits
from pipeline.alarms.flapping import Flapping
from pipeline.alarms.loss_of_signal import LossOfSignal
from pipeline.alarms.monitor import Monitor
from pipeline.alarms.stale import Stale
from pipeline.alarms.static import NO_CHOICE, Limits, Ranges
from pipeline.chain import Chain
from pipeline.decode import Decoder, compile_plans
from pipeline.formats.importing import mission_toml
from pipeline.formats.xtce import write_xtce
from pipeline.mission.folder import Mission, load_mission
from pipeline.models.activity import Activity
from pipeline.models.bands import Bands
from pipeline.models.corridor import Corridor
from pipeline.models.coupled import Coupled
from pipeline.models.departure import Departure
from pipeline.models.fatigue import Fatigue
from pipeline.models.flat import Flat
from pipeline.models.forecaster import Forecaster
from pipeline.models.level import LevelModel
from pipeline.models.residual import Residual
from pipeline.models.resonance import Resonance
from pipeline.models.seasonal import Seasonal
from pipeline.models.shape import Shape
from pipeline.models.shared.contract import GroupParameter
from pipeline.models.shared.phased import Phased
from pipeline.models.time_to_limit import TimeToLimit
from pipeline.models.voting import Voting
from pipeline.outputs.evidence import Origin
from pipeline.outputs.ledger import Ledger
from pipeline.outputs.pending import Pending
from pipeline.outputs.samples import Samples, SamplesEncoder
from pipeline.packets import PacketReader, Reassembler, Scanner
from pipeline.simulate import SYSTEM, TABLES
from pipeline.statistics import Statistics
from pipeline.timeline.order import Order
from pipeline.timeline.phases import Phases, phase_of
from pipeline.timeline.resample import Resample
from pipeline.timeline.unwrap import Unwrap
from schemas import topics
from schemas.columns import (
    Grid,
    Heard,
    Ordered,
    Output,
    PacketBatch,
    Quality,
    Rows,
    Scores,
    Stage,
)
from schemas.mission import IntegerEncoding, ParameterType
from schemas.records import (
    PACKETS_HEADERS,
    TICK_HEADERS,
    Numbered,
    RawRecord,
    encode_packets,
    encode_tick,
    with_number,
)
from schemas.settings import (
    BandsRule,
    CorridorRule,
    CoupledRule,
    DepartureRule,
    FatigueRule,
    FlatRule,
    RecordRule,
    ResampleRule,
    ResidualRule,
    ResonanceRule,
    SeasonalRule,
    TimeSettings,
    TimeToLimitRule,
    VotingRule,
    WindowSettings,
)
from schemas.state import Composite
from tests.laws.gated_cases import gated_chain

SECOND = 1_000_000_000
F = 5  # parameters of the streams of numbers
N = 600  # items of a stream
LONG = 3000
GROUND = 9  # bytes of a ground header
Rng = np.random.Generator


@dataclass(frozen=True)
class Case:
    name: str
    make: Callable[[], Any]
    stream: Callable[[Rng], Any]
    feed: Callable[[Any, Any, int, int], bytes]
    length: int = N


# --- streams ---------------------------------------------------------------------------------


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
    """Tones in noise, with what makes records: a spectrum comes every sixteen rows only."""
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
    """Of three writers who send again what they are not sure of."""
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
    """Values that few of its limits are crossed by: random floats would be anything."""
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


# --- stages ----------------------------------------------------------------------------------


def _bytes(*arrays: Any) -> bytes:
    return b"".join(np.ascontiguousarray(a).tobytes() for a in arrays)


def _batch(n: int, reception: Any) -> PacketBatch:
    z = np.zeros(n, np.int64)
    return PacketBatch(
        np.zeros(16, np.uint8), z, np.ones(n, np.int32), np.zeros(n, np.uint16),
        np.zeros(n, np.uint16), reception, z, np.arange(n), np.zeros(n, np.uint8),
        np.arange(n, dtype=np.int32), z, digests=(bytes(32),) * n,
    )  # fmt: skip


def _rows(time: Any, value: Any, quality: Any) -> Rows:
    n = len(time)
    raw = np.zeros((n, F), np.uint64)
    choice = np.stack([time // 1000 % 2, time // 3000 % 2], 1).astype(np.uint8)
    return Rows(
        0, np.arange(n), time, raw, value.copy(), quality.copy(), choice, np.zeros(0, np.uint8)
    )


def _feed_order(stage: Order, stream: Any, a: int, b: int) -> bytes:
    time, value, quality = (s[a:b] for s in stream)
    batch = _batch(b - a, time + 5)
    every = np.arange(a, b)
    ticks = np.flatnonzero(every % 7 == 0)
    rows = _rows(time, value, quality)
    keep = every % 7 != 0
    rows = Rows(
        0, np.flatnonzero(keep), time[keep], rows.raw[keep], rows.eng[keep],
        rows.quality[keep], rows.choice[keep], rows.data,
    )  # fmt: skip
    found = stage.feed(batch, rows, ticks)
    steps, kinds = found.steps, zip(found.kind, found.judged_ns, strict=True)
    events = [
        (int(rows.packet[i]) + a, 0, 0, _bytes(kind, judged))
        for i, (kind, judged) in enumerate(kinds)
    ]
    events += [(int(p) + a, 1, 0, b"late") for p in found.late.packet]
    events += [
        (int(p) + a, 2, 0, _bytes(steps.before_ns[i], steps.after_ns[i], steps.step_ns[i]))
        for i, p in enumerate(steps.packet)
    ]
    for piece in found.pieces:
        if piece.anew:
            events.append((piece.packet + a, 4, 0, b"anew"))
        out = piece.ordered
        events += [
            (int(out.packet[i]) + a, 5 if out.packet[i] == piece.packet else 3, i,
             _bytes(out.time_ns[i], out.eng[i], out.quality[i]))
            for i in range(len(out.packet))
        ]  # fmt: skip
        events += [
            (int(out.advance_packet[i]) + a, 6, i, _bytes(out.advance_ns[i]))
            for i in range(len(out.advance_ns))
        ]
    return b"".join(_bytes(np.int64(e[0])) + e[3] for e in sorted(events, key=lambda e: e[:3]))


def _ordered(stream: Any, a: int, b: int) -> Ordered:
    time, value, quality = (s[a:b] for s in stream)
    k = b - a
    gaps = np.flatnonzero(np.diff(time, prepend=time[:1]) > 10 * SECOND)
    gaps = gaps[gaps > 0]
    marks = time[gaps] - 4 * SECOND
    return Ordered(time, np.arange(k), value, quality, gaps, marks, gaps)


def _feed_resample(stage: Resample, stream: Any, a: int, b: int) -> bytes:
    out = []
    for g in stage.feed(_ordered(stream, a, b)):
        out += [
            _bytes(g.time_ns[i], g.value[i], g.quality[i], g.age_ns[i])
            for i in range(len(g.time_ns))
        ]
    return b"".join(out)


def _grid(stream: Any, a: int, b: int) -> Grid:
    time, value, quality = (s[a:b] for s in stream)
    none = np.zeros(0, np.int64)
    return Grid(time, np.arange(b - a), value, quality, np.zeros(b - a, np.int64), none, none, none)


def _feed_statistics(stage: Statistics, stream: Any, a: int, b: int) -> bytes:
    return b"".join(
        _bytes(w.end_ns[e], w.panes[e], w.figures[e], w.quality[e])
        for w in stage.feed(_grid(stream, a, b))
        for e in range(len(w.end_ns))
    )


def _feed_model(stage: Any, stream: Any, a: int, b: int) -> bytes:
    s = stage.feed(_grid(stream, a, b))
    spoken = (s.enter > 0) & (s.enter < 255)
    return b"".join(
        _bytes(s.enter[i], s.leave[i], s.predicted[i], s.score[i], s.detail[i][:, spoken[i]])
        for i in range(b - a)
    )


def _feed_phased(stage: Any, stream: Any, a: int, b: int) -> bytes:
    grid = _grid(stream, a, b)
    s = stage.feed(replace(grid, phase=grid.time_ns // (97 * SECOND) % 3))
    spoken = (s.enter > 0) & (s.enter < 255)
    return b"".join(
        _bytes(s.enter[i], s.predicted[i], s.score[i], s.detail[i][:, spoken[i]])
        for i in range(b - a)
    )


def _feed_phases(stage: Any, stream: Any, a: int, b: int) -> bytes:
    """Of each row, given that it was closed by itself."""
    rows = _rows(*(x[a:b] for x in stream))
    packet = np.arange(b - a)
    return _bytes(phase_of(rows.time_ns, packet, stage.feed({0: replace(rows, packet=packet)})))


def _phase_numbers(rng: Rng) -> Any:
    time, value, quality = wild_numbers(rng)
    value[:, 1] = rng.integers(0, 4, N) // 2 * rng.integers(0, 3, N)
    return time, value, quality


def _feed_limits(stage: Any, stream: Any, a: int, b: int) -> bytes:
    s = stage.feed(_rows(*(x[a:b] for x in stream)))
    return b"".join(_bytes(s.enter[i], s.leave[i]) for i in range(b - a))


def _levels(rng: Rng) -> Any:
    time, _, _ = wild_numbers(rng)
    enter = rng.choice([0, 0, 0, 1, 2, 4, 255], (N, F)).astype(np.uint8)
    enter = np.repeat(enter[::6], 6, axis=0)[:N]
    return time, enter, np.maximum(enter, rng.choice([0, 1], (N, F)).astype(np.uint8))


def _feed_monitor(stage: Monitor, stream: Any, a: int, b: int) -> bytes:
    time, enter, leave = (s[a:b] for s in stream)
    none = np.empty((0, F))
    t = stage.feed(time, np.arange(a, b), Scores(enter, leave, none, none, none))
    columns = (t.row + a, t.parameter, t.before, t.after, t.since_ns, t.since_offset)
    return b"".join(_bytes(*(c[i] for c in columns)) for i in range(len(t.row)))


class _Flaps(Composite):
    """A monitor, and what is told of it."""

    def __init__(self) -> None:
        self.monitor, self.flapping = Monitor(_ones(1), _ones(0), _ones(1)), Flapping(F)

    @property
    def stages(self) -> dict[str, Stage]:
        return {"monitor": self.monitor, "flapping": self.flapping}


def _feed_flaps(stage: _Flaps, stream: Any, a: int, b: int) -> bytes:
    time, enter, leave = (s[a:b] for s in stream)
    none = np.empty((0, F))
    t = stage.monitor.feed(time, np.arange(a, b), Scores(enter, leave, none, none, none))
    return b"".join(
        _bytes(x.row + a, x.parameter, x.before, x.after, x.flaps, x.since_ns) + x.word.encode()
        for x in stage.flapping.feed(time, t)
    )


class _Stale(Composite):
    """A container that comes now and then, and its source, which is lost now and then."""

    def __init__(self) -> None:
        self.resample = Resample(np.arange(F), ResampleRule(max_age_s=5))
        self.stale = Stale("/S/C", (0, 0), 5 * SECOND, Origin("S", 0, {}))

    @property
    def stages(self) -> dict[str, Stage]:
        return {"resample": self.resample, "stale": self.stale}


def _feed_stale(stage: _Stale, stream: Any, a: int, b: int) -> bytes:
    batch, every = _batch(b - a, stream[0][a:b]), np.arange(a, b)
    batch.offset[:] = every
    lost = every % 100 > 70
    batch.heard = Heard(
        batch.reception_ns - lost * 9 * SECOND, batch.reception_ns - every * SECOND,
        batch.reception_ns,
    )  # fmt: skip
    out: list[Pending] = []
    for grid in stage.resample.feed(_ordered(stream, a, b)):
        stage.stale.feed(grid, batch, out)
    return b"".join(p.make(str(p.packet + a)).value for p in out)


def _feed_unwrap(stage: Unwrap, stream: Any, a: int, b: int) -> bytes:
    value = stream[1][a:b].copy()
    stage.feed(value, stream[2][a:b])
    return _bytes(value)


def _feed_los(stage: LossOfSignal, stream: Any, a: int, b: int) -> bytes:
    time, every = stream[0][a:b], np.arange(a, b)
    batch = _batch(b - a, time)
    batch.length[every % 50 > 25] = 0  # ticks alone for a while
    batch.offset[:] = every
    out: list[Pending] = []
    stage.feed(batch, out)
    return b"".join(p.make(str(p.packet + a)).value for p in out)


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
            _bytes(r.time_ns[i], r.raw[i], r.eng[i], r.quality[i]),
        )
        for r in out.rows
        for i, p in enumerate(r.packet)
    ]
    rejected = [
        (int(x.record[i]) + a, 10**9, 0, _bytes(x.reason[i], x.start[i], x.length[i], x.offset[i]))
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
    rows = [(int(batch.record[i]) + a, 0, _bytes(*(c[i] for c in columns))) for i in range(n)]
    rows += [
        (
            int(refused.record[i]) + a,
            1,
            _bytes(refused.reason[i], refused.start[i], refused.length[i]),
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
            int(out.record[i]) + a, 0, i,
            bytes(out.data[out.start[i] : out.start[i] + out.length[i]])
            + _bytes(*(c[i] for c in columns)),
        )
        for i in range(len(out))
    ]  # fmt: skip
    rows += [
        (int(lost.record[i]) + a, 1, i,
         _bytes(lost.reason[i], lost.offset[i], lost.start[i], lost.length[i]))
        for i in range(len(lost))
    ]  # fmt: skip
    return b"".join(r[3] for r in sorted(rows))


def _feed_samples(stage: Any, stream: list[RawRecord], a: int, b: int) -> bytes:
    decoding, samples, encoder = stage.decoding, stage.samples, stage.encoder
    batch, _ = decoding.reader.feed(stream[a:b])
    out = decoding.decoder.feed(batch)
    frames = samples.feed(batch, out.flat)
    return b"".join(encoder.output(f, "x").value for f in frames)


class _Sampling:
    def __init__(self) -> None:
        plans = vehicle_plans().plans
        self.decoding, self.samples = _Decoding(), Samples(plans, 500)
        self.encoder = SamplesEncoder("s", plans)

    def snapshot(self) -> Any:
        return self.decoding.snapshot(), self.samples.snapshot()

    def restore(self, state: Any) -> None:
        self.decoding.restore(state[0])
        self.samples.restore(state[1])


def _feed_chain(stage: Chain, stream: list[RawRecord], a: int, b: int) -> bytes:
    return b"".join(o.id.encode() + o.value for _, o in stage.feed(stream[a:b]).outputs)


def _bytestream(rng: Rng) -> bytes:
    """Packets of three APIDs with garbage and lies between them; two good ones first, so that
    there is something to be said, whatever follows looks like."""
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


def _with_ground_headers(rng: Rng) -> bytes:
    """The same, each packet behind nine bytes that look like anything, one now and then cut."""
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
    """A scanner and what it has not put out yet; its state is bytes, so it snapshots itself."""

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


_CACHE: dict[str, Any] = {}


def vehicle_mission() -> Mission:
    """The simulated vehicle with coarse windows, in a folder of its own."""
    if "mission" not in _CACHE:
        import tempfile
        from pathlib import Path

        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "v.xml").write_bytes(write_xtce(SYSTEM, TABLES))
            text = mission_toml("vehicle", "v.xml") + (
                "frame_values = 2000\n[time]\nlateness_s = 0.5\njump_s = 30\n"
                '[[resample]]\nmatch = "LOX*"\nmethod = "linear"\nhz = 2\n'
                "[[statistics]]\nwindow_s = 20\npane_s = 5\n"
                "[[residual]]\nwarm_up_s = 10\nthreshold = 3\n"
            )
            (folder / "mission.toml").write_text(text)
            _CACHE["mission"] = load_mission(folder)
    return _CACHE["mission"]  # type: ignore[no-any-return]


def vehicle_plans() -> Any:
    return compile_plans(vehicle_mission().mdb, TimeSettings())


def _corridor() -> Corridor:
    """One that four flights like those to come have taught."""
    made = Corridor(parameters(), SECOND, [CorridorRule(zero_on="P1", margin=0.05)] * F)
    for seed in range(4):
        stream = wild_numbers(np.random.default_rng(seed))
        made.learn(_grid(stream, 0, N))
    return made


def parameters() -> list[GroupParameter]:
    kind = ParameterType("T", "float", IntegerEncoding(16))
    inf = float("inf")
    return [
        GroupParameter(f"P{i}", kind, (-inf, -10.0, -inf, -20.0, -inf), (inf, 40.0, inf, 60.0, inf))
        for i in range(F)
    ]


def _limits() -> Limits:
    low = np.tile(np.array([[-1.0], [-2.0], [-3.0], [-4.0], [-5.0]]), F)
    every = np.arange(F)
    ranges = Ranges(
        np.repeat(low, 2, 1), np.repeat(-low, 2, 1) * np.array([1.0, 3.0] * F), np.arange(2 * F + 1),
        np.full(2 * F, 3, np.uint8), np.full(2 * F, 0.1), np.full(2 * F, 0.2),
        np.array([NO_CHOICE, 1] * F), np.repeat(np.arange(F), 2)[: 2 * F], np.full(F, 2, np.uint8),
    )  # fmt: skip
    text = (every == 1).astype(np.uint8)
    context = np.where(every < 2, 0, NO_CHOICE)
    return Limits(every, 2 * every, context, text, ranges, np.full(F, 0.25))


def _changes() -> _Changing:
    low = np.tile(np.array([[-0.5], [-1.0], [-2.0], [-4.0], [-8.0]]), F)
    return _Changing(low)


class _Changing:
    """Static and change limits, which speak into the same levels."""

    def __init__(self, low: Any) -> None:
        every = np.arange(F)
        self.limits = _limits()
        self.changes = ChangeLimits(
            every, every, 2 * every, low, -low, np.arange(F, dtype=np.uint8) % 2
        )
        self.snapshot, self.restore = self.changes.snapshot, self.changes.restore

    def feed(self, rows: Rows) -> Scores:
        scores = self.limits.feed(rows)
        self.changes.feed(rows, rows.time_ns, self.limits.variant, scores)
        return scores


def _alerts(rng: Rng) -> list[Output]:
    every = (topics.ALERTS, topics.SHADOW, topics.SAMPLES)
    return [
        Output(every[k], f"{i}", b"S:P", b"", 1, {"id": f"{i}", "source": "S"} if k < 2 else None)
        for i, k in enumerate(rng.integers(0, 3, N).tolist())
    ]


def _feed_ledger(stage: Any, stream: Any, start: int, stop: int) -> bytes:
    return b"".join(stage.enter(output).value for output in stream[start:stop])


def _voting() -> Mission:
    """Two barometers vote on every tick, and nearly always differ."""
    rule = VotingRule("BARO_P_?", True, 1e-9, min_samples=1, across=True)
    made = vehicle_mission()
    return replace(made, settings=replace(made.settings, voting=(VotingRule(), rule)))


def _ones(value: int) -> Any:
    return np.full(F, value, np.int64)


_SHORT: dict[str, Any] = {"history": 40, "let_go": 20}
RECORDS = [
    (LevelModel, RecordRule(**_SHORT)), (Activity, RecordRule(**_SHORT)),
    (Shape, RecordRule(**_SHORT)), (Forecaster, RecordRule(**_SHORT)),
    (Departure, DepartureRule(**_SHORT)), (Seasonal, SeasonalRule(**_SHORT, period_s=70)),
    (Bands, BandsRule(**_SHORT)), (Resonance, ResonanceRule(**_SHORT, low_hz=0.1, high_hz=0.4)),
    (Coupled, CoupledRule(**_SHORT, memory=200)),
]  # fmt: skip

CASES = [
    Case("scanner", _Scanning, _bytestream, _feed_scanner, 2000),
    Case(
        "scanner behind ground headers",
        lambda: _Scanning(GROUND),
        _with_ground_headers,
        _feed_scanner,
        2000,
    ),
    Case("reader", PacketReader, raw_records, _feed_reader),
    Case("reader, repeats", PacketReader, repeated_records, _feed_reader),
    Case("reassembly", _Reassembling, segments, _feed_reassembly),
    Case("decode", _Decoding, raw_records, _feed_decoding),
    Case("samples", _Sampling, raw_records, _feed_samples),
    Case("order", lambda: Order(np.arange(F), TimeSettings(jump_s=100)), late_numbers, _feed_order),
    Case(
        "order, late by 3 s",
        lambda: Order(np.array([4, 0]), TimeSettings(lateness_s=3, jump_s=100)),
        late_numbers,
        _feed_order,
    ),
    Case(
        "resample last",
        lambda: Resample(np.arange(F), ResampleRule()),
        wild_numbers,
        _feed_resample,
    ),
    Case(
        "resample mean",
        lambda: Resample(np.array([1, 3]), ResampleRule(method="mean", hz=0.5)),
        wild_numbers,
        _feed_resample,
    ),
    Case(
        "resample linear",
        lambda: Resample(np.array([1, 3]), ResampleRule(method="linear", hz=4)),
        wild_numbers,
        _feed_resample,
    ),
    Case(
        "statistics",
        lambda: Statistics(F, WindowSettings(60, 10), (0.05, 0.5, 0.95)),
        wild_numbers,
        _feed_statistics,
    ),
    Case(
        "residual",
        lambda: Residual(parameters(), SECOND, [ResidualRule(warm_up_s=30, threshold=3)] * F),
        wild_numbers,
        _feed_model,
    ),
    Case(
        "time to limit",
        lambda: TimeToLimit(parameters(), SECOND, [TimeToLimitRule(significance=2)] * F),
        wild_numbers,
        _feed_model,
    ),
    Case(
        "flat",
        lambda: Flat(parameters(), SECOND, [FlatRule(changes=5, threshold=2, min_seconds=2)] * F),
        wild_numbers,
        _feed_model,
    ),
    *(
        Case(
            f"record of {family.family}",
            lambda f=family, r=rule: f(parameters(), SECOND, [r] * F),
            spectrum_numbers if family in (Bands, Resonance) else long_numbers,
            _feed_model,
            3 * LONG if family in (Bands, Resonance) else LONG,
        )
        for family, rule in RECORDS
    ),
    Case(
        "phased",
        lambda: Phased(
            [Departure(parameters(), SECOND, [DepartureRule(**_SHORT)] * F) for _ in range(3)]
        ),
        long_numbers,
        _feed_phased,
        LONG,
    ),
    Case(
        "phases",
        lambda: Phases(((1.0,), (2.0,)), {0: 1}, 100 * SECOND),
        _phase_numbers,
        _feed_phases,
    ),
    Case(
        "voting",
        lambda: Voting(parameters(), SECOND, [VotingRule(tolerance=0.5, min_samples=2)] * F),
        wild_numbers,
        _feed_model,
    ),
    Case(
        "fatigue",
        lambda: Fatigue(
            parameters(), SECOND, [FatigueRule(reference=2.0, cycles=500, horizon_s=20)] * F
        ),
        wild_numbers,
        _feed_model,
    ),
    Case("corridor", _corridor, wild_numbers, _feed_model),
    Case(
        "loss of signal",
        lambda: LossOfSignal("/S", 5.0, Origin("S", 0, {})),
        wild_numbers,
        _feed_los,
    ),
    Case("static limits", _limits, wild_numbers, _feed_limits),
    Case("limits of change", _changes, wild_numbers, _feed_limits),
    Case("monitor", lambda: Monitor(_ones(3), _ones(SECOND), _ones(2)), _levels, _feed_monitor),
    Case("flapping", _Flaps, _levels, _feed_flaps),
    Case("stale", _Stale, wild_numbers, _feed_stale),
    Case("unwrap", lambda: Unwrap(np.arange(F), np.full(F, 3.0)), wild_numbers, _feed_unwrap),
    Case("ledger", Ledger, _alerts, _feed_ledger),
    Case("chain", lambda: Chain(vehicle_mission()), raw_records, _feed_chain),
    Case("chain, clock", lambda: Chain(vehicle_mission()), clock_records, _feed_chain),
    Case("cross container", lambda: Chain(_voting()), raw_records, _feed_chain),
    Case("gated, budget", lambda: gated_chain(vehicle_mission()), raw_records, _feed_chain),
]
