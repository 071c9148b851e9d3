"""A recorded flight as records of telemetry.raw: one packer and one ticker for `ingest`, `replay`
and `run`, so that the same flight makes the same records (docs/raw.md).

The clock of a replay is flight time: the generation time of the packets in order, which never goes
back. A recording has no reception times, so stamps are judged by the packets around them: a stamp
that no later packet confirms is ignored, older stamps beside newer ones are recorded data, and if a
clock was set back, flight time goes on at its pace. A step ahead is taken for a gap. Each second of
flight time gives one tick. A record of packets closes when its bytes or the flight time it spans
reach a bound, and at every tick.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pipeline.decode import Decoder, PlanSet
from pipeline.kernel import inline, kernel
from pipeline.packets import Reassembler
from schemas.columns import I8, NEVER, PADDING, U1, PacketBatch
from schemas.records import (
    PACKETS_HEADERS,
    TICK_HEADERS,
    TICK_NS,
    Headers,
    encode_packets,
    encode_tick,
    with_time_offset,
)

MAX_TICKS = 86_400  # a day: a longer jump gives only the tick at its end
SPARSE = 64  # seconds of silence until ticks become seldomer
MAX_BYTES = 65_536
MAX_SPAN_NS = 100_000_000
SET_BACK = 64  # packets of a container without two newer ones: its clock was set back


@dataclass(slots=True)
class Flight:
    """Packets of one source in order of recording, with the time at which each is replayed.
    timeless: these times are made from packet numbers."""

    data: U1
    start: I8
    length: I8
    reception_ns: I8
    timeless: bool = False


class PacketRate(NamedTuple):
    """Reception times for packets without times: that of the first, and packets per second."""

    begin_ns: int = 0
    hz: float = 1.0


@dataclass(frozen=True, slots=True)
class FlightRecord:
    """One record to be, and the flight time at which it is due."""

    due_ns: int
    value: bytes
    headers: Headers
    packets: int


def flight_of(
    data: U1,
    start: I8,
    length: I8,
    plans: PlanSet,
    jump_ns: int,
    segmented_apids: Sequence[int] = (),
    numbered: PacketRate | None = None,
) -> Flight:
    """Times of packets by the mission's plans; a packet without one takes its neighbour's.

    If none has a time they are numbered: as `numbered` says, else one a second from 1970 on.
    """
    padded = np.concatenate([data, np.zeros(PADDING, np.uint8)])
    k = len(start)
    zero = np.zeros(k, np.int64)
    batch = PacketBatch(
        padded, start, length.astype(np.int32), np.zeros(k, np.uint16), np.zeros(k, np.uint16),
        zero, zero, zero, np.zeros(k, np.uint8), np.arange(k, dtype=np.int32), zero,
    )  # fmt: skip
    # a segment holds no time of its own: the last one takes the packet's
    batch, _ = Reassembler(segmented_apids).feed(batch)
    told = np.full(k, NEVER, np.int64)
    timed = plans.layout.time != -1
    for rows in Decoder(plans, True).feed(batch).rows:
        if timed[rows.container]:
            mine = np.empty_like(rows.time_ns)
            flight_time(rows.time_ns, jump_ns, mine)
            told[batch.record[rows.packet]] = mine
    clock = np.empty_like(told)
    replay_clock(told, clock)
    timeless = not (told != NEVER).any()
    if timeless:
        begin_ns, hz = numbered or PacketRate()
        clock = begin_ns + np.round(np.arange(k) * (1e9 / hz)).astype(np.int64)
    return Flight(data, start, length, clock, timeless)


@kernel
def flight_time(time: I8, jump: int, out: I8) -> None:
    """Flight time of one container's packets in order of recording; NEVER if a stamp is ignored.

    A sensible stamp follows the last one by about the usual step. One further ahead needs two more
    that continue from it, whether or not others continue from the old time. One that lies back
    needs that nothing continues from the old time for SET_BACK packets, or that it catches up.
    """
    now, usual, shift = NEVER, np.int64(0), np.int64(0)
    for i in range(len(time)):
        t = time[i]
        out[i] = NEVER
        most = now + usual + usual // 2
        if now == NEVER:
            if not _goes_on(time, i, NEVER, np.int64(0), jump, 1, 8):
                continue
        elif t > most:
            if not _goes_on(time, i, now, usual, jump, 2 if usual else 1, 24):
                continue
            usual = min(t - now, 4 * max(usual, np.int64(1)))
        elif t < now:
            if not _set_back(time, i, now, usual, jump):
                continue
            shift += now + usual - t
        else:
            step = t - now
            usual = step if usual == 0 else max(step, usual - usual // 8)
        now = t
        out[i] = t + shift


@inline
def _goes_on(time: I8, i: int, now: int, usual: int, jump: int, wanted: int, far: int) -> bool:
    """Whether `wanted` of the packets after i continue from its stamp. now: the clock before it."""
    line, found, before = time[i], 0, False  # not moved by a wrong stamp in between
    for j in range(i + 1, min(i + 1 + far, len(time))):
        t = time[j]
        if now != NEVER and now <= t < time[i]:
            now, before = t, True
        elif before and line <= t <= now + 4 * usual:
            return False  # the clock before went on and has caught up: the stamp was wrong
        elif (now == NEVER and abs(t - line) <= jump) or (
            line <= t and t - line <= (max(8 * usual, TICK_NS) if before else jump)
        ):
            found += 1
            if found == wanted:
                return True
    return False


@inline
def _set_back(time: I8, i: int, now: int, usual: int, jump: int) -> bool:
    """Whether the clock was set back to the stamp of i: no two packets continue the old time."""
    line, newer, found = time[i], NEVER, 0
    last = min(i + SET_BACK, len(time))
    for j in range(i + 1, last):
        t = time[j]
        goes_on = line <= t and t - line <= jump
        if t >= now:
            if goes_on and t - line <= usual + usual // 2:
                return found > 0  # it has caught up
            if newer != NEVER and newer <= t and t - newer <= jump:
                return False
            newer = t
        elif goes_on:
            found += 1
            if t - line <= max(8 * usual, TICK_NS):
                line = t
    return found >= min(2, max(last - i - 1, 1))


@kernel
def replay_clock(time: I8, out: I8) -> None:
    """Running maximum of the times; a packet without one takes its neighbour's."""
    now = NEVER
    for i in range(len(time)):
        if time[i] > now:
            now = time[i]
        out[i] = now
    first = 0
    while first < len(out) and out[first] == NEVER:
        first += 1
    begin = out[first] if first < len(out) else 0
    out[:first] = begin


class Packer:
    """Packs flights, or the pieces of one, in order. Remembers the second of its last tick."""

    def __init__(
        self, shift_ns: int = 0, max_bytes: int = MAX_BYTES, max_span_ns: int = MAX_SPAN_NS
    ) -> None:
        self._packets = with_time_offset(PACKETS_HEADERS, shift_ns)
        self._tick = with_time_offset(TICK_HEADERS, shift_ns)
        self._max_bytes, self._max_span = max_bytes, max_span_ns
        self._ticked = NEVER  # the last second that was ticked, or the first packet's

    def pack(self, flight: Flight) -> Iterator[FlightRecord]:
        """Records of packets, and before each the ticks that have come due."""
        time, start, length = flight.reception_ns, flight.start, flight.length
        ends = start + length
        data = flight.data.tobytes()
        for a, b in _runs(time, length, self._max_bytes, self._max_span):
            yield from self.ticks(int(time[a]))
            content = (
                data[start[a] : ends[b - 1]]
                if ends[b - 1] - start[a] == length[a:b].sum()
                else b"".join(data[s:e] for s, e in zip(start[a:b], ends[a:b], strict=True))
            )
            value = encode_packets(time[a:b].tolist(), content)
            yield FlightRecord(int(time[b - 1]), value, self._packets, b - a)

    def ticks(self, now_ns: int) -> Iterator[FlightRecord]:
        """Ticks at the whole seconds since the last one; none before the first packet. In a long
        silence they become seldomer: what waits for one is late by a SPARSE-th of it at most."""
        last = now_ns // TICK_NS
        if self._ticked == NEVER:
            self._ticked = last
        first = self._ticked + 1
        if last - first >= MAX_TICKS:
            first = last
        second = first
        while second <= last:
            self._ticked = second
            yield FlightRecord(second * TICK_NS, encode_tick(second * TICK_NS), self._tick, 0)
            wait = max(1, (second - first) // SPARSE)
            second = last if second < last < second + wait else second + wait


def pack(flight: Flight, shift_ns: int = 0) -> Iterator[FlightRecord]:
    """All records of a whole flight, with a last tick after its last packet."""
    packer = Packer(shift_ns)
    yield from packer.pack(flight)
    if len(flight.reception_ns):
        yield from packer.ticks(int(flight.reception_ns[-1]) + TICK_NS)


def _runs(time: I8, length: I8, max_bytes: int, max_span: int) -> Iterator[tuple[int, int]]:
    """[a, b) of the packets of each record."""
    second = time // TICK_NS
    total = np.concatenate([np.zeros(1, np.int64), np.cumsum(length)])
    a, n = 0, len(time)
    turns = np.append(np.flatnonzero(np.diff(second)) + 1, n)
    while a < n:
        turn = int(turns[np.searchsorted(turns, a, side="right")])
        fits = int(np.searchsorted(total, total[a] + max_bytes, side="right")) - 1
        soon = int(np.searchsorted(time[a:turn], time[a] + max_span, side="left")) + a
        b = max(a + 1, min(turn, fits, soon))
        yield a, b
        a = b
