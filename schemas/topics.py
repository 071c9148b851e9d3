"""Topic names, once. Logical names stand in ids; a namespace is put before them on the wire."""

from __future__ import annotations

RAW = "telemetry.raw"
SAMPLES = "telemetry.samples"
STATISTICS = "telemetry.statistics"
ALERTS = "telemetry.alerts"
REJECTS = "telemetry.rejects"
STATE = "telemetry.state"
ALARMS = "telemetry.alarms"  # compacted: the current alarm of every parameter
SHADOW = "telemetry.alerts.shadow"  # of models that have yet to earn it
MODELS = "telemetry.models"  # compacted: the stage of every model

DEAD_LETTERS = "telemetry.deadletters"

ALERTS_OF_ALL = (ALERTS, SHADOW)  # where an alert may stand
OUTPUTS = (*ALERTS_OF_ALL, STATISTICS, SAMPLES, REJECTS)  # of a chain
LANE_OUTPUTS = (*OUTPUTS, DEAD_LETTERS)


def on_wire(topic: str, namespace: str = "") -> str:
    """Topic name as the broker knows it: `replay.telemetry.raw` in the namespace `replay`."""
    return f"{namespace}.{topic}" if namespace else topic
