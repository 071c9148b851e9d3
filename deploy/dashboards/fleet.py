"""*Fleet*: every source at a glance."""

from __future__ import annotations

from typing import Any

from deploy.dashboards.parts import BAD, CHOSEN, GOOD, ODD, SOURCE, Panel, board, variable


def _standing(levels: str) -> str:
    return f'sum by (source) (heartline_active_alarms{{source=~"$source",level=~"{levels}"}})'


EACH = (
    Panel("Sources", "none", [
        (_standing("critical|severe"), "critical or severe"),
        (_standing("warning|distress"), "warning or distress"),
        (_standing("watch"), "watch"),
        (f"max by (source) (heartline_packet_age_seconds{CHOSEN})", "silent for, s"),
        (f"time() - max by (source) (heartline_last_record_seconds{CHOSEN})", "last record, s ago"),
        (f"max by (source) (heartline_event_time_lag_seconds{CHOSEN})", "behind its clock, s"),
        (f"sum by (source) (rate(heartline_packets_total{CHOSEN}[1m]))", "packets a second"),
        (f"sum by (source) (increase(heartline_missing_packets_total{CHOSEN}[10m]))",
         "missing in 10 min"),
        (f"min by (source) (heartline_ingest_broker_connected{CHOSEN})", "ingest connected"),
    ], "A row a source: its alarms, whether it is heard, how fresh it is, its link.",
    "table", 24, 14),
)  # fmt: skip
ALL = (
    Panel("Sources heard", "none", [(f"count(heartline_packet_age_seconds{CHOSEN} < 60)", "heard")],
          "With a packet within the last minute of their ticks.", "number", 6, 5),
    Panel("Critical alarms", "none", [(_standing("critical|severe").replace(" by (source)", ""),
          "critical")], "Of all sources.", "number", 6, 5, [(0, GOOD), (1, BAD)]),
    Panel("Longest silence", "s", [(f"max(heartline_packet_age_seconds{CHOSEN})", "silence")],
          "Of all sources.", "number", 6, 5, [(0, GOOD), (60, ODD), (300, BAD)]),
    Panel("Packets a second", "none", [(f"sum(rate(heartline_packets_total{CHOSEN}[1m]))",
          "packets")], "Of all sources.", "number", 6, 5),
)  # fmt: skip


def made() -> Any:
    return board(
        "heartline-fleet", "Heartline: fleet", "Every source at a glance; closer: Flight.",
        [variable(*SOURCE)], [("All", ALL), ("Each", EACH)],
    )  # fmt: skip
