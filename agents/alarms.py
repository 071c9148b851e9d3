"""The alarm desk's beginning: the current alarm of every monitor on a compacted topic.

Kept by an agent of `agents.desk`. It keeps no state: each alert says all there is to know of its
monitor, and compaction keeps the latest.
"""

from __future__ import annotations

from typing import Any

import orjson

from pipeline.outputs.alerts import monitor_key


def alarm_of(alert: dict[str, Any]) -> tuple[bytes, bytes]:
    """Key and value of the alarm state that an alert leaves behind."""
    monitor = alert["monitor"]
    key = ":".join(monitor_key(alert)).encode()
    state = {
        "source": alert["source"],
        "parameter": alert["parameter"],
        "monitor": monitor,
        "level": alert["level_after"],
        "generation_ns": alert["generation_ns"],
        "alert": alert["id"],
        "sentence": alert["sentence"],
    }
    return key, orjson.dumps(state)
