"""Pace, lateness and rounds of a replay. The clock and the producer here are fakes."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
from collections.abc import Coroutine
from typing import Any, cast

import numpy as np
import pytest
from aiokafka import AIOKafkaProducer

from agents.ground.pacing import Lateness, Pace
from agents.ground.replay import MAX_PENDING, Replayed, Sender
from agents.host.errors import BrokerError
from pipeline.flights.loop import pack_rounds
from pipeline.flights.records import TICK_NS, Flight, FlightRecord
from pipeline.packets import PacketReader
from schemas.records import Kind, RawRecord, classify
from tests.unit.packets.test_reassembly import packet


class FakeClock:
    """Time that stands still until nothing is left to do, and then jumps to what comes next."""

    def __init__(self) -> None:
        self.now = 100.0
        self._next: list[tuple[float, int, asyncio.Future[None]]] = []

    def __call__(self) -> float:
        return self.now

    def at(self, when: float) -> asyncio.Future[None]:
        """A future that is done at that time."""
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self._next, (when, len(self._next), future))
        return future

    async def sleep(self, seconds: float) -> None:
        await self.at(self.now + seconds)

    async def run(self, main: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(main)
        while not task.done():
            for _ in range(5):  # wake-ups and their callbacks
                await asyncio.sleep(0)
            if self._next and not task.done():
                when, _, future = heapq.heappop(self._next)
                self.now = max(self.now, when)
                future.set_result(None)
        await task


class FakeProducer:
    """A broker that takes `service_s` for each record, one after the other."""

    def __init__(self, clock: FakeClock, service_s: float) -> None:
        self._clock, self._service, self._free = clock, service_s, clock.now

    async def send(self, *_: Any, **__: Any) -> asyncio.Future[None]:
        self._free = max(self._free, self._clock.now) + self._service
        return self._clock.at(self._free)


class SilentProducer:
    """A broker that never answers, or with an error."""

    def __init__(self, error: Exception | None = None) -> None:
        self.sent, self._error = 0, error

    async def send(self, *_: Any, **__: Any) -> asyncio.Future[None]:
        self.sent += 1
        future = asyncio.get_running_loop().create_future()
        if self._error:
            future.set_exception(self._error)
        return future


def replayed(count: int, every_s: float, speed: float | None, service_s: float) -> Replayed:
    """What the report says of `count` records, one each `every_s` of flight."""

    clock, done = FakeClock(), Replayed()

    async def send() -> None:
        client = cast(AIOKafkaProducer, FakeProducer(clock, service_s))
        sender = Sender(client, "raw", "s", Pace(speed, clock, clock.sleep), done)
        for i in range(count):
            await sender.send(FlightRecord(round(i * every_s * 1e9), b"x", (), 1))
        await sender.finish()

    asyncio.run(clock.run(send()))
    return done


def test_a_quick_broker_is_one_service_time_behind() -> None:
    done = replayed(200, 0.1, 2.0, 0.001)
    assert done.lateness.count == 200
    assert done.lateness.worst_s == pytest.approx(0.001)
    assert done.lateness.p99_s == pytest.approx(0.001, rel=0.02)
    assert done.seconds == pytest.approx(199 * 0.05 + 0.001)


def test_a_slow_broker_shows_in_every_figure() -> None:
    """Records every 50 ms, 80 ms for each: record i is acknowledged 80 + 30 i ms after its time."""
    n = 1500
    done = replayed(n, 0.1, 2.0, 0.08)
    expected = 0.08 + 0.03 * np.arange(n)
    assert done.lateness.count == n
    assert done.lateness.mean_s == pytest.approx(expected.mean(), rel=1e-6)
    assert done.lateness.worst_s == pytest.approx(expected.max(), rel=1e-6)
    assert done.lateness.p99_s == pytest.approx(np.quantile(expected, 0.99), rel=0.03)
    assert done.seconds == pytest.approx(n * 0.08)


def test_without_a_pace_nothing_is_late() -> None:
    done = replayed(50, 0.1, None, 0.08)
    assert done.lateness.count == 0
    assert done.flight_s == pytest.approx(4.9)


def test_records_that_wait_are_bounded() -> None:
    async def run() -> int:
        client = SilentProducer()
        sender = Sender(cast(AIOKafkaProducer, client), "raw", "s", Pace(None), Replayed())
        for i in range(MAX_PENDING):
            await sender.send(FlightRecord(i, b"x", (), 1))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(sender.send(FlightRecord(0, b"x", (), 1)), 0.01)
        return client.sent

    assert asyncio.run(run()) == MAX_PENDING


def test_a_broker_that_refuses_ends_the_replay() -> None:
    async def run() -> None:
        client = cast(AIOKafkaProducer, SilentProducer(OSError("gone")))
        sender = Sender(client, "raw", "s", Pace(None), Replayed())
        await sender.send(FlightRecord(0, b"x", (), 1))
        await sender.finish()

    with pytest.raises(BrokerError, match="did not take"):
        asyncio.run(run())


def test_quantile_is_within_two_percent(rng: np.random.Generator) -> None:
    values = np.exp(rng.normal(-5, 2, 5000))
    late = Lateness()
    for v in values.tolist():
        late.add(v)
    exact = float(np.quantile(values, 0.99, method="inverted_cdf"))
    assert exact <= late.p99_s * (1 + 1e-9)
    assert late.p99_s <= exact * 1.0201
    assert late.mean_s == pytest.approx(values.mean())


def flight(rng: np.random.Generator, n: int = 60) -> Flight:
    parts = [packet(3, i, b"xy") for i in range(n)]
    data = np.frombuffer(b"".join(parts), np.uint8)
    size = len(parts[0])
    time = 1_700_000_000 * TICK_NS + np.cumsum(rng.integers(0, TICK_NS, n))
    return Flight(data, np.arange(n) * size, np.full(n, size), time.astype(np.int64))


def test_time_goes_on_from_round_to_round(rng: np.random.Generator) -> None:
    """No tick is back, no packet before the last tick, and no gap above the flight's own second."""
    f = flight(rng)
    shift = 5_123_456_789
    records = list(pack_rounds(f, shift, 3))
    raw = [RawRecord(i, r.value, r.headers) for i, r in enumerate(records)]
    reader = PacketReader()
    batch, refused = reader.feed(raw)
    assert not len(refused)
    assert reader.counters["ticks_back"] == 1  # the very first, which the second confirms
    assert reader.counters["packets"] == 3 * len(f.start)
    assert (np.diff(batch.reception_ns) >= 0).all()
    assert np.diff(batch.reception_ns).max() <= TICK_NS
    due = np.array([r.due_ns for r in records])
    assert (np.diff(due) >= 0).all()
    assert np.diff(due).max() <= TICK_NS
    offsets = sorted({classify(r.headers)[1] for r in records})
    assert len(offsets) == 3
    assert offsets[0] == shift
    assert np.diff(offsets)[0] == np.diff(offsets)[1] > 0
    assert {classify(r.headers)[0] for r in records} == {Kind.PACKETS, Kind.TICK}


def test_one_round_is_the_flight_as_it_is(rng: np.random.Generator) -> None:
    from pipeline.flights.records import pack

    f = flight(rng)
    assert list(pack_rounds(f)) == list(pack(f))


def test_a_flight_of_one_packet_loops_too(rng: np.random.Generator) -> None:
    records = pack_rounds(flight(rng, 1), 0, None)
    times = [next(records).due_ns for _ in range(10)]
    assert times == sorted(times)
    assert times[-1] > times[0]


class _Deaf:
    """A client that swallows a cancellation, as `asyncio.wait_for` of Python 3.11 may."""

    def __init__(self) -> None:
        self.sent = 0

    async def send(self, *_: object, **__: object) -> asyncio.Future[None]:
        self.sent += 1
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0.001)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done


def test_a_replay_ends_though_a_library_swallows_its_cancellation() -> None:
    async def run() -> int:
        client = _Deaf()
        sender = Sender(cast(AIOKafkaProducer, client), "t", "s", Pace(None), Replayed())

        async def for_ever() -> None:
            while True:
                await sender.send(FlightRecord(0, b"", (), 1))

        task = asyncio.create_task(for_ever())
        while client.sent < 3:
            await asyncio.sleep(0.001)
        task.cancel()
        async with asyncio.timeout(10):
            with contextlib.suppress(asyncio.CancelledError):
                await task
        return client.sent

    assert asyncio.run(run()) >= 3
