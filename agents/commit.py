"""How a lane commits: the one part of it that depends on what the broker can do.

At least once: outputs are acknowledged by the broker, each one of them, before the input offset
is committed. Ids are deterministic, so after a crash the outputs that come again are recognised.
(`docs/lane.md` has the contract that a transactional strategy meets as well.)
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from schemas import topics
from schemas.columns import Output

DEADLINE_S = 15.0


class Commit(Protocol):
    """Outputs in, offsets on. `commit` returns once both are safe, or raises: then recover."""

    async def send(self, outputs: Sequence[Output]) -> None: ...

    async def commit(self, offset: int) -> None: ...


class AtLeastOnce:
    """Commit strategy for brokers without transactions."""

    def __init__(
        self,
        consumer: AIOKafkaConsumer,
        producer: AIOKafkaProducer,
        partition: TopicPartition,
        namespace: str,
    ) -> None:
        self._consumer, self._producer, self._partition = consumer, producer, partition
        self._names = {t: topics.on_wire(t, namespace) for t in topics.OUTPUTS}
        self._sent: list[asyncio.Future[object]] = []

    async def send(self, outputs: Sequence[Output]) -> None:
        """Hand outputs to the producer; their acknowledgements are awaited by `commit`."""
        for o in outputs:
            headers = [("id", o.id.encode())]
            name = self._names[o.topic]
            self._sent.append(await self._producer.send(name, o.value, o.key, headers=headers))

    async def commit(self, offset: int) -> None:
        """Await every acknowledgement, then commit `offset` (the next to process)."""
        async with asyncio.timeout(DEADLINE_S):
            sent, self._sent = self._sent, []
            if sent:
                await asyncio.gather(*sent)
            await self._consumer.commit({self._partition: offset})
