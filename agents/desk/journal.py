"""telemetry.alarms and telemetry.desk: followed from their beginning, and the latter written.

Of two desks of a namespace the one that began first ends, once it sees a record of the other. On a
broker with transactions the writer has a `transactional.id` besides, so that the two never both
write at once.
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
from aiokafka.errors import IllegalOperation, KafkaError

from agents.broker.kafka import (
    consumer,
    discard,
    exactly_once_capable,
    left,
    parts_of,
    producer,
    start,
    stop,
)
from agents.host.errors import BrokerError
from schemas import topics
from schemas.desk import DeskRecord, decode_desk, encode_desk

log = logging.getLogger("heartline.desk")
HEADER = "desk"  # which process wrote a record: its own are known to it already
STEP_S = 10.0
PROBE_S = 5.0
FENCED = "Another desk of this namespace has taken over: this one ends."


class FencedError(BrokerError):
    """Another desk of the same namespace has begun."""


class Journal:
    """heard: by time.monotonic(), when the broker last answered. behind: records not read yet."""

    def __init__(self, bootstrap: str, namespace: str, began_ns: int, fenced: bool) -> None:
        """began_ns: when this process did; of two desks the later one stays. fenced: its last
        transaction was, so that there may be another."""
        self._began_ns, self._wary = began_ns, fenced
        self._bootstrap, self._namespace = bootstrap, namespace
        self._wire = {topics.on_wire(n, namespace): n for n in (topics.ALARMS, topics.DESK)}
        self._me = f"{began_ns}-{secrets.token_hex(8)}".encode()
        self._writing = asyncio.Lock()
        self._read_up_to = asyncio.Condition()
        self._consumer: AIOKafkaConsumer | None = None
        self._producer: AIOKafkaProducer | None = None
        self._transactions = False
        self._failed: BrokerError | None = None  # of a write: what is on the topic is not known
        self.heard, self.behind, self._probed = time.monotonic(), -1, 0.0

    async def open(self) -> None:
        """BrokerError where no broker answers."""
        self._transactions = await exactly_once_capable(self._bootstrap)
        client = self._consumer = await start(consumer(self._bootstrap), self._bootstrap)
        parts = await parts_of(self._bootstrap, *self._wire)
        client.assign(parts)
        for part, first in (await client.beginning_offsets(parts)).items():
            client.seek(part, first)
        await self._probe()

    async def _begin_to_write(self) -> None:
        """Once all is read: this ends the transactions of every other desk, and one that has found
        a later one must not."""
        options: dict[str, Any] = {}
        if self._transactions:
            name = topics.on_wire("heartline-desk", self._namespace)
            options = {"transactional_id": name, "transaction_timeout_ms": 15_000}
        self._producer = await start(producer(self._bootstrap, **options), self._bootstrap)

    async def read(self) -> list[tuple[str, ConsumerRecord[bytes, bytes]]]:
        """(logical topic, record) of what came within a moment; its own records are left out.

        BrokerError, KafkaError, TimeoutError: it cannot be gone on from here.
        """
        client = self._consumer
        assert client
        if self._failed:
            raise self._failed
        got = await client.getmany(timeout_ms=200, max_records=5000)
        if got:
            self.heard = time.monotonic()
        if self.behind or time.monotonic() - self._probed > PROBE_S:
            await self._probe()
        async with self._read_up_to:
            self._read_up_to.notify_all()
        found = [
            (self._wire[part.topic], record)
            for part, records in got.items()
            for record in records
            if (HEADER, self._me) not in record.headers
        ]
        if self._wary:
            self._refuse_a_later_desk(found)
        if self.behind == 0 and self._producer is None:
            self._wary = True
            await self._begin_to_write()
        return found

    def _refuse_a_later_desk(
        self, found: Iterable[tuple[str, ConsumerRecord[bytes, bytes]]]
    ) -> None:
        """FencedError where another desk has written that began after this one. What stood there
        before this one had read all is of desks before it."""
        for _, record in found:
            for key, value in record.headers:
                began = value.partition(b"-")[0] if key == HEADER else b""
                if began.isdigit() and int(began[:20]) > self._began_ns:
                    raise FencedError(FENCED)

    async def _probe(self) -> None:
        """Ask where the topics end: a fetch returns nothing too where the broker is gone."""
        client = self._consumer
        assert client
        async with asyncio.timeout(STEP_S):
            ends = await client.end_offsets(list(client.assignment()))
            self.behind = await left(client, ends)
        self.heard = self._probed = time.monotonic()

    async def write(self, records: Sequence[DeskRecord], own: bool) -> int:
        """Append records, all or (on the embedded broker, some or) none of them; returns the offset
        of the last. own: of the desk itself, which knows them.

        BrokerError: they are not written, or it is not known; another desk may have taken over.
        """
        wire = topics.on_wire(topics.DESK, self._namespace)
        headers = [(HEADER, self._me)] if own else []
        for record in records:
            decode_desk(encode_desk(record))  # what could not be read back is an error of ours
        with self._written(wire):
            async with asyncio.timeout(STEP_S), self._writing:
                if self._failed:
                    raise BrokerError(f"{wire}: an earlier write has failed.")
                return await self._append(wire, records, headers)

    async def _append(
        self, wire: str, records: Sequence[DeskRecord], headers: Sequence[tuple[str, bytes]]
    ) -> int:
        """Not with aiokafka's `transaction()`: where the broker is gone that waits for its abort,
        without a deadline, behind whatever deadline there is here."""
        client = self._producer
        assert client, "all is read before it is written"
        if not self._transactions:
            return await _send(client, wire, records, headers)
        await client.begin_transaction()
        offset = await _send(client, wire, records, headers)
        await client.commit_transaction()
        return offset

    @contextmanager
    def _written(self, wire: str) -> Iterator[None]:
        try:
            yield
        except (KafkaError, IllegalOperation, TimeoutError, OSError) as error:
            self._failed = BrokerError(f"{wire}: not known whether it was written: {error!r}.")
            raise self._failed from error

    async def has_read(self, offset: int) -> None:
        """Wait until the desk has taken the record of telemetry.desk at this offset."""
        client = self._consumer
        assert client
        part = TopicPartition(topics.on_wire(topics.DESK, self._namespace), 0)

        async with asyncio.timeout(STEP_S), self._read_up_to:
            while await client.position(part) <= offset:
                await self._read_up_to.wait()
            await self._read_up_to.wait()  # what was read is taken before the next read

    async def close(self) -> None:
        if self._consumer:
            await stop(self._consumer)
        if self._producer:
            await discard(self._producer, abort=False)  # the broker, or the next desk, aborts it


async def _send(
    client: AIOKafkaProducer, wire: str, records: Iterable[DeskRecord],
    headers: Sequence[tuple[str, bytes]],
) -> int:  # fmt: skip
    sent = [
        await client.send(wire, encode_desk(r), r.who.encode(), headers=list(headers))
        for r in records
    ]
    return max(int(found.offset) for found in await asyncio.gather(*sent))
