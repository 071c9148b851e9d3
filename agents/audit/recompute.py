"""The alerts of telemetry.raw, computed again and compared with those that are stored.

The ledger shows that stored alerts were not changed, left out or moved afterwards. It cannot show
that a worker was made to emit none, by a forged state or a changed program: this can.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

from agents.broker.kafka import consumer, partitions_of, start, stop
from agents.host.errors import BrokerError
from agents.lane.chains import Chains
from agents.lane.chunk import Chunk
from agents.lane.service import authority
from agents.readers.tail import follow
from agents.settings import Settings
from pipeline.mission.folder import Mission
from schemas import topics

AT_ONCE = 2000  # records through the chains
SILENT_MS = 10_000  # longest wait for the next records


@dataclass(slots=True)
class Recomputed:
    """records: read from telemetry.raw, up to the committed offsets. other_code: alerts made by
    other code or settings, compared without the fields that depend on those."""

    records: int = 0
    alerts: int = 0
    other_code: int = 0
    findings: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Alert:
    sha256: str
    bare: str  # SHA-256 without fingerprint, ledger and weights
    fingerprint: str


async def recompute(settings: Settings, missions: dict[str, Mission]) -> Recomputed:
    """Every alert up to the lanes' committed offsets. BrokerError where the log's beginning is
    gone, or nothing was committed."""
    stored: dict[str, _Alert] = {}
    alerts = topics.ALERTS_OF_ALL
    async for _, record in follow(settings.bootstrap, settings.namespace, alerts, True, True):
        id_ = dict(record.headers).get("id", b"").decode("utf-8", "replace")
        stored[id_] = _alert(record.value or b"")
    done = Recomputed()
    raw = topics.on_wire(topics.RAW, settings.namespace)
    for number in (await partitions_of(settings.bootstrap, raw))[raw]:
        await _partition(settings, missions, TopicPartition(raw, number), stored, done)
    for id_ in stored:
        done.findings.append(f"{id_}: is kept, and the input does not give it.")
    return done


async def _partition(
    settings: Settings, missions: dict[str, Mission], place: TopicPartition,
    stored: dict[str, _Alert], done: Recomputed,
) -> None:  # fmt: skip
    chains = Chains(missions, place.partition, authority(settings).vouch)
    async for records in _committed(settings, place):
        done.records += len(records)
        fed = chains.feed(Chunk.of(place.partition, records))
        for output in fed.outputs:
            if output.topic not in topics.ALERTS_OF_ALL:
                continue
            done.alerts += 1
            kept, made = stored.pop(output.id, None), _alert(output.value)
            if kept is None:
                told = (output.event or {}).get("sentence", "")
                done.findings.append(f"{output.id}: was never written: {told}")
            elif kept.fingerprint != made.fingerprint and kept.bare == made.bare:
                done.other_code += 1
            elif kept.sha256 != made.sha256:
                done.findings.append(f"{output.id}: is kept otherwise than the input gives it.")


async def _committed(settings: Settings, place: TopicPartition) -> AsyncIterator[list[Any]]:
    """Records from the first to what the lanes have committed."""
    client: AIOKafkaConsumer = await start(
        consumer(settings.bootstrap, group_id=settings.lanes_group), settings.bootstrap
    )
    try:
        client.assign([place])
        end = await client.committed(place)
        first = (await client.beginning_offsets([place]))[place]
        if end is None:
            raise BrokerError(
                f"Group {settings.lanes_group} has no committed offset for "
                f"{place.topic}-{place.partition}. Is it the group in the worker's settings?"
            )
        if first > 0:
            raise BrokerError(
                f"{place.topic}-{place.partition} begins at offset {first}: what the alerts were "
                "made of is no longer all there."
            )
        client.seek(place, 0)
        while (at := await client.position(place)) < end:
            got = await client.getmany(place, timeout_ms=SILENT_MS, max_records=AT_ONCE)
            records = [r for r in got.get(place, []) if r.offset < end]
            if records:
                yield records
            elif await client.position(place) == at:
                raise BrokerError(f"{place.topic} gives nothing more at offset {at} of {end}.")
    finally:
        await stop(client)


def _alert(value: bytes) -> _Alert:
    try:
        told = orjson.loads(value)
        fingerprint = orjson.dumps(told.pop("fingerprint", None)).decode()
        told.pop("ledger", None)
        told.pop("model", None)
        bare = hashlib.sha256(orjson.dumps(told)).hexdigest()
    except (ValueError, AttributeError):
        fingerprint = bare = ""
    return _Alert(hashlib.sha256(value).hexdigest(), bare, fingerprint)
