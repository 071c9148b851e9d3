"""A topic is read to its end when its end has come, not when the broker is silent. The client is a
fake: what a slow broker gives, poll by poll."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition

from agents.broker.kafka import left
from agents.host.errors import BrokerError
from agents.readers import tail
from schemas import topics

PART = TopicPartition(topics.ALERTS, 0)


class Slow:
    """polls: (records, last stable offset) of each."""

    def __init__(self, polls: list[tuple[int, int | None]], end: int) -> None:
        self._polls, self._end = iter(polls), end
        self._at, self._stable = 0, None

    def assign(self, parts: list[TopicPartition]) -> None:
        assert parts == [PART]

    def seek(self, _: TopicPartition, offset: int) -> None:
        self._at = offset

    async def beginning_offsets(self, parts: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(parts, 0)

    async def end_offsets(self, parts: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(parts, self._end)

    async def position(self, _: TopicPartition) -> int:
        return self._at

    def last_stable_offset(self, _: TopicPartition) -> int | None:
        return self._stable

    async def getmany(self, **_: int) -> dict[TopicPartition, list[Any]]:
        count, self._stable = next(self._polls)
        self._at += count
        made = [SimpleNamespace(offset=i) for i in range(self._at - count, self._at)]
        return {PART: made} if made else {}

    async def stop(self) -> None:
        pass


def read(
    monkeypatch: pytest.MonkeyPatch, polls: list[tuple[int, int | None]], end: int
) -> tuple[list[int], int]:
    """Offsets that come of a topic that is read to its end, and how often the end was told."""
    told: list[None] = []

    async def started(client: Slow, _: str) -> Slow:
        return client

    async def parts(*_: str) -> list[TopicPartition]:
        return [PART]

    monkeypatch.setattr(tail, "consumer", lambda _: Slow(polls, end))
    monkeypatch.setattr(tail, "start", started)
    monkeypatch.setattr(tail, "parts_of", parts)

    async def run() -> list[int]:
        coming = tail.follow("b:1", "", (topics.ALERTS,), True, True, lambda: told.append(None))
        return [record.offset async for _, record in coming]

    return asyncio.run(run()), len(told)


SILENT = (0, None)


@pytest.mark.parametrize(
    ("polls", "end", "came"),
    [
        ([], 0, 0),
        ([*[SILENT] * 9, (3, 5), *[(0, 5)] * 9, (2, 5)], 5, 5),  # a broker that was busy
        ([(2, 2)], 5, 2),  # what an open transaction hides
        ([(2, 2), (3, 9)], 2, 2),  # more comes all the time
        ([(4, -1), (1, -1)], 5, 5),  # a broker without transactions
    ],
)
def test_the_end(
    monkeypatch: pytest.MonkeyPatch, polls: list[tuple[int, int | None]], end: int, came: int
) -> None:
    assert read(monkeypatch, polls, end) == (list(range(came)), 1)


def test_a_broker_that_gives_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no end, and is said."""

    def clock() -> Iterator[float]:
        now = 0.0
        while True:
            yield now
            now += 10.0

    monkeypatch.setattr(tail, "time", SimpleNamespace(monotonic=clock().__next__))
    with pytest.raises(BrokerError, match=r"telemetry\.alerts: 3 records stand .* for 30 s"):
        read(monkeypatch, [(2, 5), *[(0, 5)] * 9], 5)


def test_what_is_left_of_several() -> None:
    client: Any = Slow([], 0)
    assert asyncio.run(left(client, {PART: 7, TopicPartition("other", 0): 3})) == 10
    client.seek(PART, 5)
    assert asyncio.run(left(client, {PART: 3})) == 0
