"""The alarm desk's beginning: the current alarm of every monitor on a compacted topic.

An alert says all there is to know of its monitor; what people did to it (acknowledged, inhibited,
set limits) is said once and holds for longer, so the state that stood before is known here: it is
the topic itself, read from its beginning.
"""

from __future__ import annotations

from typing import Any

import orjson

from pipeline.outputs.alerts import monitor_key

# of an alert, as it is kept
_KEPT = (
    "source", "parameter", "name", "monitor", "transition", "generation_ns", "reception_ns",
    "since_ns", "observed", "unit", "label", "quality", "limit", "lead_s", "flaps", "sentence",
)  # fmt: skip
# by whom, why and when; each until another word on it
_BY_HAND = {"acknowledged": "acknowledged", "inhibited": "inhibited", "limits_set": "ranges_set"}


class Alarms:
    """The newest state of each key. A repeat of an alert changes nothing."""

    def __init__(self) -> None:
        self._known: dict[bytes, dict[str, Any]] = {}

    def read(self, key: bytes, value: bytes | None) -> None:
        """A record of the topic."""
        try:
            state = orjson.loads(value or b"null")
        except ValueError:
            return
        if isinstance(state, dict):
            self._known[key] = state
        else:
            self._known.pop(key, None)

    def take(self, alert: dict[str, Any]) -> tuple[bytes, bytes]:
        """Key and value of the alarm state that an alert leaves behind."""
        key = ":".join(monitor_key(alert)).encode()
        state = self._after(self._known.get(key, {}), alert)
        self._known[key] = state
        return key, orjson.dumps(state)

    def _after(self, before: dict[str, Any], alert: dict[str, Any]) -> dict[str, Any]:
        by_hand = {name: before[name] for name in _BY_HAND.values() if name in before}
        control = alert.get("control")
        new = {name: alert[name] for name in _KEPT if name in alert}
        new |= {"level": alert["level_after"], "alert": alert["id"]}
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
        told = {"transition": alert["transition"], "sentence": alert["sentence"]}
        return new | seen | told | by_hand
