"""Keeps telemetry.models from the alerts that say a model's stage.

A plain Faust agent like the alarm desk's: low rate, and a repeat is harmless.
"""

from __future__ import annotations

from collections.abc import AsyncIterable

import faust
import orjson

from agents.models_topic import stage_of
from schemas import topics


def add_models_agent(app: faust.App, namespace: str) -> None:
    """Alerts in, stages out."""
    alerts = app.topic(
        topics.on_wire(topics.ALERTS, namespace), value_type=bytes, value_serializer="raw",
        key_serializer="raw",
    )  # fmt: skip
    models = app.topic(
        topics.on_wire(topics.MODELS, namespace), value_serializer="raw", key_serializer="raw"
    )

    @app.agent(alerts, name="models")
    async def keep(stream: AsyncIterable[bytes]) -> None:
        async for value in stream:
            told = stage_of(orjson.loads(value))
            if told:
                await models.send(key=told[0], value=told[1])
