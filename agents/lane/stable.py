"""Measures how long open transactions hold back readers of committed records, by partition.

The broker aborts a transaction that its producer left open after its time-out; one that stays
open longer is hanging, and an operator has to look at it (`kafka-transactions.sh`).
"""

from __future__ import annotations

import asyncio
import logging
import time

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from agents.broker.kafka import consumer, parts_of, start, stop
from agents.host.errors import BrokerError
from agents.lane.metrics import Metrics
from schemas import topics

log = logging.getLogger("heartline.stable")
EVERY_S = 10.0
HANGING_S = 45.0  # three times the time-out of a lane's transaction


class Stable:
    """Compares the last stable offset of each output partition with its high-water mark."""

    def __init__(self, bootstrap: str, namespace: str, metrics: Metrics) -> None:
        self._bootstrap, self._metrics = bootstrap, metrics
        self._names = [topics.on_wire(t, namespace) for t in topics.LANE_OUTPUTS]
        self._since: dict[TopicPartition, tuple[int, float]] = {}  # stable offset, since when
        self._told: set[TopicPartition] = set()

    async def run(self) -> None:
        """Run until cancelled. If a broker does not answer, log it and try again."""
        while True:
            try:
                await self._follow()
            except (BrokerError, KafkaError, TimeoutError, OSError) as error:
                log.warning(
                    "cannot read the end offsets of the output topics: %s", error or repr(error)
                )
                await asyncio.sleep(EVERY_S)

    async def _follow(self) -> None:
        clients: list[AIOKafkaConsumer] = []
        try:
            for level in ("read_committed", "read_uncommitted"):
                one = consumer(self._bootstrap, isolation_level=level)
                clients.append(await start(one, self._bootstrap))
            parts = await parts_of(self._bootstrap, *self._names)
            while True:
                try:
                    async with asyncio.timeout(EVERY_S):
                        stable, high = [await _ends(client, parts) for client in clients]
                    self.look(stable, high, time.monotonic())
                except (KafkaError, TimeoutError, OSError):
                    self._since.clear()
                await asyncio.sleep(EVERY_S)
        finally:
            for client in clients:
                await stop(client)

    def look(
        self, stable: dict[TopicPartition, int], high: dict[TopicPartition, int], now: float
    ) -> None:
        """Note how long each partition has stood still at one stable offset below its end."""
        for part, end in high.items():
            before = self._since.get(part)
            if stable[part] >= end or before is None or before[0] != stable[part]:
                self._since[part] = (stable[part], now)
                self._told.discard(part)
            held = now - self._since[part][1]
            self._metrics.held_back.labels(part.topic, part.partition).set(held)
            if held > HANGING_S and part not in self._told:
                self._told.add(part)
                log.warning(
                    "%s-%d: readers are held back at offset %d by a transaction for %.0f s",
                    part.topic, part.partition, stable[part], held,
                )  # fmt: skip


async def _ends(client: AIOKafkaConsumer, parts: list[TopicPartition]) -> dict[TopicPartition, int]:
    found: dict[TopicPartition, int] = await client.end_offsets(parts)
    return found
