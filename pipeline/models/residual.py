"""Adaptive residual: how far a sample lies from what its own past predicts.

    prediction  a = m + b                     Holt's linear method (Holt 1957): level m, trend b
    residual    r = x - a,  score = |r| / s,  s = 1.2533 · mean |r| (the σ of a normal residual)
    learning    m ← a + α·r',  b ← b + α·β·r',  mean |r| ← mean |r| + γ·(|r'| - mean |r|)

with r' the residual clipped at CLIP scales (Huber 1964), so that an outlier moves the model by no
more than a bound, and a lasting change is learnt at a steady pace. α from the half-life; β and γ
are slower by SLOWER.

The scale is never below the sensor's own step, the smallest change ever seen: a counter that moves
by one is no surprise, and a value that has never changed cannot be judged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from pipeline.kernel import kernel
from pipeline.models.shared.contract import (
    Expected,
    GroupParameter,
    Site,
    cut,
    empty_scores,
    weights_sha256,
)
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


class Weights(NamedTuple):
    """f8[f] each."""

    alpha: F8  # gain of the level
    slow: F8  # of trend and scale
    threshold: F8
    warm_up: F8  # rows
    floor: F8  # smallest scale believed


class Past(NamedTuple):
    """f8[f] each."""

    level: F8
    trend: F8
    scale: F8  # mean of |r|
    seen: F8  # rows since the beginning, or since a gap
    last: F8
    step: F8  # the smallest change ever seen


class Residual(Family):
    """Adaptive residual of one group; WATCH at most, since it cannot judge danger."""

    name, version = "residual", 1
    Rule, theta = ResidualRule, "threshold"
    sees = "a sample far from what its own last minute let expect"
    example: ClassVar = {"warm_up_s": 30.0, "threshold": 3.0}

    def __init__(
        self, parameters: list[GroupParameter], period_ns: int, rules: list[ResidualRule]
    ) -> None:
        period, f = period_ns / 1e9, len(parameters)
        alpha = np.array([1 - 0.5 ** (period / r.half_life_s) for r in rules])
        self._weights = Weights(
            alpha,
            slow=alpha / SLOWER,
            threshold=np.array([r.threshold for r in rules]),
            warm_up=np.array([max(r.warm_up_s / period, 2.0) for r in rules]),
            floor=np.array([r.resolution for r in rules]),
        )
        self.min_samples = np.array([r.min_samples for r in rules], np.int64)
        self.min_ns = np.array([round(r.min_seconds * 1e9) for r in rules], np.int64)
        self.leave_samples = self.min_samples
        self.weights_sha256 = [weights_sha256(self.name, self.version, r) for r in rules]
        self._past = Past._make(np.zeros(f) for _ in Past._fields)
        self._past.step[:] = np.inf
        self.state = self._past._asdict()
        self._scores = empty_scores(0, f, 0)

    def feed(self, grid: Grid) -> Scores:
        """Scores of each row; views on buffers that the next feed overwrites."""
        n = len(grid.time_ns)
        if n > len(self._scores.enter):
            self._scores = empty_scores(n, grid.value.shape[1], 0)
        score(grid.value, grid.quality, self._weights, self._past, self._scores)
        return cut(self._scores, n)

    def site(self) -> Site:
        out = empty_scores(0, 0, 0)
        return score, (out.score, out.enter, self._weights, self._past, out)

    def threshold(self, parameter: int) -> float:
        return float(self._weights.threshold[parameter])

    def expects(self, parameter: int) -> Expected | None:
        w, p, j = self._weights, self._past, parameter
        if p.seen[j] < w.warm_up[j]:
            return None
        middle = float(p.level[j] + p.trend[j])
        scale = max(SIGMA * p.scale[j], w.floor[j], p.step[j], 1e-12 * abs(middle))
        room = float(w.threshold[j] * scale)
        return Expected(middle - room, middle, middle + room)

    @staticmethod
    def confidence(score: float) -> float:
        """Lower bound of the probability that `score` deviations are not chance (Chebyshev)."""
        return max(0.0, 1.0 - 1.0 / (score * score)) if score > 0 else 0.0


@kernel
def score(value: F8, quality: U1, w: Weights, p: Past, out: Scores) -> None:
    """Sequential in rows, branch-free across parameters."""
    for i in range(len(value)):
        for j in range(len(w.alpha)):
            x, before, past, grain = value[i, j], p.seen[j], p.last[j], p.step[j]
            old_level, old_trend, old_scale = p.level[j], p.trend[j], p.scale[j]
            # values beyond any quantity of physics are ignored too: their squares overflow
            news = (abs(x) < HUGE) & ((quality[i, j] & _HELD_BIT) == 0)
            age = 0.0 if (quality[i, j] & _GAP_BIT) != 0 else before
            fresh = age == 0.0
            m = x if fresh else old_level
            b = 0.0 if fresh else old_trend
            mean_abs = 0.0 if fresh else old_scale
            a = m + b
            r = x - a
            change = abs(x - past) if news & (not fresh) else 0.0
            s = max(max(SIGMA * mean_abs, w.floor[j]), max(grain, 1e-12 * abs(a)))
            z = abs(r) / s
            warm = age >= w.warm_up[j]
            word = _WATCH if z > w.threshold[j] else np.uint8(0)
            out.enter[i, j] = word if news & warm else NO_VERDICT
            out.predicted[i, j] = a if news & (not fresh) else np.nan
            out.score[i, j] = z if news & warm else np.nan
            limit = CLIP * s if warm else np.inf
            clipped = min(max(r, -limit), limit)
            gain = max(w.slow[j], 1.0 / (age + 1.0))
            p.last[j] = x if news else past
            p.step[j] = change if (change > 0.0) & (change < grain) else grain
            p.level[j] = a + max(w.alpha[j], 1.0 / (age + 1.0)) * clipped if news else old_level
            bent = b + (w.alpha[j] * w.slow[j] * clipped if age > 1.0 else 0.0)
            p.trend[j] = bent if news else old_trend
            p.scale[j] = mean_abs + gain * (abs(clipped) - mean_abs) if news else old_scale
            p.seen[j] = age + 1.0 if news else before
