"""Compacted topics of current state, kept from the alerts that tell it.

Plain Faust agents: low rate, and written so that a repeat is harmless.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable
from typing import Any

import faust
import orjson

from schemas import topics

State = tuple[bytes, bytes] | None  # key and value; None: the alert tells nothing of it


def add_desk(
    app: faust.App, namespace: str, name: str, topic: str,
    state_of: Callable[[dict[str, Any]], State],
) -> None:  # fmt: skip
    """Alerts in, states out."""
    alerts = app.topic(
        topics.on_wire(topics.ALERTS, namespace), value_type=bytes, value_serializer="raw",
        key_serializer="raw",
    )  # fmt: skip
    states = app.topic(
        topics.on_wire(topic, namespace), value_serializer="raw", key_serializer="raw"
    )

    @app.agent(alerts, name=name)
    async def keep(stream: AsyncIterable[bytes]) -> None:
        async for value in stream:
            told = state_of(orjson.loads(value))
            if told:
                await states.send(key=told[0], value=told[1])
