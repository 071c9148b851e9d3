"""telemetry.models: the stage of every model at work, compacted, kept from the alerts that say so.

A plain Faust agent like the alarm desk's: low rate, and a repeat is harmless.
"""

from __future__ import annotations

from collections.abc import AsyncIterable
from typing import Any

import faust
import orjson

from agents.tail import follow
from schemas import topics

STAGES = {"shadowed": "shadow", "activated": "active", "retired": "retired", "demoted": "demoted"}


def stage_of(alert: dict[str, Any]) -> tuple[bytes, bytes] | None:
    """Key and value of the stage that an alert tells; None where it tells none.

    A demotion is of a container's part of a model, and has a key of its own.
    """
    stage = STAGES.get(alert["transition"])
    if stage is None or alert["level_before"] != "normal":
        return None
    state = {
        "source": alert["source"], "model": alert["model"]["id"], "stage": stage,
        "where": alert["parameter"],
        "sha256": alert["model"]["weights_sha256"], "generation_ns": alert["generation_ns"],
        "alert": alert["id"], "sentence": alert["sentence"],
    }  # fmt: skip
    parts = (alert["source"], alert["model"]["id"], alert["parameter"])
    return ":".join(parts if stage == "demoted" else parts[:2]).encode(), orjson.dumps(state)


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


async def staged(bootstrap: str, namespace: str, source: str) -> dict[str, dict[str, Any]]:
    """The last word on each model of a source, by its name; `demoted`: parts of it, since then."""
    found: dict[str, dict[str, Any]] = {}
    async for _, record in follow(bootstrap, namespace, (topics.MODELS,), True, True):
        state = orjson.loads(record.value or b"{}")
        if state.get("source") != source:
            continue
        if state["stage"] == "demoted":
            found.setdefault(state["model"], state | {"demoted": []})["demoted"].append(state)
        else:
            found[state["model"]] = state | {"demoted": []}
    return found
