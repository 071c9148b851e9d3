"""The alarm desk's beginning: the current alarm of every monitor on a compacted topic.

An alert says all there is to know of its monitor; what people did to it (acknowledged, inhibited,
set limits) is said once and holds for longer, so the state that stood before is known here: it is
the topic itself, read from its beginning.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from pipeline.outputs.alerts import monitor_key
from pipeline.outputs.ids import Place, place_of

# of an alert, as it is kept, and with it `alert`, the id of the last one about the alarm, and
# `evidence`, the id of the one whose value and words these are
_KEPT = (
    "source", "parameter", "name", "container", "monitor", "transition", "generation_ns",
    "reception_ns", "since_ns", "observed", "unit", "label", "quality", "limit", "lead_s", "flaps",
    "sentence",
)  # fmt: skip
# by whom, why and when; each until another word on it
_BY_HAND = {"acknowledged": "acknowledged", "inhibited": "inhibited", "limits_set": "ranges_set"}


def _place(state: dict[str, Any]) -> Place | None:
    return place_of(state.get("alert"))


def _gone(state: dict[str, Any]) -> tuple[str, int] | None:
    """Topic's id and offset up to which a ghost's alerts do not count; None of what is no ghost."""
    gone = state.get("gone")
    if not isinstance(gone, dict):
        return None
    topic, offset = gone.get("topic_id"), gone.get("offset")
    return (topic, offset) if isinstance(topic, str) and type(offset) is int else None


class Alarms:
    """The newest state of each key. A repeat of an alert changes nothing, of one that told of an
    alarm which no state has any more (`desk.ghosts`) neither. topic_id: of telemetry.raw, now."""

    def __init__(self, topic_id: Callable[[], str] = str) -> None:
        self._known: dict[bytes, dict[str, Any]] = {}
        self._topic_id = topic_id

    def read(self, key: bytes, value: bytes | None) -> bytes | None:
        """A record of the topic, of whoever wrote it. What is to be written again, where one that
        clears a ghost has come behind an alarm that is newer."""
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
        if its > place:  # its own echo, or a word that came late
            ghost = _gone(state)
            late = ghost is not None and its.offset >= ghost[1] and known is not state
            return orjson.dumps(known) if late else None
        self._known[key] = state
        return None

    def take(self, alert: dict[str, Any]) -> tuple[bytes, bytes] | None:
        """Key and value of the alarm state that an alert leaves behind."""
        key = ":".join(monitor_key(alert)).encode()
        before = self._known.get(key, {})
        if self._is_gone(before, alert["id"]):
            return None
        state = self._after(before, alert)
        self._known[key] = state
        return key, orjson.dumps(state)

    def _is_gone(self, before: dict[str, Any], id_: str) -> bool:
        """Whether the state that stands was made anew, behind this alert."""
        gone, place, its = _gone(before), place_of(id_), _place(before)
        if gone is None or place is None or its is None or gone[0] != self._topic_id():
            return False
        return place.partition == its.partition and place.offset < gone[1]

    def _after(self, before: dict[str, Any], alert: dict[str, Any]) -> dict[str, Any]:
        by_hand = {name: before[name] for name in _BY_HAND.values() if name in before}
        control = alert.get("control")
        new = {name: alert[name] for name in _KEPT if name in alert}
        new |= {"level": alert["level_after"], "alert": alert["id"], "evidence": alert["id"]}
        if "stage" in alert.get("model", {}):
            new["trained"] = True
        if control is None:
            if alert["transition"] == "raised":
                by_hand.pop("acknowledged", None)  # of the alarm before this one
            return new | by_hand
        # no sample is part of what a person does: what was seen last stays
        seen = {name: before[name] for name in _KEPT if name in before}
        who = {"who": control["who"], "why": control["why"], "when_ns": alert["generation_ns"]}
        who |= {name: control[name] for name in ("ranges", "until_ns") if name in control}
        if (mark := _BY_HAND.get(alert["transition"])) is not None:
            by_hand[mark] = who
        elif alert["transition"] == "enabled":
            by_hand.pop("inhibited", None)
        told = {"transition": alert["transition"]}
        if not _stands(before) or not _stands(new) or "stage" in alert.get("model", {}):
            told["sentence"] = alert["sentence"]
        elif "evidence" in before:  # the alarm is the one it was: its own words say what it is
            told["evidence"] = before["evidence"]
        return new | seen | told | by_hand


def _stands(state: dict[str, Any]) -> bool:
    return bool(state.get("level", "normal") != "normal")
