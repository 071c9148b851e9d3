"""The alarm desk's beginning: the current alarm of every monitor on a compacted topic.

A plain Faust agent: low rate, and written so that a repeat is harmless. It keeps no state: each
alert says all there is to know of its monitor, and compaction keeps the latest.
"""

from __future__ import annotations

from collections.abc import AsyncIterable
from typing import Any

import faust
import orjson

from pipeline.outputs.alerts import monitor_key
from schemas import topics


def alarm_of(alert: dict[str, Any]) -> tuple[bytes, bytes]:
    """Key and value of the alarm state that an alert leaves behind."""
    monitor = alert["monitor"]
    key = ":".join(monitor_key(alert)).encode()
    state = {
        "source": alert["source"],
        "parameter": alert["parameter"],
        "monitor": monitor,
        "level": alert["level_after"],
        "generation_ns": alert["generation_ns"],
        "alert": alert["id"],
        "sentence": alert["sentence"],
    }
    return key, orjson.dumps(state)


def add_alarm_agent(app: faust.App, namespace: str) -> None:
    """Alerts in, alarm states out."""
    alerts = app.topic(
        topics.on_wire(topics.ALERTS, namespace), value_type=bytes, value_serializer="raw",
        key_serializer="raw",
    )  # fmt: skip
    alarms = app.topic(
        topics.on_wire(topics.ALARMS, namespace), value_serializer="raw", key_serializer="raw"
    )

    @app.agent(alerts, name="alarms")
    async def follow(stream: AsyncIterable[bytes]) -> None:
        async for value in stream:
            key, state = alarm_of(orjson.loads(value))
            await alarms.send(key=key, value=state)
