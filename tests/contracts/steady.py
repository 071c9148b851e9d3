"""A model family from outside: what a stranger would write, in one file.

It is beside the tests and becomes a family only by a line of `FAMILIES` (`added_family`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from pipeline.models.shared.contract import GroupParameter, cut, empty_scores, weights_sha256
from pipeline.models.shared.family import Family
from pipeline.models.shared.rules import Rule, setting
from schemas.columns import NO_VERDICT, Grid, Quality, Scores
from schemas.mission import Level


@dataclass(frozen=True, slots=True)
class SteadyRule(Rule):
    """Settings of what should not move, for the parameters that match."""

    most: float = setting(0.0, 0, 1e6, need="by how much it may move from row to row")


class Steady(Family):
    name, version = "steady", 1
    Rule, theta = SteadyRule, "most"
    sees = "a value that moves by more than it may from row to row"
    example: ClassVar = {"most": 50.0}
    evidence_schema: ClassVar = {"moved": {"type": "number", "description": "steady: by how much"}}

    def __init__(
        self, parameters: list[GroupParameter], period_ns: int, rules: list[SteadyRule]
    ) -> None:
        del period_ns
        f = len(parameters)
        self._most = np.array([r.most for r in rules])
        self.min_samples = self.leave_samples = np.ones(f, np.int64)
        self.min_ns = np.zeros(f, np.int64)
        self.weights_sha256 = [weights_sha256(self.name, self.version, r) for r in rules]
        self.state = {"last": np.full(f, np.nan)}

    def feed(self, grid: Grid) -> Scores:
        n, f = grid.value.shape
        made, last = empty_scores(n, f, 1), self.state["last"]
        for i in range(n):
            news = (np.abs(grid.value[i]) < 1e150) & ((grid.quality[i] & Quality.HELD) == 0)
            moved = np.abs(grid.value[i] - last)
            known = news & np.isfinite(moved)
            made.predicted[i] = np.where(known, last, np.nan)
            made.detail[i, 0] = moved
            made.score[i] = np.where(known, moved / self._most, np.nan)
            beyond = np.where(moved > self._most, np.uint8(Level.WARNING), np.uint8(0))
            made.enter[i] = np.where(known, beyond, NO_VERDICT)
            last[news] = grid.value[i][news]
        return cut(made, n)

    def evidence(self, parameter: int, detail: np.ndarray[Any, Any]) -> dict[str, Any]:  # noqa: ARG002
        return {"moved": float(detail[0])}

    @staticmethod
    def sentence(alert: dict[str, Any], seen: str, unit: str) -> str:
        return f"{seen}, {alert.get('moved', 0.0):g}{unit} from the row before"
