"""telemetry.models: the stage of every model at work, compacted, from the alerts that report it.

Written by an agent of `agents.states.keep`, read by `heartline models list`.
"""

from __future__ import annotations

from typing import Any

import orjson

from agents.readers.tail import follow
from schemas import topics

STAGES = {"shadowed": "shadow", "activated": "active", "retired": "retired", "demoted": "demoted"}


def stage_of(alert: dict[str, Any]) -> tuple[bytes, bytes] | None:
    """Key and value of the stage that an alert reports; None where it reports none.

    A demotion concerns a container's part of a model, and has a key of its own.
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


async def staged(bootstrap: str, namespace: str, source: str) -> dict[str, dict[str, Any]]:
    """The last stage of each model of a source, by name; `demoted`: parts demoted since then."""
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
