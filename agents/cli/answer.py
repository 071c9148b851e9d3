"""A control record that an operator writes into the input, and what the worker answers."""

from __future__ import annotations

import asyncio
from typing import Any

import click
from aiokafka import AIOKafkaConsumer, TopicPartition

from agents.broker.kafka import append, consumer, partitions_of, start
from agents.host.plain import plain
from agents.lane.authority import Signer
from agents.readers.tail import object_of
from pipeline.outputs.ids import place_of
from schemas import topics
from schemas.records import CONTROL_HEADERS

ANSWER_S = 5.0
_WHY = {
    "unsigned_control": "nobody vouches for it: it is unsigned, signed long ago or for later, or "
    "by a key that the worker does not know (docs/security.md)",
    "bad_control": "it is not understood, or there is nothing there to change (docs/control.md)",
    "unknown_source": "no mission is given for its source (--source)",
}


class RefusedError(click.ClickException):
    """The worker refuses it."""


def tell(
    what: str, value: bytes, source: str, namespace: str, bootstrap: str, signer: Signer | None
) -> None:
    """Append a control record to a source's partition, and print what the worker answers.
    RefusedError: it refuses. Without an answer in time, print where the record is."""
    where, alerts, reason = asyncio.run(_ask(value, source, namespace, bootstrap, signer))
    if reason:
        raise RefusedError(f"{what}: refused, {_WHY.get(reason, plain(reason))}. It is {where}.")
    for alert in alerts:
        click.echo(plain(str(alert.get("sentence")), 400))
    if not alerts:
        click.echo(
            f"{what}: written at {where}; no worker answered within {ANSWER_S:g} s. It holds from "
            "there on, once one reads it; an alert of telemetry.alerts says so then."
        )


async def _ask(
    value: bytes, source: str, namespace: str, bootstrap: str, signer: Signer | None
) -> tuple[str, list[dict[str, Any]], str]:
    """(where the record is, the alerts that it caused, why it was refused)."""
    wire = {topics.on_wire(n, namespace): n for n in (topics.ALERTS, topics.REJECTS)}
    raw = topics.on_wire(topics.RAW, namespace)
    known = await partitions_of(bootstrap, raw, *wire)  # else the broker would make them
    parts = [TopicPartition(t, p) for t in wire for p in known[t]]
    reader = await start(consumer(bootstrap), bootstrap)
    try:
        reader.assign(parts)
        for part, end in (await reader.end_offsets(parts)).items():
            reader.seek(part, end)
        signed = [signer.header(raw, source, value)] if signer else []
        headers = [*CONTROL_HEADERS, *signed]
        at = await append(bootstrap, raw, value, source.encode(), headers)
        try:
            async with asyncio.timeout(ANSWER_S):
                alerts, reason = await _answer(reader, at)
        except TimeoutError:
            alerts, reason = [], ""
    finally:
        await reader.stop()
    return f"{at.topic}-{at.partition}-{at.offset}", alerts, reason


async def _answer(reader: AIOKafkaConsumer, at: Any) -> tuple[list[dict[str, Any]], str]:
    """All alerts of one record are in one transaction, so the first ones come together."""
    while True:
        alerts = []
        for records in (await reader.getmany(timeout_ms=300)).values():
            for record in records:
                told = object_of(record.value) or {}
                place = place_of(told.get("id"))
                if place and place[:2] == (at.partition, at.offset):
                    if "reason" in told:
                        return [], str(told["reason"])
                    alerts.append(told)
        if alerts:
            return alerts, ""
