"""What must hold of the outputs, whatever was done to the workers and brokers.

The expectation is computed from telemetry.raw itself by an uninterrupted chain, so it knows nothing
of the run. Each violation is told; an empty list is the promise kept.
"""

from __future__ import annotations

import asyncio
import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from agents.broker.kafka import consumer, partitions_of
from agents.lane.chains import Chains
from agents.lane.chunk import Chunk
from agents.lane.dead_letters import dead_letters
from pipeline.mission.folder import Mission
from pipeline.outputs.arrow import read_record
from pipeline.outputs.definitions import named_by
from schemas import topics

Rest = tuple[bytes, tuple[tuple[str, bytes], ...]]  # key and headers
Record = tuple[str, bytes, Rest]  # id, value and the rest


@dataclass
class Seen:
    """What stands on the topics. outputs: records of each topic in their order."""

    raw: dict[int, list[ConsumerRecord[bytes, bytes]]] = field(default_factory=dict)
    outputs: dict[str, list[Record]] = field(default_factory=dict)
    unstable: list[str] = field(default_factory=list)  # partitions with an open transaction


async def look(bootstrap: str, namespace: str) -> Seen:
    """Everything up to the ends of telemetry.raw and of the outputs, as a reader may see it."""
    seen = Seen()
    raw = topics.on_wire(topics.RAW, namespace)
    wire = {topics.on_wire(t, namespace): t for t in topics.LANE_OUTPUTS}
    known = await partitions_of(bootstrap, raw, *wire)
    client = consumer(bootstrap)
    await client.start()
    try:
        for number in known[raw]:
            seen.raw[number] = await _all(client, TopicPartition(raw, number))
        for name, logical in wire.items():
            records: list[Record] = []
            for number in known[name]:
                got = await _all(client, TopicPartition(name, number))
                records += [_record(r) for r in got]
            seen.outputs[logical] = records
    finally:
        await client.stop()
    seen.unstable = await unstable(bootstrap, [*wire])
    return seen


def _record(r: ConsumerRecord[bytes, bytes]) -> Record:
    return dict(r.headers)["id"].decode(), r.value, (r.key, tuple(r.headers))


async def _all(
    client: AIOKafkaConsumer, partition: TopicPartition
) -> list[ConsumerRecord[bytes, bytes]]:
    client.assign([partition])
    first = (await client.beginning_offsets([partition]))[partition]
    end = (await client.end_offsets([partition]))[partition]
    client.seek(partition, first)
    found: list[ConsumerRecord[bytes, bytes]] = []
    while await client.position(partition) < end:
        got = await client.getmany(partition, timeout_ms=500)
        found += got.get(partition, [])
    return found


async def unstable(bootstrap: str, names: list[str]) -> list[str]:
    """Partitions whose last stable offset is not their high-water mark."""
    known = await partitions_of(bootstrap, *names)
    parts = [TopicPartition(n, p) for n in names for p in known[n]]
    ends = []
    for level in ("read_committed", "read_uncommitted"):
        client = consumer(bootstrap, isolation_level=level)
        await client.start()
        try:
            ends.append(await client.end_offsets(parts))
        finally:
            await client.stop()
    return [f"{p.topic}-{p.partition}" for p in parts if ends[0][p] != ends[1][p]]


def expected(
    raw: dict[int, list[ConsumerRecord[bytes, bytes]]], missions: dict[str, Mission]
) -> dict[str, dict[int, list[Record]]]:
    """By topic and input partition, in order."""
    out: dict[str, dict[int, list[Record]]] = {t: {} for t in topics.LANE_OUTPUTS}
    for number, records in raw.items():
        chains = Chains(missions, number)
        for first in range(0, len(records), 200):
            chunk = records[first : first + 200]
            outputs = chains.feed(Chunk.of(number, chunk)).outputs
            for o in [*outputs, *dead_letters(outputs, Chunk.of(number, chunk))]:
                headers = (("id", o.id.encode()), *o.headers)
                out[o.topic].setdefault(number, []).append((o.id, o.value, (o.key, headers)))
    return out


def violations(seen: Seen, missions: dict[str, Mission]) -> list[str]:
    """Set and order of the outputs equal the uninterrupted run's, byte for byte; nothing open."""
    wanted = expected(seen.raw, missions)
    found = [f"{name}: a transaction is open" for name in seen.unstable]
    for topic in topics.LANE_OUTPUTS:
        found += list(_of_topic(topic, seen.outputs.get(topic, []), wanted[topic]))
    return found


def _of_topic(topic: str, got: list[Record], wanted: dict[int, list[Record]]) -> Iterator[str]:
    repeated = [i for i, n in Counter(r[0] for r in got).items() if n > 1]
    if repeated:
        yield f"{topic}: {len(repeated)} repeated, first {repeated[0]}"
    have = {r[0] for r in got}
    every = {r[0] for records in wanted.values() for r in records}
    lost, extra = every - have, have - every
    if lost:
        yield f"{topic}: {len(lost)} lost, first {min(lost)}"
    if extra:
        yield f"{topic}: {len(extra)} that nobody should have sent, first {min(extra)}"
    for number, records in wanted.items():
        mine = [r for r in got if _partition(r[0]) == number]
        if not (repeated or lost or extra) and mine != records:
            yield f"{topic}: outputs of partition {number} differ in order or bytes"


def _partition(id_: str) -> int:
    return int(id_.rsplit("-", 3)[1])


def aggregates(seen: Seen, missions: dict[str, Mission]) -> list[str]:
    """Packets counted in the input, by their headers alone, against rows of samples, published
    or still open at the end."""
    found = []
    every = seen.outputs.get(topics.DEFINITIONS, [])
    definitions = {key.decode(): value for _, value, (key, _) in every}
    for number, records in seen.raw.items():
        rows = sum(
            read_record(definitions[named_by(topics.SAMPLES, headers)], value).num_rows
            for id_, value, (_, headers) in seen.outputs.get(topics.SAMPLES, [])
            if _partition(id_) == number
        )
        kept = [r for r in records if dict(r.headers).get("kind") == b"packets"]
        packets = sum(_packets(r.value) for r in kept)
        rows += _open_rows(records, number, missions)
        if rows != packets:
            found.append(f"partition {number}: {packets} packets in, {rows} rows of samples")
    return found


def _open_rows(
    records: list[ConsumerRecord[bytes, bytes]], number: int, missions: dict[str, Mission]
) -> int:
    """Rows that no tick has closed at the end of the input."""
    chains = Chains(missions, number)
    for first in range(0, len(records), 200):
        chains.feed(Chunk.of(number, records[first : first + 200]))
    return sum(
        read_record(chain.samples.form(i).definition, record).num_rows
        for chain in chains.chains.values()
        for i, record in chain.samples.rest()
    )


def _packets(value: bytes) -> int:
    """Whole CCSDS packets in a record of them (docs/raw.md)."""
    (count,) = struct.unpack_from(">I", value)
    at, n = 4 + 8 * count, 0
    while at < len(value):
        at += struct.unpack_from(">H", value, at + 4)[0] + 7
        n += 1
    return n


class Reader:
    """Follows the outputs while things break: what it has read once may never change."""

    def __init__(self, bootstrap: str, namespace: str) -> None:
        self._bootstrap, self._namespace = bootstrap, namespace
        self.records: dict[str, list[Record]] = {t: [] for t in topics.LANE_OUTPUTS}
        self.longest_gap = 0.0  # s between two times that anything came

    async def run(self, stop: asyncio.Event) -> None:
        wire = {topics.on_wire(t, self._namespace): t for t in topics.LANE_OUTPUTS}
        known = await partitions_of(self._bootstrap, *wire)
        client = consumer(self._bootstrap)
        await client.start()
        loop = asyncio.get_running_loop()
        try:
            parts = [TopicPartition(n, p) for n, numbers in known.items() for p in numbers]
            client.assign(parts)
            for part in parts:
                client.seek(part, 0)
            last = loop.time()
            while not stop.is_set():
                got = await client.getmany(timeout_ms=200)
                for part, records in got.items():
                    mine = self.records[wire[part.topic]]
                    mine += [_record(r) for r in records]
                if got:
                    self.longest_gap = max(self.longest_gap, loop.time() - last)
                    last = loop.time()
        finally:
            await client.stop()

    def changed(self, seen: Seen) -> list[str]:
        return [
            f"{topic}: what a reader saw is not what stands there"
            for topic, mine in self.records.items()
            if mine != seen.outputs[topic][: len(mine)]
        ]
