"""A commit strategy before a producer that refuses. The producer is a fake: only its error counts."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import IllegalOperation, KafkaConnectionError, ProducerFenced

from agents.commit import CommitLost, Transactional
from schemas import topics
from schemas.columns import Output


class Refusing:
    def __init__(self, error: Exception) -> None:
        self._error = error

    async def start(self) -> None: ...

    async def begin_transaction(self) -> None: ...

    async def send(self, *_: Any, **__: Any) -> None:
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
