"""Records as a worker and its desk write them, for the tests of `heartline watch`."""

from __future__ import annotations

from typing import Any

import orjson

from agents.watch import Board
from schemas import topics

S = 1_000_000_000
NOW = 1_800_000_000 * S  # 2027-01-15 08:00:00Z


def state(parameter: str = "/S/A/P", level: str = "warning", **more: Any) -> tuple[bytes, bytes]:
    """Key and value of an alarm on telemetry.alarms."""
    kind, source = more.pop("kind", "limit"), more.pop("source", "hl1")
    record = {
        "source": source, "parameter": parameter, "monitor": {"kind": kind, "name": kind},
        "level": level, "sentence": f"{parameter} is odd ({level}).", "generation_ns": NOW - 61 * S,
        "reception_ns": NOW - 60 * S, "since_ns": NOW - 120 * S, "observed": 3.5, "unit": "V",
        "alert": "telemetry.raw-0-100-0", "transition": "raised", **more,
    }  # fmt: skip
    return f"{source}:{parameter}:{kind}".encode(), orjson.dumps(record)


def alert(
    parameter: str = "/S/A/P", level: str = "warning", offset: int = 200, **more: Any
) -> bytes:
    """Value of an alert on telemetry.alerts."""
    kind = more.pop("kind", "limit")
    record = {
        "id": f"telemetry.raw-0-{offset}-0", "source": "hl1", "parameter": parameter,
        "monitor": {"kind": kind, "name": kind}, "level_before": "normal", "level_after": level,
        "transition": "cleared" if level == "normal" else "raised", "generation_ns": NOW,
        "reception_ns": NOW, "since_ns": NOW, "observed": 4.5, "unit": "V",
        "sentence": f"{parameter} tells of {level}.", **more,
    }  # fmt: skip
    return orjson.dumps(record)


def pane(names: list[str], window_s: float = 60, **more: Any) -> bytes:
    """Value of a record on telemetry.statistics."""
    columns = {f: [float(i) for i, _ in enumerate(names)] for f in ("mean", "std", "min", "max")}
    record = {"source": "hl1", "window_s": window_s, "pane_end_ns": NOW, "parameters": names,
              "count": [10] * len(names), **columns, **more}  # fmt: skip
    return orjson.dumps(record)


def following(*states: tuple[bytes, bytes | None]) -> Board:
    """A board that has read these states, and follows a broker."""
    board = Board("127.0.0.1:9092")
    board.begin(NOW)
    for key, value in states:
        board.take(topics.ALARMS, key, value, NOW)
    board.known(NOW)
    return board
