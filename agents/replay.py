"""A recorded flight to Kafka at its own pace, or faster (docs/replay.md)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

from aiokafka import AIOKafkaProducer, TopicPartition

from agents.declared import ensure_topics
from agents.kafka import (
    NotTakenError,
    consumer,
    existing_partitions,
    patiently,
    producer,
    start,
)
from agents.pacing import Lateness, Pace
from pipeline.flight import FlightRecord
from schemas import topics

MAX_PENDING = 500  # records sent and not acknowledged: a slow broker holds the replay back


@dataclass(slots=True)
class Replayed:
    """What a replay did so far. lateness: from a record's time until the broker had it."""

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
    """Sends records when they are due; at most MAX_PENDING wait for the broker."""

    def __init__(
        self, client: AIOKafkaProducer, topic: str, source: str, pace: Pace, done: Replayed
    ) -> None:
        self._client, self._topic, self._key = client, topic, source.encode()
        self._pace, self._done = pace, done
        self._room = asyncio.Semaphore(MAX_PENDING)
        self._failed: BaseException | None = None
        self._first: int | None = None

    async def send(self, record: FlightRecord) -> None:
        """NotTakenError where the broker refused a record before."""
        _heed_cancelling()
        done = self._done
        self._first = record.due_ns if self._first is None else self._first
        done.flight_s = (record.due_ns - self._first) / 1e9
        due = await self._pace.wait(done.flight_s)
        await self._room.acquire()
        self._raise()
        future = await self._client.send(
            self._topic, record.value, self._key, headers=list(record.headers)
        )
        future.add_done_callback(lambda f: self._settled(f, due))
        done.records += 1
        done.packets += record.packets
        done.seconds = self._pace.seconds

    def _settled(self, future: asyncio.Future[object], due: float) -> None:
        self._room.release()
        if future.cancelled():
            return
        if error := future.exception():
            self._failed = error
        elif self._pace.paced:
            self._done.lateness.add(self._pace.seconds - due)

    def _raise(self) -> None:
        if self._failed:
            raise NotTakenError(self._topic, self._failed)

    async def finish(self) -> None:
        """Wait until the broker has all."""
        for _ in range(MAX_PENDING):
            await self._room.acquire()
        self._done.seconds = self._pace.seconds
        self._raise()


def _heed_cancelling() -> None:
    """A cancellation that a library below has swallowed (Python 3.11's `wait_for` may) counts."""
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

    `done` tells how far it came, also where it is interrupted.
    """
    await patiently(partial(ensure_topics, bootstrap, namespace, partitions), bootstrap)
    linger_ms = 0 if speed else 5
    client = await patiently(
        lambda: start(producer(bootstrap, linger_ms=linger_ms), bootstrap), bootstrap
    )
    sender = Sender(client, topics.on_wire(topics.RAW, namespace), source, Pace(speed), done)
    try:
        for record in records:
            await sender.send(record)
            on_progress(record.packets)
        await sender.finish()
    finally:
        await client.stop()
