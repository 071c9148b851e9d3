"""*Parameter*: one parameter, its limits, and where it heads."""

from __future__ import annotations

from typing import Any

from deploy.dashboards.parts import PARAMETER, SOURCE, Panel, board, variable

SHOWN = 'source=~"$source",parameter="$parameter"'


def figure(name: str) -> str:
    return f'heartline_parameter{{{SHOWN},window="$window",figure="{name}"}}'


MEAN, STD = figure("mean"), figure("std")
OTHER = "ignoring (figure)"
VALUE = (
    Panel(
        "Mean ± standard deviation, extremes, limits", "none",
        [
            (MEAN, "mean"), (f"{MEAN} + {OTHER} {STD}", "mean + std"),
            (f"{MEAN} - {OTHER} {STD}", "mean - std"), (figure("min"), "min"),
            (figure("max"), "max"),
            (f"heartline_parameter_limit{{{SHOWN}}}", "{{level}} {{side}}"),
        ],
        "Of the window chosen; the limits are those in force, also those set in flight.",
        wide=24, high=12, band=("mean + std", "mean - std"),
    ),
)  # fmt: skip


def _expected(side: str) -> str:
    return f'heartline_parameter_expected{{{SHOWN},model="residual",side="{side}"}}'


MODEL = (
    Panel(
        "What the model expects, and what came", "none",
        [
            (_expected("middle"), "expected"), (_expected("high"), "threshold above"),
            (_expected("low"), "threshold below"), (figure("min"), "min"), (figure("max"), "max"),
        ],
        "Adaptive residual: the next sample as it predicts it, and how far it may lie off. Nothing "
        "while it warms up. Extremes are of the window chosen.",
        wide=16, high=9, band=("threshold above", "threshold below"),
    ),
    Panel(
        "Room of the model", "none",
        [(f"{_expected('high')} - ignoring (side) {_expected('middle')}", "threshold")],
        "Threshold of the residual, in engineering units.", wide=8, high=9, least=0,
    ),
)  # fmt: skip
FUTURE = (
    Panel(
        "Time to limit", "s", [(f"heartline_time_to_limit_seconds{{{SHOWN}}}", "{{level}}")],
        "Each range ahead, where the slope is significant; nothing where it heads for none.",
        wide=8, least=0,
    ),
    Panel("Rate of change, per second", "none", [(figure("rate"), "rate")],
          "Last less first value of the window, a second.", wide=8),
    Panel("Standard deviation", "none", [(STD, "std")], "Of the window chosen.", wide=8, least=0),
)  # fmt: skip


def made() -> Any:
    return board(
        "heartline-parameter", "Heartline: parameter",
        "One parameter that mission.toml's `gauges` names.",
        [
            variable(*SOURCE, many=False), variable(*PARAMETER, many=False),
            variable("window", f"label_values(heartline_parameter{{{SHOWN}}}, window)", many=False),
        ],
        [("Value", VALUE), ("Model", MODEL), ("Where it heads", FUTURE)],
    )  # fmt: skip
