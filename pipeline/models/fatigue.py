"""Fatigue: how much of its life a part has used, and when it ends if it goes on like this.

    cycles   rainflow counting (ASTM E1049-85, 5.4.4), point by point as they come
    life     D = Σ n · (range / reference)^slope / cycles      Miner's sum over Basquin's line
    forecast r ← r + α · (ΔD/Δt - r),   end = (1 - D) / r

`reference` is a range, in the parameter's unit, that the part withstands `cycles` times; `slope` is
the steepness of its S-N line. Ranges that are still open count as half cycles, as the standard
counts what is left at the end. Memory is bounded: once there are STACK turning points, the oldest
range is counted as half a cycle, as the standard does for a range with the starting point.

Only values on the grid are counted. Swings faster than a row or two are missed, so `resample` such
a parameter at its own rate. A gap counts as if a straight line led across it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from pipeline.kernel import kernel, part
from pipeline.models.shared.contract import GroupParameter, cut, empty_scores, weights_sha256
from pipeline.models.shared.family import LEAD, Family
from pipeline.models.shared.record import heard
from pipeline.models.shared.rules import Rule, setting
from schemas.columns import F8, I8, NO_VERDICT, U1, Grid, Scores
from schemas.mission import Level
from schemas.settings import MAX_SECONDS

STACK = 64
_WATCH, _WARNING = np.uint8(Level.WATCH), np.uint8(Level.WARNING)
_LIFE, _RATE, _DETAILS = range(3)


@dataclass(frozen=True, slots=True)
class FatigueRule(Rule):
    """Settings of fatigue for the parameters that match: a range of `reference` units is stood
    `cycles` times, and the S-N line falls with `slope`. All three are the part's own."""

    reference: float = setting(0.0, 0, 1e12, need="a range that the part stands `cycles` times")
    cycles: float = setting(1e6, 1, 1e15)
    slope: float = setting(5.0, 1, 30)
    threshold: float = setting(0.8, 0, 1e6)  # of its life
    horizon_s: float = setting(0.0, unit="s")  # an end nearer than this raises an alert
    memory_s: float = setting(3600.0, 1e-3, MAX_SECONDS, "s")  # of the rate at which life is used


class Weights(NamedTuple):
    """f8[f] each."""

    reference: F8  # a range in the parameter's unit
    weight: F8  # damage of a cycle of that range
    slope: F8
    threshold: F8
    horizon: F8  # rows
    alpha: F8


class Used(NamedTuple):
    """State of the count: stack f8[f, STACK]: turning points; points i8[f]: how many; way i8[f]: 1
    up, -1 down; closed, open f8[f]: damage of closed and of open ranges; rate f8[f]: per row."""

    stack: F8
    points: I8
    last: F8
    way: I8
    closed: F8
    open: F8
    rate: F8


class Fatigue(Family):
    """Fatigue of one group. WATCH from `threshold` of its life on, or where its end is near;
    WARNING once all of it is used."""

    name, version = "fatigue", 1
    Rule, theta = FatigueRule, "threshold"
    ahead = "horizon_s"
    sees = "how much of its life a part has used"
    example: ClassVar = {"reference": 2.0, "cycles": 500.0, "horizon_s": 20.0}
    evidence_schema: ClassVar = {
        "life_used": {"type": ["number", "null"],
                      "description": "fatigue: Miner's sum, 1 is all of it"},
        "life_a_day": {"type": ["number", "null"],
                       "description": "fatigue: used at the rate of now"},
        "lead_s": LEAD,
    }  # fmt: skip

    def __init__(
        self, parameters: list[GroupParameter], period_ns: int, rules: list[FatigueRule]
    ) -> None:
        f, period = len(parameters), period_ns / 1e9
        self._per_day = 86400 / period
        self._weights = Weights(
            reference=np.array([r.reference or 1.0 for r in rules]),
            weight=np.array([1 / r.cycles if r.reference else 0.0 for r in rules]),
            slope=np.array([r.slope for r in rules]),
            threshold=np.array([r.threshold for r in rules]),
            horizon=np.array([r.horizon_s / period for r in rules]),
            alpha=np.array([min(1.0, period / r.memory_s) for r in rules]),
        )
        self.min_samples = np.ones(f, np.int64)  # a sum does not flicker
        self.min_ns = np.zeros(f, np.int64)
        self.leave_samples = self.min_samples
        self.weights_sha256 = [weights_sha256(self.name, self.version, r) for r in rules]
        self._used = Used(
            stack=np.zeros((f, STACK)),
            points=np.zeros(f, np.int64),
            last=np.full(f, np.nan),
            way=np.zeros(f, np.int64),
            closed=np.zeros(f),
            open=np.zeros(f),
            rate=np.zeros(f),
        )
        self.state = self._used._asdict()
        self._scores = empty_scores(0, f, _DETAILS)

    def feed(self, grid: Grid) -> Scores:
        """Scores of each row, `score` the life used; views on buffers overwritten by the next."""
        n = len(grid.time_ns)
        if n > len(self._scores.enter):
            self._scores = empty_scores(n, grid.value.shape[1], _DETAILS)
            self._scores.predicted[:] = np.nan
        wear(grid.value, grid.quality, self._weights, self._used, self._scores)
        return cut(self._scores, n)

    def threshold(self, parameter: int) -> float:
        return float(self._weights.threshold[parameter])

    def evidence(self, parameter: int, detail: np.ndarray[Any, Any]) -> dict[str, Any]:  # noqa: ARG002
        life, rate = detail.tolist()
        left = max(0.0, 1.0 - life)
        end = left / rate * 86400 / self._per_day if rate > 0 else None
        return {"life_used": life, "life_a_day": rate * self._per_day, "lead_s": end}

    @staticmethod
    def confidence(score: float) -> float:  # noqa: ARG004
        """Always 1: the sum is exact. What it means depends on the S-N line."""
        return 1.0

    @staticmethod
    def sentence(alert: dict[str, Any], seen: str, unit: str) -> str:
        if "life_used" not in alert:
            return Family.sentence(alert, seen, unit)
        used, left = f"{alert['life_used']:.0%} of its fatigue life is used", alert["lead_s"]
        end = "" if left is None else f", the rest lasts {left:.0f} s at this rate"
        return f"{alert['name']}: {used}{end}"


@part
def damage(span: float, j: int, w: Weights) -> float:
    """Damage of one whole cycle of range `span`."""
    whole: float = w.weight[j] * (span / w.reference[j]) ** w.slope[j]
    return whole


@part
def _turn(x: float, j: int, w: Weights, stack: F8, points: I8) -> float:
    """Add a turning point; returns the damage of the ranges it closes (E1049, 5.4.4, 2 to 5)."""
    done = 0.0
    if points[j] == STACK:
        done += 0.5 * damage(abs(stack[j, 1] - stack[j, 0]), j, w)
        for k in range(STACK - 1):
            stack[j, k] = stack[j, k + 1]
        points[j] = STACK - 1
    stack[j, points[j]] = x
    points[j] += 1
    while points[j] >= 3:
        n = points[j]
        newer = abs(stack[j, n - 1] - stack[j, n - 2])
        older = abs(stack[j, n - 2] - stack[j, n - 3])
        if newer < older:
            break
        if n == 3:  # the range holds the starting point, which moves on
            done += 0.5 * damage(older, j, w)
            stack[j, 0], stack[j, 1] = stack[j, 1], stack[j, 2]
            points[j] = 2
        else:
            done += damage(older, j, w)
            stack[j, n - 3] = stack[j, n - 1]
            points[j] = n - 2
    return done


@part
def _rest(last: float, j: int, w: Weights, stack: F8, points: I8) -> float:
    """Damage that the last value would close as a turning point, and half cycles of the rest."""
    total, first, n = 0.0, 0, points[j]
    while n - first >= 2:
        newer = abs(last - stack[j, n - 1])
        older = abs(stack[j, n - 1] - stack[j, n - 2])
        if newer < older:
            break
        if n - first == 2:
            total += 0.5 * damage(older, j, w)
            first = n - 1
        else:
            total += damage(older, j, w)
            n -= 2
    for k in range(first, n):
        end = stack[j, k + 1] if k + 1 < n else last
        total += 0.5 * damage(abs(end - stack[j, k]), j, w)
    return total


@kernel
def wear(value: F8, quality: U1, w: Weights, u: Used, out: Scores) -> None:
    """Sequential in rows. The level of a row depends only on the rows before it."""
    for i in range(len(value)):
        for j in range(len(w.slope)):
            x, rate = value[i, j], u.rate[j]
            news = heard(x, quality[i, j])
            life = u.closed[j] + u.open[j]
            out.detail[i, _LIFE, j], out.detail[i, _RATE, j] = life, rate
            out.score[i, j] = life if news else np.nan
            ahead = rate * w.horizon[j]
            soon = ahead >= 1.0 - life if ahead > 0 else False
            mild = _WATCH if (life >= w.threshold[j]) | soon else np.uint8(0)
            word = _WARNING if life >= 1.0 else mild
            out.enter[i, j] = word if news else NO_VERDICT
            if news:
                _count(x, j, w, u)
                u.rate[j] += w.alpha[j] * (max(u.closed[j] + u.open[j] - life, 0.0) - rate)


@part
def _count(x: float, j: int, w: Weights, u: Used) -> None:
    """Take a value in: it goes on in the same direction, or the last one was a turning point."""
    u.points[j] = min(max(u.points[j], 0), STACK)
    if u.last[j] != u.last[j]:
        u.stack[j, 0], u.points[j], u.last[j] = x, 1, x
    elif x != u.last[j]:
        way = 1 if x > u.last[j] else -1
        if u.way[j] != 0 and way != u.way[j]:
            u.closed[j] += _turn(u.last[j], j, w, u.stack, u.points)
        u.way[j], u.last[j] = way, x
        u.open[j] = _rest(x, j, w, u.stack, u.points)
