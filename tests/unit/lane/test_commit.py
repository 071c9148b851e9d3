"""A commit strategy before a producer that is a fake: only its errors and what is asked count."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import IllegalOperation, KafkaConnectionError, ProducerFenced

from agents.lane.commit import CommitLost, Transactional
from schemas import topics
from schemas.columns import Output


class Refusing:
    def __init__(self, error: Exception) -> None:
        self._error = error
        self.asked: list[Any] = []

    async def start(self) -> None:
        self.asked.append("start")

    async def begin_transaction(self) -> None:
        self.asked.append("begin")

    async def send_offsets_to_transaction(self, *given: Any) -> None:
        self.asked.append(given)

    async def abort_transaction(self) -> None:
        self.asked.append("abort")

    async def commit_transaction(self) -> None:
        self.asked.append("commit")

    async def partitions_for(self, _: str) -> set[int]:
        raise self._error


@pytest.mark.parametrize(
    "error",
    # the first is no KafkaError: aiokafka's answer where the transaction was ended under a send
    [
        IllegalOperation("not in transaction"),
        ProducerFenced(),
        KafkaConnectionError(),
        TimeoutError(),
    ],
)
def test_whatever_a_producer_refuses_is_recovered_from(error: Exception) -> None:
    output = Output(topics.ALERTS, "telemetry.raw-0-0-0", b"s", b"{}")

    async def twice() -> None:
        made: Any = Refusing(error)
        commit = Transactional(lambda: made, TopicPartition(topics.RAW, 0), "g", "")
        await commit.open()
        with pytest.raises(CommitLost, match="outputs were not taken"):
            await commit.send([output])
        with pytest.raises(CommitLost, match="the transaction before it was lost"):
            await commit.send([output])

    asyncio.run(twice())


def test_opening_puts_a_write_to_the_group_behind_the_fence_and_takes_it_back() -> None:
    """Until it is acknowledged a coordinator that has just taken over may tell an old offset."""
    made: Any = Refusing(KafkaConnectionError())
    mine = TopicPartition(topics.RAW, 0)

    async def opened() -> None:
        await Transactional(lambda: made, mine, "g", "").open()

    asyncio.run(opened())
    assert made.asked == ["start", "begin", ({mine: 0}, "g"), "abort"]
