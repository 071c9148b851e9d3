"""Reading output topics from now on, or from their beginning."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import orjson
from aiokafka import ConsumerRecord, TopicPartition

from agents.broker.kafka import consumer, partitions_of, start
from schemas import topics

QUIET = 3  # polls in a row without a record: it has been read to its end


def object_of(value: bytes | None) -> dict[str, Any] | None:
    """The JSON object of a record, {} for a tombstone; None where it is not in our format."""
    try:
        told = orjson.loads(value or b"{}")
    except ValueError:
        return None
    return told if isinstance(told, dict) else None


async def follow(
    bootstrap: str,
    namespace: str,
    names: tuple[str, ...],
    from_start: bool,
    until_end: bool,
    at_end: Callable[[], None] = lambda: None,
) -> AsyncIterator[tuple[str, ConsumerRecord[bytes, bytes]]]:
    """(logical topic, record) of the topics. When no more records come it calls at_end, and with
    until_end it stops."""
    client = await start(consumer(bootstrap), bootstrap)
    try:
        wire = {topics.on_wire(n, namespace): n for n in names}
        known = await partitions_of(bootstrap, *wire)
        parts = [TopicPartition(t, p) for t, numbers in known.items() for p in numbers]
        client.assign(parts)
        first, last = await client.beginning_offsets(parts), await client.end_offsets(parts)
        for part in parts:
            client.seek(part, first[part] if from_start else last[part])
        quiet = 0
        while not until_end or quiet < QUIET:
            got = await client.getmany(timeout_ms=300)
            for part, records in got.items():
                for record in records:
                    yield wire[part.topic], record
            quiet = 0 if got else quiet + 1
            if quiet == QUIET:
                at_end()
    finally:
        await client.stop()
