"""Alerts: transitions of monitors, with all the evidence (schemas/json/alert.schema.json)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import orjson

from schemas import topics
from schemas.columns import QUALITY_WORDS, Output
from schemas.mission import LEVELS
from schemas.words import figure

# text of an alert for people, from the alert, its parameter with value, and the unit
Words = Callable[[dict[str, Any], str, str], str]
_JSON = orjson.OPT_SERIALIZE_NUMPY
_WORDS_OF = tuple([w for i, w in enumerate(QUALITY_WORDS) if bits >> i & 1] for bits in range(256))


def monitor_key(alert: dict[str, Any]) -> tuple[str, ...]:
    """Key that identifies a monitor of a source. It includes the name of a trained model, and the
    container if the parameter is in several containers."""
    monitor = alert["monitor"]
    trained = (monitor["name"],) if "stage" in alert.get("model", {}) else ()
    place = (alert["container"],) if "container" in alert else ()
    return (alert["source"], alert["parameter"], monitor["kind"], *trained, *place)


def transition_word(before: int, after: int) -> str:
    if before == 0:
        return "raised"
    return "cleared" if after == 0 else "changed"


def quality_words(bits: int) -> list[str]:
    return list(_WORDS_OF[bits])


def number_or_none(x: float | None) -> float | None:
    return None if x is None or not math.isfinite(x) else float(x)


def iso(ns: int) -> str:
    """ns since 1970 as UTC with nanoseconds."""
    return str(np.datetime64(int(ns), "ns")) + "Z"


def sentence(alert: dict[str, Any], words: Words) -> str:
    """One line for people, from what the alert holds. It never fails, whatever evidence is missing.

    words: text of its kind, used if the alert is simply raised or changed.
    """
    name, unit = alert["name"], f" {alert['unit']}".rstrip()
    after, kind = alert["level_after"], alert["monitor"]["kind"]
    if "budget" in alert:
        return _demoted(alert, name)
    if "control" in alert:
        return _controlled(alert, name, kind.replace("_", " "))
    if alert["transition"] == "calm":
        many, still = alert["flaps"]["raises"], "normal" if after == "normal" else f"at {after}"
        return f"{name}: {kind} is calm after {many} alarms since {_since(alert)}; it is {still}."
    if alert["transition"] == "flapping":
        many = f"{alert['flaps']['raises']} times since {_since(alert)}"
        return f"{name}: {kind} goes to and fro, {many}; told again when it is calm ({after})."
    if alert["transition"] == "cleared":
        return f"{name}: {kind.replace('_', ' ')} {alert['level_before']} cleared."
    return words(alert, f"{name} is {_value(alert, unit)}", unit)


def _value(alert: dict[str, Any], unit: str) -> str:
    """The label instead of its number, unless a reason already states it."""
    told = any(reason["check"] == "state" for reason in alert.get("reasons", ()))
    if "label" in alert and not told:
        return str(alert["label"])
    return f"{figure(alert['observed'])}{unit}"


def _since(alert: dict[str, Any]) -> str:
    return iso(alert["flaps"]["since_ns"])


def _demoted(alert: dict[str, Any], name: str) -> str:
    model, cost = alert["model"]["id"], alert["budget"]
    if alert["level_before"] != "normal":
        return f"{name}: {alert['level_before']} of model {model} taken back, it is demoted."
    return (
        f"{name}: model {model} is demoted to shadow: {cost['false_alarms']} false alarms in "
        f"{cost['parameter_days']:.3g} parameter-days, {cost['expected']:.2g} expected."
    )


def _controlled(alert: dict[str, Any], name: str, kind: str) -> str:
    done = alert["transition"].replace("_", " ")
    by = alert["control"]
    if "model" in alert:
        model = f"model {alert['model']['id']}"
        back = f"{alert['level_before']} of {model} taken back, it was {done}"
        what = back if alert["level_before"] != "normal" else f"{model} {done}"
        return f"{name}: {what} by {by['who']}: {by['why']}."
    if alert["transition"] == "limits_set":
        return f"{name}: {done} by {by['who']}: {by['why']}."
    state = f" at {alert['level_before']}" if alert["transition"] == "acknowledged" else ""
    return f"{name}: {kind} {done}{state} by {by['who']}: {by['why']}."


def alert_output(
    alert: dict[str, Any], words: Words, id_: str, topic: str = topics.ALERTS
) -> Output:
    """Alert as a record, keyed by source and parameter, without its bytes: the ledger, its last
    field, is entered before it is encoded. words: of its kind."""
    full = {"id": id_, **alert, "sentence": sentence(alert, words)}
    key = f"{alert['source']}:{alert['parameter']}".encode()
    level, kind = LEVELS[alert["level_after"]], alert["monitor"]["kind"]
    return Output(topic, id_, key, b"", level, kind, full)


def encode_alert(alert: dict[str, Any]) -> bytes:
    return orjson.dumps(alert, option=_JSON)
