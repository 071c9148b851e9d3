"""Alerts: transitions of monitors, with all the evidence (schemas/json/alert.schema.json)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import orjson

from schemas import topics
from schemas.columns import QUALITY_WORDS, Output
from schemas.mission import Level

LIMITS = ("limit", "recorded_limit")
_JSON = orjson.OPT_SERIALIZE_NUMPY


def monitor_key(alert: dict[str, Any]) -> tuple[str, ...]:
    """What tells a monitor of a source from all others: a trained model's has its name too, and
    one of a parameter that stands in several containers its container's."""
    monitor = alert["monitor"]
    trained = (monitor["name"],) if "stage" in alert.get("model", {}) else ()
    place = (alert["container"],) if "container" in alert else ()
    return (alert["source"], alert["parameter"], monitor["kind"], *trained, *place)


def transition_word(before: int, after: int) -> str:
    if before == 0:
        return "raised"
    return "cleared" if after == 0 else "changed"


def quality_words(bits: int) -> list[str]:
    return [w for i, w in enumerate(QUALITY_WORDS) if bits >> i & 1]


def number_or_none(x: float | None) -> float | None:
    return None if x is None or not math.isfinite(x) else float(x)


def iso(ns: int) -> str:
    """ns since 1970 as UTC with nanoseconds."""
    return str(np.datetime64(int(ns), "ns")) + "Z"


def plain(x: float | None) -> str:
    return "unknown" if x is None else f"{x:g}"


def sentence(alert: dict[str, Any]) -> str:
    """One line for people, from what the alert holds; total, whatever the evidence lacks."""
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
    if kind == "stale":
        return f"{name}: nothing heard since {iso(alert['last_heard_ns'])} ({after})."
    if kind == "clock":
        return f"{name}: {_clock(alert)} ({after})."
    if kind == "unknown_source":
        return f"{name}: a source without a mission, its records are refused ({after})."
    if kind == "refused":
        why = alert.get("refused", "late").replace("_", " ")
        return f"{name}: none of its packets is taken, they are refused as {why} ({after})."
    if kind == "invalid":
        return f"{name}: no valid value since {iso(alert['since_ns'])} ({after})."
    seen = f"{name} is {_value(alert, unit)}"
    if kind in LIMITS:
        told = [_reason(r, unit) for r in alert.get("reasons", ())]
        late = f" Recorded at {iso(alert['generation_ns'])}." if kind == "recorded_limit" else ""
        return f"{seen}, {' and '.join(told) or f'within the deadband of its {after} limit'}.{late}"
    if kind == "los":
        return f"{name}: no signal since {iso(alert['last_heard_ns'])} ({after})."
    if kind == "flat":
        rest = f"has not changed for {plain(alert.get('unchanged_s'))} s"
        longest = plain(alert.get("longest_s"))
        return f"{seen} and {rest}; its longest rest before was {longest} s ({after})."
    if kind == "time_to_limit":
        if alert.get("lead_s") is None:
            return f"{seen} and may cross a limit ({after})."
        if alert["lead_s"] == 0:
            away = f"beyond {alert['limit']:g}{unit} already and moving further away"
            return f"{seen}, {away} ({after})."
        soon, late = alert["lead_80_s"]
        until = " s or later" if late is None else f" to {plain(round(late))} s"
        span = "" if soon is None else f" (80 %: {soon:.0f}{until})"
        reached = f"will cross {alert['limit']:g}{unit} in {alert['lead_s']:.0f} s{span}"
        return f"{seen} and {reached} if it goes on like this ({after})."
    if "life_used" in alert:
        used = f"{alert['life_used']:.0%} of its fatigue life is used"
        end = (
            ""
            if alert["lead_s"] is None
            else f", the rest lasts {alert['lead_s']:.0f} s at this rate"
        )
        return f"{name}: {used}{end} ({after})."
    if "tolerance" in alert:
        vote = f"the {alert['members']} sensors of it vote {plain(alert['predicted'])}{unit}"
        off = f"off by {abs(alert['off']):g}" if alert["members"] > 2 else "they differ by more"
        return f"{seen} where {vote}: {off}, {alert['tolerance']:g} is allowed ({after})."
    if "corridor" in alert:
        low, high = map(plain, alert["corridor"])
        what = f"its {alert['feature']} is {plain(alert['feature_value'])}"
        known = f"where {alert['flights']} flights had {low} to {high}"
        return f"{seen} at T+{plain(alert['mission_time_s'])} s: {what}, {known} ({after})."
    if "record" in alert:
        low, high = map(plain, alert["record"])
        what = f"its {alert['feature']} is {plain(alert['feature_value'])}"
        known = f"beyond the {low} to {high} of {alert['record_rows']} rows before"
        return f"{seen}: {what}, {known} ({after})."
    return (
        f"{seen} where {plain(alert['predicted'])}{unit} was expected: "
        f"{plain(alert['score'])} scales, threshold {alert['threshold']:g} ({after})."
    )


def _clock(alert: dict[str, Any]) -> str:
    found = alert["clock"]
    way = "ahead" if found["step_s"] > 0 else "back"
    return (
        f"its clock went {way} by {abs(found['step_s']):.3f} s, from {iso(found['before_ns'])} to "
        f"{iso(found['after_ns'])}, as {found['packets']} packets of "
        f"{found['container'].rsplit('/', 1)[-1]} agree"
    )


def _value(alert: dict[str, Any], unit: str) -> str:
    """A label in the place of its number, unless a reason tells it."""
    told = any(reason["check"] == "state" for reason in alert.get("reasons", ()))
    if "label" in alert and not told:
        return str(alert["label"])
    return f"{plain(alert['observed'])}{unit}"


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


def _reason(reason: dict[str, Any], unit: str) -> str:
    if reason["check"] == "condition":
        return f"which meets a condition of its {reason['level']} alarm"
    if reason["check"] == "state":
        return f"which is {reason['label']} ({reason['level']})"
    limit = f"{reason['level']} limit {reason['limit']:g}{unit}"
    if reason["check"] == "static":
        return f"beyond its {limit}"
    return f"changing by {reason['observed']:g}{unit} a {reason['per']}, beyond its {limit}"


def alert_output(alert: dict[str, Any], id_: str, topic: str = topics.ALERTS) -> Output:
    """Alert as a record, keyed by source and parameter."""
    full = {"id": id_, **alert, "sentence": sentence(alert)}
    key = f"{alert['source']}:{alert['parameter']}".encode()
    level = int(Level[alert["level_after"].upper()])
    return Output(topic, id_, key, encode_alert(full), level, full)


def encode_alert(alert: dict[str, Any]) -> bytes:
    return orjson.dumps(alert, option=_JSON)
