"""Adaptive residual: how far a sample lies from what its own past let expect.

    prediction  a = m + b                     Holt's linear method (Holt 1957): level m, trend b
    residual    r = x - a,  score = |r| / s,  s = 1.2533 · mean |r| (the σ of a normal residual)
    learning    m ← a + α·r',  b ← b + α·β·r',  mean |r| ← mean |r| + γ·(|r'| - mean |r|)

with r' the residual clipped at CLIP scales (Huber 1964), so that an outlier moves the model by no
more than a bound, and a lasting change is learnt at a steady pace. α from the half-life; β and γ
are slower by SLOWER.

The scale is never below the sensor's own step, the smallest change ever seen: a count that moves
by one is no surprise, and of a value that has never changed nothing can be said.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pipeline.kernel import kernel
from pipeline.models.shared.contract import GroupParameter, cut, empty_scores, weights_sha256
from pipeline.models.shared.family import Family
from pipeline.models.shared.rules import Rule, setting
from schemas.columns import F8, NO_VERDICT, U1, Grid, Quality, Scores
from schemas.mission import Level

CLIP = 4.0
HUGE = 1e150
SLOWER = 4.0
SIGMA = 1.2533141373155001  # sqrt(pi / 2): σ of a normal variable by its mean absolute value
_WATCH = np.uint8(Level.WATCH)
_HELD_BIT = np.uint8(Quality.HELD)
_GAP_BIT = np.uint8(Quality.AFTER_GAP)


@dataclass(frozen=True, slots=True)
class ResidualRule(Rule):
    """Settings of the adaptive residual for the parameters that match."""

    enabled: bool = True
    half_life_s: float = setting(20.0, unit="s")  # of the level; trend and scale forget slower
    threshold: float = setting(10.0)  # residual, in robust scales
    warm_up_s: float = setting(60.0, unit="s")
    min_samples: int = setting(3, unit="rows")  # persistence
    min_seconds: float = setting(2.0, unit="s")
    resolution: float = setting(0.0)  # smallest scale believed, engineering units


class Residual(Family):
    """Adaptive residual of one group; says WATCH at most: it has no notion of danger."""

    name, version = "residual", 1
    Rule, theta = ResidualRule, "threshold"
    sees = "a sample far from what its own last minute let expect"
    example: ClassVar = {"warm_up_s": 30.0, "threshold": 3.0}

    def __init__(
        self, parameters: list[GroupParameter], period_ns: int, rules: list[ResidualRule]
    ) -> None:
        period, f = period_ns / 1e9, len(parameters)
        self._alpha = np.array([1 - 0.5 ** (period / r.half_life_s) for r in rules])
        self._slow = self._alpha / SLOWER
        self._threshold = np.array([r.threshold for r in rules])
        self._warm_up = np.array([max(r.warm_up_s / period, 2.0) for r in rules])
        self._floor = np.array([r.resolution for r in rules])
        self.min_samples = np.array([r.min_samples for r in rules], np.int64)
        self.min_ns = np.array([round(r.min_seconds * 1e9) for r in rules], np.int64)
        self.leave_samples = self.min_samples
        self.weights_sha256 = [weights_sha256(self.name, self.version, r) for r in rules]
        self.state = {
            "level": np.zeros(f), "trend": np.zeros(f), "scale": np.zeros(f),
            "seen": np.zeros(f),
            "last": np.zeros(f), "step": np.full(f, np.inf),
        }  # fmt: skip
        self._scores = empty_scores(0, f, 0)

    def feed(self, grid: Grid) -> Scores:
        """Scores of each row; views on buffers that the next feed overwrites."""
        n, s = len(grid.time_ns), self.state
        if n > len(self._scores.enter):
            self._scores = empty_scores(n, grid.value.shape[1], 0)
        o = self._scores
        score(
            grid.value, grid.quality, self._alpha, self._slow, self._threshold,
            self._warm_up, self._floor, s["level"], s["trend"], s["scale"], s["seen"],
            s["last"], s["step"],
            o.enter, o.predicted, o.score,
        )  # fmt: skip
        return cut(o, n)

    def threshold(self, parameter: int) -> float:
        return float(self._threshold[parameter])

    @staticmethod
    def confidence(score: float) -> float:
        """Least probability that a residual of `score` deviations is no chance (Chebyshev)."""
        return max(0.0, 1.0 - 1.0 / (score * score)) if score > 0 else 0.0


@kernel
def score(
    value: F8,
    quality: U1,
    alpha: F8,
    slow: F8,
    threshold: F8,
    warm_up: F8,
    floor: F8,
    level: F8,
    trend: F8,
    scale: F8,
    seen: F8,
    last: F8,
    step: F8,
    enter: U1,
    predicted: F8,
    scores: F8,
) -> None:
    """Sequential in rows, branch-free across parameters."""
    for i in range(len(value)):
        for j in range(len(alpha)):
            x, before, past, grain = value[i, j], seen[j], last[j], step[j]
            old_level, old_trend, old_scale = level[j], trend[j], scale[j]
            # beyond any quantity of physics squares overflow: no news either
            news = (abs(x) < HUGE) & ((quality[i, j] & _HELD_BIT) == 0)
            age = 0.0 if (quality[i, j] & _GAP_BIT) != 0 else before
            fresh = age == 0.0
            m = x if fresh else old_level
            b = 0.0 if fresh else old_trend
            mean_abs = 0.0 if fresh else old_scale
            a = m + b
            r = x - a
            change = abs(x - past) if news & (not fresh) else 0.0
            s = max(max(SIGMA * mean_abs, floor[j]), max(grain, 1e-12 * abs(a)))
            z = abs(r) / s
            warm = age >= warm_up[j]
            word = _WATCH if z > threshold[j] else np.uint8(0)
            enter[i, j] = word if news & warm else NO_VERDICT
            predicted[i, j] = a if news & (not fresh) else np.nan
            scores[i, j] = z if news & warm else np.nan
            limit = CLIP * s if warm else np.inf
            clipped = min(max(r, -limit), limit)
            gain = max(slow[j], 1.0 / (age + 1.0))
            last[j] = x if news else past
            step[j] = change if (change > 0.0) & (change < grain) else grain
            level[j] = a + max(alpha[j], 1.0 / (age + 1.0)) * clipped if news else old_level
            bent = b + (alpha[j] * slow[j] * clipped if age > 1.0 else 0.0)
            trend[j] = bent if news else old_trend
            scale[j] = mean_abs + gain * (abs(clipped) - mean_abs) if news else old_scale
            seen[j] = age + 1.0 if news else before
