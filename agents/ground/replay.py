"""A recorded flight to Kafka at its own pace, or faster (docs/replay.md)."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from agents.broker.declared import ensure_topics
from agents.broker.kafka import (
    NotTakenError,
    consumer,
    discard,
    existing_partitions,
    patiently,
    producer,
    start,
)
from agents.ground.pacing import Lateness, Pace
from agents.observe.logs import BROKER
from pipeline.flights.records import FlightRecord
from schemas import topics
from schemas.records import CONTROL_HEADERS, Numbered, with_number

log = logging.getLogger("heartline.replay")
TIMEOUT_MS = 10_000

MAX_PENDING = 500  # records sent and not acknowledged: a slow broker holds the replay back


@dataclass(slots=True)
class Replayed:
    """What a replay did so far. lateness: from a record's due time to its acknowledgement."""

    records: int = 0
    packets: int = 0
    seconds: float = 0.0
    flight_s: float = 0.0
    lateness: Lateness = field(default_factory=Lateness)


async def holds_records(bootstrap: str, namespace: str) -> bool:
    """Whether the namespace's telemetry.raw has had records (contract: watermark)."""
    topic = topics.on_wire(topics.RAW, namespace)
    client = await patiently(lambda: start(consumer(bootstrap), bootstrap), bootstrap)
    try:
        numbers = await existing_partitions(bootstrap, topic)
        ends = await client.end_offsets([TopicPartition(topic, p) for p in numbers])
        return any(ends.values())
    finally:
        await client.stop()


class Sender:
    """Sends records when they are due; at most MAX_PENDING wait for the broker. If a producer
    fails, the next one sends them again with the same numbers, so that none counts twice
    (`pipeline/packets/repeats.py`)."""

    def __init__(
        self, client: AIOKafkaProducer, topic: str, source: str, pace: Pace, done: Replayed
    ) -> None:
        self._client, self._topic, self._key = client, topic, source.encode()
        self._pace, self._done = pace, done
        self._writer, self._number = int.from_bytes(secrets.token_bytes(8)), 0
        self._way: deque[tuple[FlightRecord, int, float, asyncio.Future[Any]]] = deque()
        self._first: int | None = None

    async def send(self, record: FlightRecord) -> None:
        """NotTakenError if the broker did not accept an earlier record; this one is not sent."""
        _heed_cancelling()
        done = self._done
        self._first = record.due_ns if self._first is None else self._first
        done.flight_s = (record.due_ns - self._first) / 1e9
        due = await self._pace.wait(done.flight_s)
        while len(self._way) >= MAX_PENDING:
            await asyncio.wait([self._way[0][3]])
            self._settle()
        self._settle()
        await self._put(record, self._number, due)
        self._number += 1
        done.records += 1
        done.packets += record.packets
        done.seconds = self._pace.seconds

    async def _put(self, record: FlightRecord, number: int, due: float) -> None:
        headers = record.headers
        if headers[:1] != CONTROL_HEADERS[:1]:
            headers = with_number(headers, Numbered(self._writer, number))
        way = await self._client.send(self._topic, record.value, self._key, headers=list(headers))
        way.add_done_callback(lambda f: self._acknowledged(f, due))
        self._way.append((record, number, due, way))

    def _acknowledged(self, future: asyncio.Future[Any], due: float) -> None:
        if not future.cancelled() and not future.exception() and self._pace.paced:
            self._done.lateness.add(self._pace.seconds - due)

    def _settle(self) -> None:
        while self._way and self._way[0][3].done():
            way = self._way[0][3]
            if error := asyncio.CancelledError() if way.cancelled() else way.exception():
                raise NotTakenError(self._topic, error)
            self._way.popleft()

    async def again(self, client: AIOKafkaProducer) -> None:
        """Send again by another producer, from the first record that was not acknowledged."""
        held, self._way = self._way, deque()
        self._client = client
        try:
            while held:
                record, number, due, _ = held[0]
                await self._put(record, number, due)
                held.popleft()
        finally:  # it may fail as well
            self._way.extend(held)

    async def finish(self) -> None:
        """Wait until the broker has all."""
        while self._way:
            await asyncio.wait([self._way[0][3]])
            self._settle()
        self._done.seconds = self._pace.seconds


def _heed_cancelling() -> None:
    """Raise a cancellation that a library has swallowed (Python 3.11's `wait_for` may do so)."""
    task = asyncio.current_task()
    if task and task.cancelling():
        raise asyncio.CancelledError


async def replay(
    records: Iterable[FlightRecord],
    source: str,
    bootstrap: str,
    namespace: str,
    speed: float | None,
    partitions: int,
    done: Replayed,
    on_progress: Callable[[int], None],
) -> None:
    """Send every record, acknowledged. speed: times flight time; None is no pacing.

    `done` shows how far it got, even if it is interrupted.
    """

    async def opened() -> AIOKafkaProducer:
        await patiently(partial(ensure_topics, bootstrap, namespace, partitions), bootstrap)
        make = partial(
            producer, bootstrap, linger_ms=0 if speed else 5, request_timeout_ms=TIMEOUT_MS
        )
        return await patiently(lambda: start(make(), bootstrap), bootstrap)

    client = await opened()
    sender = Sender(client, topics.on_wire(topics.RAW, namespace), source, Pace(speed), done)

    async def until_taken(send: Callable[[], Awaitable[None]]) -> None:
        """Call `send` until it succeeds; after each failure go on with another producer."""
        nonlocal client
        failed = False
        while True:
            try:
                if failed:
                    await discard(client, abort=False)
                    client = await opened()
                    await sender.again(client)
                    failed = False
                await send()
                return
            except (NotTakenError, KafkaError, TimeoutError, OSError) as error:
                failed = True
                log.warning(
                    "replay stands at T+%.1f s, %d packets: the broker takes no more (%s)",
                    done.flight_s, done.packets, error, extra=BROKER,
                )  # fmt: skip

    try:
        for record in records:
            await until_taken(partial(sender.send, record))
            on_progress(record.packets)
        await until_taken(sender.finish)
    finally:
        await client.stop()
