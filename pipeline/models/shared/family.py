"""A model family is one file, whose class defines all that the rest needs (docs/models.md).

A family is added by its file and its line in `models.families.FAMILIES`. From these follow its
table in mission.toml and in the mission's schema, its kernels' warm-up, its alerts' schema and
sentence, the laws that it is tested against, its part in training, scores and docs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np

from pipeline.models.shared.contract import Expected, GroupParameter, Site
from pipeline.models.shared.rules import Rule
from schemas.artefact import Part
from schemas.columns import Grid, Scores
from schemas.mission import Five, Level
from schemas.state import Stateful
from schemas.words import figure

Evidence = dict[str, Any]


# schemas of evidence that several families give
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
    """One family applied to the parameters of one group: `models.shared.contract.Model`.

    name: of its table in mission.toml and of its monitor in alerts. Rule: its settings. theta: the
    setting that is tuned to a budget of false alarms. example: settings under which it works on any
    two numbers. evidence_schema: JSON Schema, by key, of what `evidence` adds to an alert.
    phased: whether each flight phase has its own model. trained_alone: it knows nothing without
    training on recorded flights. to_failure: it is trained on lives to failure, not on nominal
    flights. ahead: the setting that says how far ahead its alarms speak, in seconds. shared:
    weights that are no parameter's own. suits: kinds of recordings that its defaults were chosen
    for. sees: what it detects, a line for the table of docs/models.md.
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
    to_failure: ClassVar[bool] = False
    ahead: ClassVar[str] = ""
    shared: ClassVar[frozenset[str]] = frozenset()
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

    def site(self) -> Site | None:
        """Its kernel and the arguments of it, where one call may run it over many groups."""
        return None

    def threshold(self, parameter: int) -> float:  # noqa: ARG002
        return 1.0

    def evidence(self, parameter: int, detail: np.ndarray[Any, Any]) -> Evidence:  # noqa: ARG002
        """What an alert says of one parameter, from `Scores.detail[row, :, parameter]`."""
        return {}

    def learn(self, grid: Grid) -> None:
        """One recorded nominal flight, or a piece of it."""
        self.feed(grid)

    def learn_all(self, flights: Sequence[Grid]) -> None:
        """All recordings that a model is trained on, each with a gap before it. ValueError where
        nothing can be learnt of them."""
        for flight in flights:
            self.learn(flight)

    def nominal(self, grid: Grid) -> Grid:
        """The rows of a recording on which every alarm is false: all, unless it ends in failure."""
        return grid

    def named(self, flights: Sequence[str]) -> None:
        """What the recordings are called that it was trained on, in their order."""

    @staticmethod
    def knows(part: Part) -> Iterator[str]:  # noqa: ARG004
        """What training found, in lines for people, beside the weights of each parameter."""
        return iter(())

    def set_limits(self, parameter: int, low: Five, high: Five) -> None:
        """Use other limits of a parameter from now on."""

    def clock_set(self, step_ns: int) -> None:
        """The clock was set by `step_ns`: times that the model has stored move by as much."""

    def forecasts(self, parameter: int) -> Iterator[tuple[Level, float]]:  # noqa: ARG002
        """Seconds to each range ahead, mildest first."""
        return iter(())

    def expects(self, parameter: int) -> Expected | None:  # noqa: ARG002
        """What the next sample is expected to be; None where that is no range of values, or is not
        known yet."""
        return None

    @staticmethod
    def confidence(score: float) -> float:
        """Confidence that an excess `score` times the allowed is no chance, even for 1/r² tails."""
        return max(0.0, 1.0 - 1.0 / score) if score > 0 else 0.0

    @staticmethod
    def sentence(alert: Evidence, seen: str, unit: str) -> str:
        """An alert as a sentence for people, without a full stop. It never fails, even if evidence
        is missing. seen: parameter and value."""
        predicted, score = figure(alert["predicted"]), figure(alert["score"])
        threshold = f"threshold {alert['threshold']:g}"
        return f"{seen} where {predicted}{unit} was expected: {score} scales, {threshold}"

    @staticmethod
    def aim(parameter: GroupParameter) -> str:  # noqa: ARG004
        """What it looks out for on one parameter, for `check --explain`."""
        return ""
