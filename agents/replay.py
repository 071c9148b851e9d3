"""A recorded flight to Kafka at its own pace, or faster (docs/replay.md)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from aiokafka import TopicPartition

from agents.kafka import consumer, ensure_topics, existing_partitions, producer, start
from pipeline.flight import Flight, pack
from schemas import topics

FLUSH_RECORDS = 500


@dataclass(slots=True)
class Replayed:
    """What a replay did. late_s: how far a record was sent behind its time, at worst and mean."""

    records: int = 0
    packets: int = 0
    seconds: float = 0.0
    flight_s: float = 0.0
    worst_late_s: float = 0.0
    mean_late_s: float = 0.0


async def holds_records(bootstrap: str, namespace: str) -> bool:
    """Whether the namespace's telemetry.raw has had records (contract: watermark)."""
    topic = topics.on_wire(topics.RAW, namespace)
    client = await start(consumer(bootstrap), bootstrap)
    try:
        numbers = await existing_partitions(bootstrap, topic)
        ends = await client.end_offsets([TopicPartition(topic, p) for p in numbers])
        return any(ends.values())
    finally:
        await client.stop()


async def replay(
    flight: Flight,
    source: str,
    bootstrap: str,
    namespace: str,
    speed: float | None,
    shift_ns: int,
    partitions: int,
    on_progress: Callable[[int], None],
) -> Replayed:
    """Send every record of a flight, acknowledged. speed: times flight time; None is no pacing."""
    await ensure_topics(bootstrap, namespace, partitions)
    client = await start(producer(bootstrap, linger_ms=5), bootstrap)
    topic, done = topics.on_wire(topics.RAW, namespace), Replayed()
    begun, first, late = time.monotonic(), None, 0.0
    pending: list[asyncio.Future[object]] = []
    try:
        for record in pack(flight, shift_ns):
            first = record.due_ns if first is None else first
            done.flight_s = (record.due_ns - first) / 1e9
            if speed:
                due = begun + done.flight_s / speed
                wait = due - time.monotonic()
                if wait > 0:
                    await asyncio.sleep(wait)
                behind = max(0.0, time.monotonic() - due)
                late += behind
                done.worst_late_s = max(done.worst_late_s, behind)
            pending.append(
                await client.send(
                    topic, record.value, source.encode(), headers=list(record.headers)
                )
            )
            done.records += 1
            done.packets += record.packets
            on_progress(record.packets)
            if len(pending) >= FLUSH_RECORDS:
                await asyncio.gather(*pending)
                pending = []
        await asyncio.gather(*pending)
    finally:
        await client.stop()
    done.seconds = time.monotonic() - begun
    done.mean_late_s = late / max(1, done.records)
    return done
