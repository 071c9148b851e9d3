"""Control records of telemetry.raw (docs/control.md): what people change while it runs."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import orjson

from schemas.mission import ALARM_LEVELS, Five
from schemas.settings import MODEL_RULES

ACTIONS = ("acknowledge", "inhibit", "enable", "limits")
MONITORS = ("limit", "stale", "los", *MODEL_RULES)
_WORDS = tuple(level.word for level in ALARM_LEVELS)
_LONGEST = 2000


@dataclass(frozen=True, slots=True)
class Control:
    """One thing that somebody changes, and why.

    what: one of ACTIONS. parameter: qualified name; of stale its container's, of los the root
    SpaceSystem's.
    ranges: of "limits" of the monitor "limit", (low, high) by level, one or more; a level that is
    not named has none any more.
    when_ns: by the clock of who writes it.
    """

    what: str
    parameter: str
    who: str
    why: str
    when_ns: int
    monitor: str = "limit"
    ranges: dict[str, tuple[float | None, float | None]] = field(default_factory=dict)

    def sides(self) -> tuple[Five, Five]:
        """Bounds of every level, an open end infinite."""
        pairs = [self.ranges.get(word, (None, None)) for word in _WORDS]
        low = tuple(-math.inf if a is None else a for a, _ in pairs)
        high = tuple(math.inf if b is None else b for _, b in pairs)
        return low, high  # type: ignore[return-value]


def encode_control(control: Control) -> bytes:
    told: dict[str, Any] = {
        "what": control.what, "parameter": control.parameter, "monitor": control.monitor,
        "who": control.who, "when_ns": control.when_ns, "why": control.why,
    }  # fmt: skip
    if control.ranges:
        told["ranges"] = {level: list(pair) for level, pair in control.ranges.items()}
    return orjson.dumps(told)


def decode_control(value: bytes) -> Control:
    """ValueError says what is wrong with it."""
    told = orjson.loads(value)
    if not isinstance(told, dict):
        raise ValueError("is no object")
    known = ("what", "parameter", "monitor", "who", "when_ns", "why", "ranges")
    if odd := [key for key in told if key not in known]:
        raise ValueError(f"{odd[0]!r} is unknown; known are {', '.join(known)}")
    texts: dict[str, str] = {key: told.get(key, "") for key in ("what", "parameter", "who", "why")}
    monitor, when = told.get("monitor", "limit"), told.get("when_ns")
    for key, text in texts.items():
        if not isinstance(text, str) or not 0 < len(text) <= _LONGEST:
            raise ValueError(f"{key} must be a text of 1 to {_LONGEST} characters")
    if texts["what"] not in ACTIONS:
        raise ValueError(f"what must be one of {', '.join(ACTIONS)}")
    if monitor not in MONITORS:
        raise ValueError(f"monitor must be one of {', '.join(MONITORS)}")
    if not isinstance(when, int) or isinstance(when, bool) or abs(when) >= 2**62:
        raise ValueError("when_ns must be ns since 1970")
    if texts["what"] == "limits" and monitor != "limit":
        raise ValueError("limits are those of the monitor limit")
    ranges = told.get("ranges", {})
    if (texts["what"] == "limits") != ("ranges" in told):
        raise ValueError('ranges belong to "limits", and to that alone')
    if "ranges" in told and monitor != "limit":
        raise ValueError("limits are those of the monitor limit")
    if not isinstance(ranges, dict) or ("ranges" in told and not ranges):
        raise ValueError("ranges must be an object of one level or more")
    pairs = {level: _pair(level, pair) for level, pair in ranges.items()}
    return Control(**texts, when_ns=when, monitor=monitor, ranges=pairs)


def _pair(level: str, pair: Any) -> tuple[float | None, float | None]:
    if level not in _WORDS:
        raise ValueError(f"{level!r} is no level; levels are {', '.join(_WORDS)}")
    if not isinstance(pair, list) or len(pair) != 2:
        raise ValueError(f"{level} must be [low, high]")
    low, high = (
        float(x) if isinstance(x, int | float) and not isinstance(x, bool) else None for x in pair
    )
    if any(given is None and x is not None for given, x in zip((low, high), pair, strict=True)):
        raise ValueError(f"{level} must be two numbers, or null for an open end")
    if low is not None and high is not None and low > high:
        raise ValueError(f"{level}: {low:g} is above {high:g}")
    return low, high
