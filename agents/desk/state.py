"""Records of telemetry.alarms, checked: whoever may write there can end no desk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from pipeline.outputs.ids import Place, place_of
from schemas.desk import LONGEST, text_of
from schemas.mission import LEVELS, Level

_MOST_NS = 2**62
_SHOWN = ("container", "monitor", "observed", "unit", "label", "limit", "lead_s", "evidence")
LONGEST_NAME = 500
LONGEST_SENTENCE = 1000


@dataclass(frozen=True, slots=True)
class Begun:
    """With which alert an alarm began. alert: its id, and which telemetry.raw that is of."""

    alert: str
    generation_ns: int
    reception_ns: int
    worst: Level


@dataclass(frozen=True, slots=True)
class ByControl:
    """An acknowledgement by a control record, of this level."""

    who: str
    why: str
    when_ns: int
    level: Level


@dataclass(frozen=True, slots=True)
class State:
    """One record. place: of its last alert, in the telemetry.raw of topic_id. begun: None where
    there never was an alarm. shown: what is told of it and not looked at."""

    source: str
    parameter: str
    name: str
    kind: str
    level: Level
    transition: str
    sentence: str
    place: Place
    topic_id: str
    begun: Begun | None
    acknowledged: ByControl | None
    shown: Mapping[str, Any]

    def is_before(self, other: State) -> bool:
        """Whether it is older. The agent that writes states reads again what it had not committed:
        an alarm would stand once more for a moment, and somebody would be called."""
        here = (self.topic_id, self.place.partition), (other.topic_id, other.place.partition)
        return here[0] == here[1] and self.place < other.place


def decode_state(value: bytes) -> State:
    """ValueError says what is wrong with it."""
    told = orjson.loads(value)
    if not isinstance(told, dict):
        raise ValueError("is no object")
    monitor = told.get("monitor")
    if not isinstance(monitor, dict):
        raise ValueError("monitor is no object")
    parameter = text_of(told, "parameter", LONGEST_NAME)
    name = text_of(told, "name", LONGEST_NAME) if "name" in told else parameter
    place, level = place_of(told.get("alert")), _level(told.get("level"))
    if place is None:
        raise ValueError("alert is no id")
    topic = told.get("topic_id", "")
    sentence = told.get("sentence")
    return State(
        text_of(told, "source", LONGEST_NAME), parameter, name,
        text_of(monitor, "kind", LONGEST_NAME), level, str(told.get("transition"))[:LONGEST_NAME],
        sentence[:LONGEST_SENTENCE] if isinstance(sentence, str) and sentence.strip() else name,
        place, topic if isinstance(topic, str) else "", _begun(told, level),
        _by_control(told.get("acknowledged")),
        {key: told[key] for key in _SHOWN if _is_plain(told.get(key))},
    )  # fmt: skip


def _begun(told: dict[str, Any], level: Level) -> Begun | None:
    """States that were written before there was a desk do not tell it: the alert that the value is
    from stands for it, while there is an alarm."""
    begun = told.get("raised")
    if begun is None:
        if level == Level.NORMAL:
            return None
        begun = {
            "alert": told.get("evidence", told["alert"]), "level": told["level"],
            "generation_ns": told.get("since_ns"), "reception_ns": told.get("reception_ns"),
        }  # fmt: skip
    if not isinstance(begun, dict) or place_of(begun.get("alert")) is None:
        raise ValueError("raised is no beginning of an alarm")
    topic = begun.get("topic_id", "")
    alert = f"{begun['alert']}@{topic}" if isinstance(topic, str) and topic else begun["alert"]
    generation, reception = _time(begun.get("generation_ns")), _time(begun.get("reception_ns"))
    return Begun(alert, generation, reception, max(level, _level(begun.get("level"))))


def _by_control(told: Any) -> ByControl | None:
    """One that was written before there was a desk has no level, and holds for all of them."""
    if not isinstance(told, dict):
        return None
    who, why = text_of(told, "who", LONGEST), text_of(told, "why", LONGEST)
    level = _level(told["level"]) if "level" in told else Level.SEVERE
    return ByControl(who, why, _time(told.get("when_ns")), level)


def _level(word: Any) -> Level:
    if not isinstance(word, str) or word not in LEVELS:
        raise ValueError("level is none")
    return LEVELS[word]


def _time(value: Any) -> int:
    if type(value) is not int or not abs(value) < _MOST_NS:
        raise ValueError("a time is no ns since 1970")
    return value


def _is_plain(value: Any) -> bool:
    if isinstance(value, dict):  # the monitor
        return all(isinstance(x, str) and len(x) <= LONGEST_NAME for x in value.values())
    if isinstance(value, str):
        return len(value) <= LONGEST_NAME
    return type(value) in (int, float)
