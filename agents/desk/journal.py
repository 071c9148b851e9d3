"""telemetry.alarms and telemetry.desk: followed from their beginning, and the latter written.

On a broker with transactions the writer has a `transactional.id` for its namespace: a second desk
fences the first, which ends. On the embedded broker nothing keeps two apart.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.errors import IllegalOperation, KafkaError, ProducerFenced

from agents.broker.kafka import (
    consumer,
    discard,
    exactly_once_capable,
    left,
    partitions_of,
    producer,
    start,
    stop,
)
from agents.host.errors import BrokerError
from agents.observe.logs import BROKER
from schemas import topics
from schemas.desk import DeskRecord, encode_desk

log = logging.getLogger("heartline.desk")
HEADER = "desk"  # which process wrote a record: its own are known to it already
STEP_S = 10.0
PROBE_S = 5.0
FENCED = "Another desk of this namespace has taken over: this one ends."


class FencedError(BrokerError):
    """Another desk of the same namespace has begun."""


class Journal:
    """heard: by time.monotonic(), when the broker last answered. behind: records not read yet."""

    def __init__(self, bootstrap: str, namespace: str) -> None:
        self._bootstrap, self._namespace = bootstrap, namespace
        self._wire = {topics.on_wire(n, namespace): n for n in (topics.ALARMS, topics.DESK)}
        self._me = secrets.token_hex(8).encode()
        self._writing = asyncio.Lock()
        self._read_up_to = asyncio.Condition()
        self._consumer: AIOKafkaConsumer | None = None
        self._producer: AIOKafkaProducer | None = None
        self._transactions = self._fenced = False
        self.heard, self.behind = time.monotonic(), -1

    async def open(self) -> None:
        """BrokerError where no broker answers."""
        self._transactions = await exactly_once_capable(self._bootstrap)
        options: dict[str, Any] = {}
        if self._transactions:
            name = topics.on_wire("heartline-desk", self._namespace)
            options = {"transactional_id": name, "transaction_timeout_ms": 15_000}
        else:
            log.warning("this broker keeps two desks of one namespace not apart: run only one")
        self._producer = await start(producer(self._bootstrap, **options), self._bootstrap)
        client = self._consumer = await start(consumer(self._bootstrap), self._bootstrap)
        known = await partitions_of(self._bootstrap, *self._wire)
        parts = [TopicPartition(t, p) for t, numbers in known.items() for p in numbers]
        client.assign(parts)
        for part, first in (await client.beginning_offsets(parts)).items():
            client.seek(part, first)
        await self._probe()

    async def read(self) -> list[tuple[str, ConsumerRecord[bytes, bytes]]]:
        """(logical topic, record) of what came within a moment; its own records are left out.

        BrokerError, KafkaError, TimeoutError: it cannot be gone on from here.
        """
        client = self._consumer
        assert client
        if self._fenced:
            raise FencedError(FENCED)
        got = await client.getmany(timeout_ms=200, max_records=5000)
        if got:
            self.heard = time.monotonic()
        if self.behind or time.monotonic() - self.heard > PROBE_S:
            await self._probe()
        async with self._read_up_to:
            self._read_up_to.notify_all()
        return [
            (self._wire[part.topic], record)
            for part, records in got.items()
            for record in records
            if (HEADER, self._me) not in record.headers
        ]

    async def _probe(self) -> None:
        """Ask where the topics end: a fetch returns nothing too where the broker is gone."""
        client = self._consumer
        assert client
        async with asyncio.timeout(STEP_S):
            ends = await client.end_offsets(list(client.assignment()))
            self.behind = await left(client, ends)
        self.heard = time.monotonic()

    async def write(self, records: Sequence[DeskRecord], own: bool) -> int:
        """Append records, all or (on the embedded broker, some or) none of them; returns the offset
        of the last. own: of the desk itself, which knows them.

        BrokerError: they are not written, or it is not known; another desk may have taken over.
        """
        client = self._producer
        assert client
        wire = topics.on_wire(topics.DESK, self._namespace)
        headers = [(HEADER, self._me)] if own else []
        async with self._writing:
            with self._written(wire):
                async with asyncio.timeout(STEP_S):
                    if self._transactions:
                        async with client.transaction():
                            return await _send(client, wire, records, headers)
                    return await _send(client, wire, records, headers)

    @contextmanager
    def _written(self, wire: str) -> Iterator[None]:
        try:
            yield
        except ProducerFenced:
            self._fenced = True
            raise FencedError(FENCED) from None
        except (KafkaError, IllegalOperation, TimeoutError, OSError) as error:
            log.warning("%s: %r", wire, error, extra=BROKER)
            raise BrokerError(f"{wire}: not known whether it was written: {error!r}.") from error

    async def has_read(self, offset: int) -> None:
        """Wait until the desk has taken the record of telemetry.desk at this offset."""
        client = self._consumer
        assert client
        part = TopicPartition(topics.on_wire(topics.DESK, self._namespace), 0)

        async def there() -> bool:
            return bool(await client.position(part) > offset)

        async with asyncio.timeout(STEP_S):
            async with self._read_up_to:
                while not await there():
                    await self._read_up_to.wait()
                await self._read_up_to.wait()  # what was read is taken before the next read

    async def close(self) -> None:
        if self._consumer:
            await stop(self._consumer)
        if self._producer:
            await discard(self._producer, abort=False)


async def _send(
    client: AIOKafkaProducer, wire: str, records: Iterable[DeskRecord],
    headers: Sequence[tuple[str, bytes]],
) -> int:  # fmt: skip
    sent = [
        await client.send(wire, encode_desk(r), r.who.encode(), headers=list(headers))
        for r in records
    ]
    return max(int(found.offset) for found in await asyncio.gather(*sent))
