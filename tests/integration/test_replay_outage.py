"""The broker is killed under a replay, which goes on when it is back."""

from __future__ import annotations

import asyncio
import signal
import threading
from pathlib import Path

import pytest
from aiokafka import TopicPartition

from agents.broker.kafka import consumer, patiently, start
from pipeline.flights.records import Flight
from pipeline.packets import PacketReader
from schemas import topics
from schemas.records import RawRecord
from tests.integration.kafka_cluster import cluster
from tests.integration.system import send, wait_until


async def packets(bootstrap: str) -> bytes:
    """Of telemetry.raw, as the chain takes them."""
    reader, found = PacketReader(), []
    client = await patiently(lambda: start(consumer(bootstrap), bootstrap), bootstrap)
    part = TopicPartition(topics.RAW, 0)
    try:
        client.assign([part])
        client.seek(part, 0)
        while got := (await client.getmany(part, timeout_ms=1500)).get(part, []):
            batch, _ = reader.feed([RawRecord(r.offset, r.value, tuple(r.headers)) for r in got])
            spans = zip(batch.start, batch.length, strict=True)
            found += [batch.data[s : s + n].tobytes() for s, n in spans]
    finally:
        await client.stop()
    return b"".join(found)


@pytest.mark.kafka
def test_a_replay_outlives_its_broker(small_flight: Flight, tmp_path: Path) -> None:
    """87 s of flight at eight times its pace; the broker is gone for some of them."""
    with cluster(tmp_path) as broker:
        going = threading.Thread(target=send, args=(small_flight, "demo", broker.bootstrap, 8.0))
        going.start()
        try:
            wait_until(
                lambda: len(asyncio.run(packets(broker.bootstrap))) > 0, 30, lambda: "nothing came"
            )
            broker.signal(broker.nodes[0], signal.SIGKILL)
            wait_until(lambda: not broker.nodes[0].alive, 30, lambda: "it is still there")
            broker.start()
        finally:
            going.join()
        got = asyncio.run(packets(broker.bootstrap))
    spans = zip(small_flight.start, small_flight.length, strict=True)
    assert got == b"".join(small_flight.data[s : s + n].tobytes() for s, n in spans)
