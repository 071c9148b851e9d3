"""Monitors that are inhibited for a while, and until when (docs/control.md).

Time is that of the ticks, so that a replay ends each inhibition where the flight ended it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import orjson

from schemas.columns import State
from schemas.control import Control

MOST = 256  # that end by themselves, at any one time
END_OF_TIME = 2**63 - 1
_TYPES = {"monitor": str, "parameter": str, "who": str, "why": str, "when_ns": int, "until_ns": int}


class Inhibitions:
    """Its state is JSON in bytes, since inhibitions are few and their texts vary in length."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str], Control] = {}

    @property
    def next_ns(self) -> int:
        """When the first of them ends; END_OF_TIME if none does."""
        return min((c.until_ns or END_OF_TIME for c in self._open.values()), default=END_OF_TIME)

    def check(self, control: Control) -> None:
        """ValueError if too many inhibitions that end by themselves are open already."""
        key = (control.monitor, control.parameter)
        if control.until_ns is not None and key not in self._open and len(self._open) >= MOST:
            raise ValueError(f"{MOST} inhibitions end by themselves already: enable one")

    def take(self, control: Control) -> None:
        """Take note of a control that was applied."""
        key = (control.monitor, control.parameter)
        if control.what == "inhibit" and control.until_ns is not None:
            self._open[key] = control
        elif control.what in ("inhibit", "enable"):
            self._open.pop(key, None)

    def due(self, now_ns: int) -> list[Control]:
        """Inhibitions that end now, as controls that enable the monitors again."""
        ended = [c for c in self._open.values() if (c.until_ns or END_OF_TIME) <= now_ns]
        for one in ended:
            del self._open[one.monitor, one.parameter]
        return [
            replace(
                c, what="enable", when_ns=now_ns, until_ns=None,
                why=f"inhibited until now: {c.why}"[:2000],
            )
            for c in ended
        ]  # fmt: skip

    def snapshot(self) -> State:
        told: list[dict[str, Any]] = [
            {"monitor": c.monitor, "parameter": c.parameter, "who": c.who, "why": c.why,
             "when_ns": c.when_ns, "until_ns": c.until_ns}
            for c in self._open.values()
        ]  # fmt: skip
        return {"open": np.frombuffer(orjson.dumps(told), np.uint8).copy()}

    def restore(self, state: State) -> None:
        """ValueError if the state does not hold valid inhibitions."""
        try:
            told = orjson.loads(state["open"].astype(np.uint8).tobytes())
            whole = len(told) <= MOST and all(
                {key: type(value) for key, value in one.items()} == _TYPES
                and max(abs(one["when_ns"]), abs(one["until_ns"])) < 2**62
                for one in told
            )
        except (TypeError, ValueError, AttributeError):
            whole = False
        if not whole:
            raise ValueError("snapshot with impossible values: inhibitions")
        found = [Control("inhibit", **one) for one in told]
        self._open = {(c.monitor, c.parameter): c for c in found}
