"""The current alarm of every monitor, on a compacted topic.

An alert holds all there is to know of its monitor; but what operators did to it (acknowledged,
inhibited, set limits) is reported once and holds for longer. So the previous state must be known
here: it is the topic itself, read from its beginning.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from pipeline.outputs.alerts import monitor_key
from pipeline.outputs.ids import Place, place_of
from schemas.mission import LEVELS

# fields that are kept of an alert; added to them are `alert`, the id of the last alert about the
# alarm, `evidence`, the id of the alert that the value and the sentence are from, and `raised`, the
# one that the alarm began with; where none stands, that the last one began with
_KEPT = (
    "source", "parameter", "name", "container", "monitor", "transition", "generation_ns",
    "reception_ns", "since_ns", "observed", "unit", "label", "quality", "limit", "lead_s", "flaps",
    "sentence",
)  # fmt: skip
# by whom, why and when; each holds until the next action on it
_BY_HAND = {"acknowledged": "acknowledged", "inhibited": "inhibited", "limits_set": "ranges_set"}


def _place(state: dict[str, Any]) -> Place | None:
    return place_of(state.get("alert"))


def _gone(state: dict[str, Any]) -> tuple[str, int] | None:
    """Topic id, and offset before which a ghost's alerts do not count; None if it is no ghost."""
    gone = state.get("gone")
    if not isinstance(gone, dict):
        return None
    topic, offset = gone.get("topic_id"), gone.get("offset")
    return (topic, offset) if isinstance(topic, str) and type(offset) is int else None


class Alarms:
    """The newest state of each key. A repeated alert changes nothing, nor does one of an alarm that
    no state has any more (`states.ghosts`). topic_id: the present id of telemetry.raw."""

    def __init__(self, topic_id: Callable[[], str] = str) -> None:
        self._known: dict[bytes, dict[str, Any]] = {}
        self._topic_id = topic_id

    def read(self, key: bytes, value: bytes | None) -> bytes | None:
        """Take a record of the topic, whoever wrote it. Returns what must be written again, where a
        record that clears a ghost came after a newer alarm."""
        try:
            state = orjson.loads(value or b"null")
        except ValueError:
            return None
        known, place = self._known.get(key), None
        if isinstance(state, dict):
            place = _place(state)
        if known is None or place is None or (its := _place(known)) is None:
            if isinstance(state, dict):
                self._known[key] = state
            else:
                self._known.pop(key, None)
            return None
        if its > place:  # its own echo, or a late record
            ghost = _gone(state)
            late = ghost is not None and its.offset >= ghost[1] and known is not state
            return orjson.dumps(known) if late else None
        self._known[key] = state
        return None

    def take(self, alert: dict[str, Any]) -> tuple[bytes, bytes] | None:
        """Key and value of the alarm state after an alert; None where the alert does not count."""
        key = ":".join(monitor_key(alert)).encode()
        before = self._known.get(key, {})
        if self._is_gone(before, alert["id"]):
            return None
        state = self._after(before, alert)
        self._known[key] = state
        return key, orjson.dumps(state)

    def _is_gone(self, before: dict[str, Any], id_: str) -> bool:
        """Whether the current state clears a ghost at an offset after this alert."""
        gone, place, its = _gone(before), place_of(id_), _place(before)
        if gone is None or place is None or its is None or gone[0] != self._topic_id():
            return False
        return place.partition == its.partition and place.offset < gone[1]

    def _after(self, before: dict[str, Any], alert: dict[str, Any]) -> dict[str, Any]:
        by_hand = {name: before[name] for name in _BY_HAND.values() if name in before}
        control = alert.get("control")
        new = {name: alert[name] for name in _KEPT if name in alert}
        new |= {"level": alert["level_after"], "alert": alert["id"], "evidence": alert["id"]}
        if topic := self._topic_id():
            new["topic_id"] = topic  # ids of alerts begin anew with another telemetry.raw
        if begun := _raised(before, new):
            new["raised"] = begun
        if "stage" in alert.get("model", {}):
            new["trained"] = True
        if control is None:
            if alert["transition"] == "raised":
                by_hand.pop("acknowledged", None)  # of the alarm before this one
            return new | by_hand
        # an operator's action has no sample: what was seen last stays
        seen = {name: before[name] for name in _KEPT if name in before}
        who = {"who": control["who"], "why": control["why"], "when_ns": alert["generation_ns"]}
        who |= {name: control[name] for name in ("ranges", "until_ns") if name in control}
        if alert["transition"] == "acknowledged":
            # a worse one is another matter, and so is one that was worse before
            who["level"] = new.get("raised", {}).get("level", alert["level_after"])
        if (mark := _BY_HAND.get(alert["transition"])) is not None:
            by_hand[mark] = who
        elif alert["transition"] == "enabled":
            by_hand.pop("inhibited", None)
        told = {"transition": alert["transition"]}
        if not _stands(before) or not _stands(new) or "stage" in alert.get("model", {}):
            told["sentence"] = alert["sentence"]
        elif "evidence" in before:  # same alarm: the earlier alert still describes it
            told["evidence"] = before["evidence"]
        return new | seen | told | by_hand


def _raised(before: dict[str, Any], new: dict[str, Any]) -> dict[str, Any] | None:
    """Id and times of the alert with which the alarm began, and its highest level since."""
    if _stands(new) and not _stands(before):
        keys = ("alert", "topic_id", "generation_ns", "reception_ns", "level")
        return {k: new[k] for k in keys if k in new}
    known = before.get("raised")
    if not isinstance(known, dict):
        return None
    return known | {"level": max(known["level"], new["level"], key=LEVELS.__getitem__)}


def _stands(state: dict[str, Any]) -> bool:
    return bool(state.get("level", "normal") != "normal")
