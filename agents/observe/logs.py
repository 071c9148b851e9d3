"""Log lines: of one form, without colours or cursor codes, as text or JSON; never a flood.

While no broker answers, its clients log a lot. Of lines about one thing (`BROKER`, and all that
libraries log) one in EVERY_S is written, with how many were left out before it.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from typing import IO

import orjson

from agents.host.plain import plain

EVERY_S = 10.0
LONGEST = 2000  # characters of one line; the rest is cut
BROKER = {"about": "broker"}  # `extra` of our own lines that repeat while there is no broker
CONTROL = {"about": "control"}  # … that anyone who can write to telemetry.raw can repeat
_LIBRARIES = "libraries"  # what they repeat is mostly that there is no broker


class Sparing(logging.Filter):
    """Of lines about the same thing, lets one in EVERY_S through."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._last: dict[str, float] = {}
        self._left_out: dict[str, int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        about = getattr(record, "about", "")
        if not about and not record.name.startswith("heartline"):
            about = _LIBRARIES  # beside ours, which say what to do
        if not about:
            return True
        now = self._clock()
        if now - self._last.get(about, -EVERY_S) < EVERY_S:
            self._left_out[about] = self._left_out.get(about, 0) + 1
            return False
        self._last[about] = now
        record.left_out = self._left_out.pop(about, 0)
        return True


class Text(logging.Formatter):
    """`2026-11-28T21:54:39.120Z WARNING heartline.lane: …`"""

    def format(self, record: logging.LogRecord) -> str:
        return f"{_time(record)} {record.levelname} {record.name}: {_message(self, record)}"


class Json(logging.Formatter):
    """One object a line: time, level, logger, message."""

    def format(self, record: logging.LogRecord) -> str:
        told = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(self, record),
        }
        return orjson.dumps(told).decode()


def _time(record: logging.LogRecord) -> str:
    seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    return f"{seconds}.{int(record.msecs):03d}Z"


def _message(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    """It may hold texts of packets, keys and notes: control codes are escaped, and it is cut."""
    told = plain(record.getMessage(), LONGEST)
    if left_out := getattr(record, "left_out", 0):
        told += f" ({left_out} lines like it in the last {EVERY_S:g} s and more were left out)"
    if record.exc_info:
        told += " | " + plain(formatter.formatException(record.exc_info), 10 * LONGEST)
    return told


def set_up(level: str, form: str, stream: IO[str] | None = None) -> None:
    """All log lines of this process to standard error. form: text or json."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(Json() if form == "json" else Text())
    handler.addFilter(Sparing())
    logging.root.handlers[:] = [handler]
    logging.root.setLevel(logging.WARNING)
    logging.getLogger("heartline").setLevel(level.upper())
    # its lines about a missing broker say less than ours, which say what to do
    loud = logging.DEBUG if level == "debug" else logging.CRITICAL
    logging.getLogger("aiokafka").setLevel(loud)
