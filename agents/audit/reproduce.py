"""An alert derived again from the input as it stands on telemetry.raw, byte for byte.

The whole past of the source in that partition is run through the chain, from the first record on:
no snapshot, sample or other result of a worker is used.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson
from aiokafka import TopicPartition

from agents.broker.kafka import consumer, start, stop
from agents.host.errors import BrokerError
from agents.lane.chunk import Chunk
from agents.readers.definitions import read_definitions
from agents.readers.tail import follow
from pipeline.chain import Chain
from pipeline.mission.folder import Mission
from pipeline.outputs.ids import place_of
from schemas import topics
from schemas.records import RawRecord

AT_ONCE = 2000  # records through the chain
SILENT_S = 10.0  # longest wait for the next records


@dataclass(frozen=True, slots=True)
class Reproduced:
    """stored, derived: the alert's bytes; derived is None if the chain emits no such id.
    records, sha256: the source's input, and the hash of its values one after the other.
    definitions: what alerts name by hash."""

    stored: bytes
    derived: bytes | None
    records: int
    sha256: str
    definitions: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def differs_at(self) -> int | None:
        """Index of the first byte that differs; None if all are equal."""
        if self.derived == self.stored:
            return None
        made = self.derived or b""
        both = enumerate(zip(self.stored, made, strict=False))
        shorter = min(len(self.stored), len(made))
        return next((i for i, (a, b) in both if a != b), shorter)

    def fields(self) -> list[tuple[str, object, object]]:
        """(field, stored, derived) of all that differs, parts of the fingerprint one by one."""
        try:
            stored, made = orjson.loads(self.stored), orjson.loads(self.derived or b"{}")
        except ValueError:
            return []
        if not isinstance(stored, dict):
            return []
        for alert in (stored, made):
            whole = self.definitions.get(str(alert.get("fingerprint")))
            alert["fingerprint"] = orjson.loads(whole) if whole else alert.get("fingerprint")
        return [(name, old, new) for name, old, new in _pairs(stored, made, "") if old != new]


def _pairs(a: object, b: object, name: str) -> list[tuple[str, object, object]]:
    if not (isinstance(a, dict) and isinstance(b, dict)):
        return [(name, a, b)]
    keys = list(a) + [k for k in b if k not in a]
    dot = f"{name}." if name else ""
    return [pair for k in keys for pair in _pairs(a.get(k), b.get(k), f"{dot}{k}")]


async def stored_alert(bootstrap: str, namespace: str, id_: str) -> tuple[str, bytes]:
    """(source, bytes) of an alert on its topic, found by the header that carries its id."""
    async for _, record in follow(bootstrap, namespace, topics.ALERTS_OF_ALL, True, True):
        if dict(record.headers).get("id") == id_.encode():
            source = (record.key or b"").decode("utf-8", "replace").split(":", 1)[0]
            return source, record.value or b""
    raise BrokerError(f"No alert {id_!r} in {topics.on_wire(topics.ALERTS, namespace)}.")


async def reproduce(bootstrap: str, namespace: str, id_: str, mission: Mission) -> Reproduced:
    """Derive an alert again. BrokerError if the alert, or the input it came from, is missing."""
    at = place_of(id_)
    if at is None:
        raise BrokerError(f"{id_!r} is no id: telemetry.raw-PARTITION-OFFSET-n.")
    place = TopicPartition(topics.on_wire(topics.RAW, namespace), at.partition)
    source, stored = await stored_alert(bootstrap, namespace, id_)
    given = await _input(bootstrap, place, at.offset, source)
    chain, derived = Chain(mission, source, place.partition), None
    definitions = await read_definitions(bootstrap, namespace)
    definitions |= {d.sha256: d.value for d in chain.definitions.every}
    for i in range(0, len(given), AT_ONCE):
        fed = chain.feed(given[i : i + AT_ONCE])
        derived = next((o.value for _, o in fed.outputs if o.id == id_), derived)
    digest = hashlib.sha256()
    for record in given:
        digest.update(record.value)
    return Reproduced(stored, derived, len(given), digest.hexdigest(), definitions)


async def _input(bootstrap: str, place: TopicPartition, last: int, source: str) -> list[RawRecord]:
    """The source's records from the first of the partition to offset `last`."""
    client = await start(consumer(bootstrap), bootstrap)
    found: list[RawRecord] = []
    try:
        client.assign([place])
        first = (await client.beginning_offsets([place]))[place]
        if first > 0:
            raise BrokerError(
                f"{place.topic} begins at offset {first} of partition {place.partition}: what the "
                "alert was made of is no longer all there."
            )
        client.seek(place, 0)
        while await client.position(place) <= last:
            # a fetch from a broker that is gone is merely empty
            wait_ms = round(SILENT_S * 1e3)
            records = (await client.getmany(place, timeout_ms=wait_ms)).get(place, [])
            if not records and await client.position(place) <= last:
                raise BrokerError(
                    f"No more records come from {place.topic} before offset {last}. "
                    "Is the broker up?"
                )
            chunk = Chunk.of(place.partition, [r for r in records if r.offset <= last])
            found += [chunk.records.one(i) for i in range(len(chunk)) if chunk.source(i) == source]
        return found
    finally:
        await stop(client)
