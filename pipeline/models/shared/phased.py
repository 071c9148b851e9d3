"""A family with one model per flight phase: what is nominal on the pad is not in ascent.

Each phase has its own model, which receives only the rows of its phase. To that model, the first
row after another phase comes after a gap, and is handled as after any other gap.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from pipeline.models.shared.contract import Expected, GroupParameter, Model, empty_scores
from pipeline.models.shared.family import Family
from pipeline.timeline.after_gap import first_heard
from schemas.columns import Grid, Scores, Stage
from schemas.mission import Five, Level
from schemas.state import Composite, Stateful


class _Where(Stateful):
    def __init__(self, phases: int, f: int) -> None:
        # fresh: 1 for parameters without a new valid sample since the phase began
        self.state = {"phase": np.full(1, -1, np.int64), "fresh": np.ones((phases, f), np.uint8)}
        self.bounds = {"phase": (-1, phases - 1), "fresh": (0, 1)}


def make(
    family: type[Family], parameters: list[GroupParameter], period_ns: int, rules: list[Any],
    phases: tuple[str, ...],
) -> Model:  # fmt: skip
    """One model of the family, or one per phase. ValueError if the rules do not fit."""
    if not phases_of(family, phases):
        return family(parameters, period_ns, rules)
    return Phased([family(parameters, period_ns, rules) for _ in phases])


def phases_of(family: type[Family], phases: tuple[str, ...]) -> tuple[str, ...]:
    """The phases for which a family has separate models."""
    return phases if family.phased else ()


class Phased(Composite):
    """models: one per phase, all of one family and the same parameters."""

    def __init__(self, models: list[Model]) -> None:
        first = self._first = models[0]
        self._models = models
        self.name, self.version = first.name, first.version
        self.min_samples, self.min_ns = first.min_samples, first.min_ns
        self.leave_samples, self.weights_sha256 = first.leave_samples, first.weights_sha256
        self._where = _Where(len(models), len(first.min_ns))

    @property
    def stages(self) -> dict[str, Stage]:
        return {"where": self._where} | {f"phase{i}": m for i, m in enumerate(self._models)}

    def site(self) -> None:
        """None: it is fed phase by phase."""

    def threshold(self, parameter: int) -> float:
        return self._first.threshold(parameter)

    def evidence(self, parameter: int, detail: np.ndarray[Any, Any]) -> dict[str, Any]:
        return self._first.evidence(parameter, detail)

    def learn(self, grid: Grid) -> None:
        self.feed(grid)

    def learn_all(self, flights: Sequence[Grid]) -> None:
        for flight in flights:
            self.learn(flight)

    def nominal(self, grid: Grid) -> Grid:
        return self._first.nominal(grid)

    def named(self, flights: Sequence[str]) -> None:
        for m in self._models:
            m.named(flights)

    def set_limits(self, parameter: int, low: Five, high: Five) -> None:
        for m in self._models:
            m.set_limits(parameter, low, high)

    def clock_set(self, step_ns: int) -> None:
        for m in self._models:
            m.clock_set(step_ns)

    def forecasts(self, parameter: int) -> Iterator[tuple[Level, float]]:
        phase = int(self._where.state["phase"][0])
        return self._models[max(phase, 0)].forecasts(parameter)

    def expects(self, parameter: int) -> Expected | None:
        phase = int(self._where.state["phase"][0])
        return self._models[max(phase, 0)].expects(parameter)

    def feed(self, grid: Grid) -> Scores:
        """Scores of each row, by the model of its phase."""
        phase = grid.phase
        assert phase is not None, "a mission with phases has them in its grids"
        edges = np.flatnonzero(np.diff(phase)) + 1
        runs = zip([0, *edges.tolist()], [*edges.tolist(), len(phase)], strict=True)
        parts = [self._run(grid, a, b, int(phase[a])) for a, b in runs if a < b]
        if not parts:
            return empty_scores(0, grid.value.shape[1], 0)
        if len(parts) == 1:
            return parts[0]
        enter, predicted, score, detail = (
            np.concatenate([getattr(p, name) for p in parts])
            for name in ("enter", "predicted", "score", "detail")
        )
        return Scores(enter, enter, predicted, score, detail)

    def _run(self, grid: Grid, a: int, b: int, phase: int) -> Scores:
        """Score rows a to b, all of one phase. Copies, since a later run may use the same model."""
        w = self._where.state
        fresh = w["fresh"][phase]
        if w["phase"][0] != phase:
            w["phase"][0], fresh[:] = phase, 1
        s = self._models[phase].feed(first_heard(grid.part(a, b), fresh))
        levels = s.enter.copy()
        return Scores(levels, levels, s.predicted.copy(), s.score.copy(), s.detail.copy())
