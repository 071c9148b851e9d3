"""Reading output topics from now on, or from their beginning."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import orjson
from aiokafka import ConsumerRecord

from agents.broker.kafka import consumer, left, parts_of, start
from agents.host.errors import BrokerError
from schemas import topics

STALLED_S = 30.0


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
    """(logical topic, record) of the topics. When all that stood on them when it was called has
    come, it calls at_end, and with until_end it stops.

    BrokerError where nothing more of that comes for STALLED_S: what is missing is no end.
    """
    client = await start(consumer(bootstrap), bootstrap)
    try:
        wire = {topics.on_wire(n, namespace): n for n in names}
        parts = await parts_of(bootstrap, *wire)
        client.assign(parts)
        first, last = await client.beginning_offsets(parts), await client.end_offsets(parts)
        for part in parts:
            client.seek(part, first[part] if from_start else last[part])
        ended, heard = False, time.monotonic()
        while True:
            more = 0 if ended else await left(client, last)
            if not ended and not more:
                ended = True
                at_end()
                if until_end:
                    return
            got = await client.getmany(timeout_ms=300)
            for part, records in got.items():
                for record in records:
                    yield wire[part.topic], record
            if got:
                heard = time.monotonic()
            elif not ended and time.monotonic() - heard > STALLED_S:
                raise BrokerError(
                    f"{' '.join(names)}: {more} records stand on the broker at {bootstrap} that it "
                    f"has not given for {STALLED_S:g} s. Is it well?"
                )
    finally:
        await client.stop()
