"""What people, and the desk itself, did about alarms: the records of telemetry.desk (docs/desk.md).

They change no output of the pipeline: what does is a control record (`schemas.control`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

from schemas.mission import LEVELS

# of people; IEC 62682 has shelving, out of service and their ends
DONE = ("acknowledge", "shelve", "unshelve", "out_of_service", "in_service", "comment")
# of incidents, by the desk; called: again, since there is more to it than was answered
NOTICED = ("opened", "joined", "worse", "escalated", "answered", "called", "closed")
MOST_ALARMS = 100_000  # that one record names
LONGEST = 2000
_KNOWN = ("what", "who", "why", "when_ns", "alarms", "until_ns", "incident", "source", "group",
          "level", "absorbs")  # fmt: skip
_MOST_NS = 2**62


class Seen(NamedTuple):
    """An alarm as it was seen by who did something about it.

    raised: id of the alert that it began with; empty where there was none. level: its highest
    level until then."""

    raised: str
    level: str


@dataclass(frozen=True, slots=True)
class DeskRecord:
    """One thing that was done or noticed.

    alarms: by their keys on telemetry.alarms. when_ns: by the writer's clock. until_ns: of shelve.
    incident: whose; with source, group and level only if the desk itself wrote it. absorbs: earlier
    incidents that are part of the one opened.
    """

    what: str
    who: str
    why: str
    when_ns: int
    alarms: Mapping[str, Seen] = field(default_factory=dict)
    until_ns: int | None = None
    incident: str = ""
    source: str = ""
    group: str = ""
    level: str = ""
    absorbs: tuple[str, ...] = ()


def encode_desk(record: DeskRecord) -> bytes:
    told: dict[str, Any] = {
        "what": record.what, "who": record.who, "why": record.why, "when_ns": record.when_ns,
        "alarms": {key: list(seen) for key, seen in record.alarms.items()},
    }  # fmt: skip
    for name in ("until_ns", "incident", "source", "group", "level", "absorbs"):
        if value := getattr(record, name):
            told[name] = value
    return orjson.dumps(told)


def decode_desk(value: bytes | None) -> DeskRecord:
    """ValueError says what is wrong with it."""
    told = orjson.loads(value or b"null")
    if not isinstance(told, dict):
        raise ValueError("is no object")
    if odd := [key for key in told if key not in _KNOWN]:
        raise ValueError(f"{odd[0]!r} is unknown; known are {', '.join(_KNOWN)}")
    what = told.get("what")
    if what not in (*DONE, *NOTICED):
        raise ValueError(f"what must be one of {', '.join((*DONE, *NOTICED))}")
    when, until = told.get("when_ns"), told.get("until_ns")
    if when is None or not _is_time(when):
        raise ValueError("when_ns must be ns since 1970")
    if (what == "shelve") != (until is not None) or (until is not None and not _is_time(until)):
        raise ValueError('until_ns is ns since 1970, of "shelve" alone')
    alarms = _alarms(told.get("alarms"))
    if what in DONE and not alarms:
        raise ValueError("alarms must name one at least")
    level = text_of(told, "level", need=what in ("opened", "worse", "escalated"))
    if level and level not in LEVELS:
        raise ValueError(f"{level!r} is no level; levels are {', '.join(LEVELS)}")
    absorbs = told.get("absorbs", [])
    if not isinstance(absorbs, list) or not all(isinstance(one, str) for one in absorbs):
        raise ValueError("absorbs must be a list of incidents")
    return DeskRecord(
        what, text_of(told, "who"), text_of(told, "why"), when, alarms, until,
        text_of(told, "incident", need=what in NOTICED),
        text_of(told, "source", need=what == "opened"),
        text_of(told, "group", need=what == "opened"), level, tuple(absorbs),
    )  # fmt: skip


def _is_time(value: Any) -> bool:
    return type(value) is int and 0 <= value < _MOST_NS


def text_of(told: Mapping[str, Any], key: str, most: int = LONGEST, need: bool = True) -> str:
    """ValueError: it is none, or too long; or blank, where it is needed."""
    text = told.get(key, "")
    if not isinstance(text, str) or len(text) > most or (need and not text.strip()):
        raise ValueError(f"{key} must be a text of {int(need)} to {most} characters")
    return text


def _alarms(told: Any) -> dict[str, Seen]:
    if not isinstance(told, dict) or len(told) > MOST_ALARMS:
        raise ValueError(f"alarms must be an object of at most {MOST_ALARMS} alarms")
    found = {}
    for key, seen in told.items():
        pair = seen_of(seen)
        if pair is None or pair.level not in LEVELS:
            raise ValueError(f"alarms: {key[:80]!r} must be [id of the alert, level]")
        found[key] = pair
    return found


def seen_of(value: Any) -> Seen | None:
    """Of a list of two texts; None for anything else. Whether its level is one is not looked at."""
    good = isinstance(value, list) and len(value) == 2 and all(isinstance(x, str) for x in value)
    return Seen(*value) if good else None
