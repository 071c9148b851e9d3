"""A model family is one file: all that the house knows of it stands in its class (docs/models.md).

A family joins by its file and its line of `models.families.FAMILIES`. From that come its table in
mission.toml and the mission's schema, its kernels' warm-up, its alerts' schema and sentence, the
laws that it is held to, its part in training, scores and docs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np

from pipeline.models.shared.contract import GroupParameter
from pipeline.models.shared.rules import Rule
from schemas.columns import Grid, Scores
from schemas.mission import Five, Level
from schemas.state import Stateful
from schemas.words import figure

Evidence = dict[str, Any]


# of evidence that several families give
LEAD = {
    "type": ["number", "null"],
    "description": "time to the limit headed for; fatigue: to the end of its life",
}
PAIR = {"type": "array", "items": {"type": ["number", "null"]}, "minItems": 2, "maxItems": 2}
FEATURE_SCHEMA = {
    "feature": {
        "type": "string",
        "description": "corridor, and what judges by records: which went beyond what is known",
    },
    "feature_value": {"type": ["number", "null"]},
}


class Family(Stateful):
    """One family at work on the parameters of one group: `models.shared.contract.Model`.

    name: its table's in mission.toml, its monitor's in alerts. Rule: its settings. theta: the
    setting that a budget of false alarms decides. example: settings under which it works on any
    two numbers. evidence_schema: of what `evidence` adds to an alert, JSON Schema by key.
    phased: whether each flight phase has a past of its own. trained_alone: nothing is known of it
    without recorded flights. suits: kinds of recordings that its defaults were chosen for. sees:
    what it is for, a line for the table of docs/models.md.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    Rule: ClassVar[type[Rule]]
    theta: ClassVar[str]
    sees: ClassVar[str]
    example: ClassVar[dict[str, Any]] = {}
    evidence_schema: ClassVar[dict[str, Any]] = {}
    phased: ClassVar[bool] = False
    trained_alone: ClassVar[bool] = False
    suits: ClassVar[tuple[str, ...]] = ()

    min_samples: np.ndarray[Any, Any]
    min_ns: np.ndarray[Any, Any]
    leave_samples: np.ndarray[Any, Any]
    weights_sha256: list[str]

    def __init__(self, parameters: list[GroupParameter], period_ns: int, rules: list[Any]) -> None:
        """ValueError where the rules do not fit the parameters."""
        raise NotImplementedError

    def feed(self, grid: Grid) -> Scores:
        """Scores of each row; views on buffers that the next feed overwrites."""
        raise NotImplementedError

    def threshold(self, parameter: int) -> float:  # noqa: ARG002
        return 1.0

    def evidence(self, parameter: int, detail: np.ndarray[Any, Any]) -> Evidence:  # noqa: ARG002
        """What an alert says of one parameter, from `Scores.detail[row, :, parameter]`."""
        return {}

    def learn(self, grid: Grid) -> None:
        """One recorded nominal flight, or a piece of it."""
        self.feed(grid)

    def set_limits(self, parameter: int, low: Five, high: Five) -> None:
        """Other limits of a parameter are in force."""

    def clock_set(self, step_ns: int) -> None:
        """The clock was set by so much: what counts from a time of its own counts from there."""

    def forecasts(self, parameter: int) -> Iterator[tuple[Level, float]]:  # noqa: ARG002
        """Seconds to each range ahead, mildest first."""
        return iter(())

    @staticmethod
    def confidence(score: float) -> float:
        """That an excess `score` times what is allowed is no chance, were they as wild as 1/r²."""
        return max(0.0, 1.0 - 1.0 / score) if score > 0 else 0.0

    @staticmethod
    def sentence(alert: Evidence, seen: str, unit: str) -> str:
        """What an alert says, for people; total, whatever its evidence lacks. seen: parameter and
        value; no full stop."""
        predicted, score = figure(alert["predicted"]), figure(alert["score"])
        threshold = f"threshold {alert['threshold']:g}"
        return f"{seen} where {predicted}{unit} was expected: {score} scales, {threshold}"

    @staticmethod
    def aim(parameter: GroupParameter) -> str:  # noqa: ARG004
        """What it looks out for on one parameter, for `check --explain`."""
        return ""
