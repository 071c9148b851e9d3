"""When a lane counts as stalled. The client is a fake: what it would be told is the test's to say."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest
from aiokafka import TopicPartition
from prometheus_client import CollectorRegistry

import agents.lane.service
from agents.lane.metrics import Metrics
from agents.lane.service import STALLED_S, UNHEARD_S, Lanes
from agents.lane.takeover import LaneFailed
from agents.settings import Settings

PART = TopicPartition("telemetry.raw", 0)


@dataclass
class FakeClient:
    """One partition of `high` records, all of them fetched."""

    high: int = 100

    def assignment(self) -> set[TopicPartition]:
        return {PART}

    def highwater(self, _: TopicPartition) -> int:
        return self.high

    async def position(self, _: TopicPartition) -> int:
        return 0


@dataclass
class FakeLane:
    progress: float
    next_offset: int = 100
    begun: bool = True
    idle: bool = False


@dataclass
class Clock:
    now: float = 1000.0

    def monotonic(self) -> float:
        return self.now


@dataclass
class Watched:
    clock: Clock
    lanes: Lanes
    client: FakeClient = field(default_factory=FakeClient)

    def look(self, after: float, heard: bool = True) -> None:
        """Time goes on; the broker answers, or does not; the watchdog looks."""
        self.clock.now += after
        if heard:
            self.lanes.heard = self.clock.now
        asyncio.run(self.lanes._watch())


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    clock = Clock()
    monkeypatch.setattr(agents.lane.service, "time", clock)
    lanes = Lanes(Settings(), {}, Metrics(CollectorRegistry(), 0))
    one = Watched(clock, lanes)
    lanes._consumer = one.client
    lanes._lanes[0] = FakeLane(clock.now)  # type: ignore[assignment]
    lanes.heard = clock.now
    return one


def test_a_lane_that_stands_still_with_records_waiting_ends_the_worker(watched: Watched) -> None:
    watched.client.high = 101
    watched.look(STALLED_S - 1)
    with pytest.raises(LaneFailed, match="lane 0 stands still for 31 s with 1 records waiting"):
        watched.look(2)


def test_its_time_begins_with_the_record_that_waits(watched: Watched) -> None:
    watched.look(3 * STALLED_S)
    watched.client.high = 101
    watched.look(STALLED_S - 1)
    with pytest.raises(LaneFailed):
        watched.look(2)


def test_its_time_begins_when_a_broker_is_back(watched: Watched) -> None:
    """All brokers down for a minute and a half with a record waiting, found by the chaos."""
    watched.client.high = 101
    for _ in range(9):
        watched.look(UNHEARD_S / 2 + 0.5, heard=False)
    watched.look(1)
    watched.look(STALLED_S - 5)
    with pytest.raises(LaneFailed):
        watched.look(10)
