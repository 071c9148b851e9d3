"""*Flight*: what is wrong, since when, and what comes next."""

from __future__ import annotations

from typing import Any

from deploy.dashboards.parts import BAD, GOOD, ODD, PARAMETER, SOURCE, Panel, board, variable

SHOWN = 'source=~"$source",parameter=~"$parameter"'
BOUND = 'source=~"$source",level="critical"'
MIDDLE = (
    f'(heartline_parameter_limit{{{BOUND},side="high"}} + on (source, parameter) '
    f'heartline_parameter_limit{{{BOUND},side="low"}}) / 2'
)
HALF = (
    f'(heartline_parameter_limit{{{BOUND},side="high"}} - on (source, parameter) '
    f'heartline_parameter_limit{{{BOUND},side="low"}}) / 2'
)
ENDS = f'heartline_parameter{{{SHOWN},window="60s",figure=~"min|max"}}'
# 100: in the middle of its range; 0: at a limit; signs of the limits do not matter
ROOM = (
    "100 * (1 - max by (source, parameter) "
    f"(abs({ENDS} - on (source, parameter) group_left () {MIDDLE})"
    f" / on (source, parameter) group_left () ({HALF})))"
)


def _incidents(levels: str) -> str:
    return f'sum(heartline_desk_incidents{{source=~"$source",level=~"{levels}"}})'


DESK = (
    Panel(
        "Open incidents", "none",
        [(_incidents("warning|distress"), "warning"), (_incidents("critical|severe"), "critical")],
        "Alarms that are one event, at the alarm desk.", "number", 6, 4, [(0, GOOD), (1, BAD)],
    ),
    Panel(
        "Alarms by what was done about them", "none",
        [(f'sum(heartline_desk_alarms{{source=~"$source",status="{status}"}})',
          status.replace("_", " "))
         for status in ("unacknowledged", "acknowledged", "returned", "shelved")],
        "Returned: normal again, and never acknowledged.", "number", 12, 4,
    ),
    Panel(
        "Desk looked", "s", [("time() - min(heartline_desk_last_look_seconds)", "ago")],
        "What is shown here is as old as this.", "number", 6, 4, [(0, GOOD), (5, ODD), (30, BAD)],
    ),
    Panel(
        "What is wrong, since when, and who has seen it", "dateTimeFromNow",
        [('1000 * heartline_desk_alarm_since_seconds{source=~"$source"}', "since")],
        "Every alarm that stands, the newest first; of more than 200 the worst (the others are "
        "counted by heartline_desk_unlisted_alarms). `heartline alarms` does something about them.",
        "list", 24, 9,
    ),
)  # fmt: skip
NOW = (
    Panel(
        "Alarms that stand", "none",
        [('sum by (level) (heartline_active_alarms{source=~"$source"})', "{{level}}")],
        "Active alarms by level, of the worker's lanes.", "number", 7, 5,
        [(0, GOOD), (1, BAD)],
    ),
    Panel(
        "Phase", "none", [('heartline_phase{source=~"$source"} == 1', "{{source}}: {{phase}}")],
        "As the vehicle told it last, of missions with [phases].", "name", 5, 5,
    ),
    Panel(
        "Silent for", "s", [('max(heartline_packet_age_seconds{source=~"$source"})', "silent")],
        "Newest tick less the reception of the newest packet.", "number", 3, 5,
        [(0, GOOD), (10, ODD), (60, BAD)],
    ),
    Panel(
        "Flight time", "dateTimeAsIso",
        [('1000 * max(heartline_event_time_seconds{source=~"$source"})', "watermark")],
        "Generation time up to which everything was judged.", "number", 5, 5,
    ),
    Panel(
        "Least time to a limit", "s",
        [('min by (level) (heartline_time_to_limit_seconds{source=~"$source"})', "{{level}}")],
        "Of all parameters that head for one, where the slope is significant.", "number", 4, 5,
        [(0, BAD), (30, ODD), (120, GOOD)],
    ),
)  # fmt: skip
NEXT = (
    Panel(
        "Time to limit", "s",
        [('heartline_time_to_limit_seconds{source=~"$source"}', "{{parameter}} {{level}}")],
        "Is it getting worse: each range ahead, in seconds; what is further off lies above.",
        wide=12, least=0, most=600,
    ),
    Panel(
        "Alerts in the last minute", "none",
        [('topk(6, sum by (level, kind) (increase(heartline_alerts_total{source=~"$source"}[1m])))',
          "{{level}} {{kind}}")],
        "Since when: transitions of monitors, clearing ones as normal; the six most frequent.",
        wide=12, least=0,
    ),
)  # fmt: skip
INSIDE = (
    Panel(
        "Room to the nearer red limit", "percent", [(ROOM, "{{parameter}}")],
        "Of key parameters with two critical limits: 100 in the middle, 0 at a limit, below 0 "
        "beyond it. Extremes of the last minute.",
        wide=12, high=9, most=100, steps=[(0, BAD), (0, GOOD)],
    ),
    Panel(
        "Rates of change, per second", "none",
        [(f'heartline_parameter{{{SHOWN},window="60s",figure="rate"}}', "{{parameter}}")],
        "Last less first value of a minute, a second.", wide=12, high=9,
    ),
)  # fmt: skip


def made() -> Any:
    return board(
        "heartline-flight", "Heartline: flight",
        "What is wrong, since when, is it getting worse. One parameter closer: Parameter.",
        [variable(*SOURCE), variable(*PARAMETER)],
        [("Desk", DESK), ("Now", NOW), ("Next", NEXT), ("Inside their limits", INSIDE)],
    )  # fmt: skip
