"""The worker's lane on the embedded broker, against a bare aiokafka loop on the same topic.

1,000 parameters at 1 Hz, 25 a packet (the chain's benchmark), one tick a second.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path

from aiokafka import TopicPartition
from prometheus_client import CollectorRegistry

from agents.broker.declared import ensure_topics
from agents.broker.embedded import EmbeddedBroker
from agents.broker.kafka import consumer, producer
from agents.lane.metrics import Metrics
from agents.lane.service import Lanes
from agents.settings import Guarantee, Settings, SourceSettings
from benchmarks.chain import records, tables
from benchmarks.goals import LANE_PACKED, LANE_SINGLE
from pipeline.formats.importing import mission_toml
from pipeline.formats.xtce import write_xtce
from schemas import topics
from schemas.records import PACKETS_HEADERS, RawRecord, encode_packets

PARAMETERS, SECONDS = 1000, 8000
PACKETS = PARAMETERS // 25 * SECONDS


def one_a_record(given: list[RawRecord]) -> list[RawRecord]:
    """The same packets and ticks, each packet in a record of its own."""
    made = []
    for r in given:
        if r.headers != PACKETS_HEADERS:
            made.append(r)
            continue
        count = int.from_bytes(r.value[:4], "big")
        times = [int.from_bytes(r.value[4 + 8 * i : 12 + 8 * i], "big") for i in range(count)]
        body = r.value[4 + 8 * count :]
        size = len(body) // count
        for i, t in enumerate(times):
            value = encode_packets([t], body[size * i : size * (i + 1)])
            made.append(RawRecord(0, value, PACKETS_HEADERS))
    return made


async def fill(bootstrap: str, given: list[RawRecord], namespace: str) -> None:
    await ensure_topics(bootstrap, namespace, 1)
    client = producer(bootstrap, linger_ms=20)
    await client.start()
    topic, pending = topics.on_wire(topics.RAW, namespace), []
    for r in given:
        pending.append(await client.send(topic, r.value, b"bench", headers=list(r.headers)))
        if len(pending) > 5000:
            await asyncio.gather(*pending)
            pending = []
    await asyncio.gather(*pending)
    await client.stop()


async def bare(bootstrap: str, namespace: str, records: int) -> float:
    """Seconds of a `getmany` loop that does nothing with what it gets."""
    client = consumer(bootstrap)
    await client.start()
    part = TopicPartition(topics.on_wire(topics.RAW, namespace), 0)
    client.assign([part])
    client.seek(part, 0)
    begun, n = time.perf_counter(), 0
    while n < records:
        n += sum(map(len, (await client.getmany(timeout_ms=200)).values()))
    taken = time.perf_counter() - begun
    await client.stop()
    return taken


async def lane(
    bootstrap: str, namespace: str, n: int, source: SourceSettings, guarantee: Guarantee = "best"
) -> float:
    """Seconds from the lane's readiness until the last record is committed, all outputs on."""
    settings = Settings(
        bootstrap=bootstrap, namespace=namespace, sources={"bench": source}, guarantee=guarantee
    )
    lanes = Lanes(settings, {"bench": source.load()}, Metrics(CollectorRegistry(), 100))
    await lanes.connect()
    task = asyncio.create_task(lanes.run())
    await lanes.ready.wait()
    begun = time.perf_counter()
    while lanes._lanes[0].committed < n:
        await asyncio.sleep(0.005)
        if task.done():
            task.result()
    taken = time.perf_counter() - begun
    await lanes.close()
    await task
    return taken


def run() -> list[str]:
    found = tables(PARAMETERS)
    packed = records(found, SECONDS)
    lines = [
        "worker's lane on the embedded broker (Tansu, in memory): 1,000 parameters, 25 a packet;"
    ]
    lines.append("  alerts, statistics, every sample as Arrow, and commits all on")
    with tempfile.TemporaryDirectory() as name, EmbeddedBroker() as broker:
        folder = Path(name)
        (folder / "x.xml").write_bytes(write_xtce("B", found))
        (folder / "mission.toml").write_text(mission_toml("bench", "x.xml"))
        source = SourceSettings(mission=str(folder))
        for words, given, goal in (
            ("one packet a record", one_a_record(packed), f"× the loop: {LANE_SINGLE}"),
            ("40 packets a record", packed, f"M samples/s: {LANE_PACKED}"),
        ):
            loops, lanes = [], []
            for k in range(3):
                namespace = f"bench{len(given)}-{k}"
                asyncio.run(fill(broker.bootstrap, given, namespace))
                loops.append(asyncio.run(bare(broker.bootstrap, namespace, len(given))))
                lanes.append(asyncio.run(lane(broker.bootstrap, namespace, len(given), source)))
            ratio = sorted(a / b for a, b in zip(loops, lanes, strict=True))[1]
            middle, loop = sorted(lanes)[1], sorted(loops)[1]
            lines.append(
                f"  {words:20s} {PACKETS / middle:9.0f} packets/s, "
                f"{25 * PACKETS / middle / 1e6:5.2f} M samples/s; {ratio:.2f} × a bare getmany "
                f"loop ({len(given) / loop:.0f} records/s); {goal}"
            )
    return lines
