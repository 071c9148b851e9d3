"""Flat line: a parameter that used to change and no longer does, though samples still arrive.

    rest     r = t - (time of the last change), of k samples
    learning R ← max(R, r) at each change, N ← N + 1; M samples so far
    chance   (1 - N/M)^k ≤ exp(-kN/M), that it rests for k samples, if it changes as often as so far
    score    once N ≥ `changes`: r / R; where most samples are changes (N ≥ M/2) also
             threshold · min(r / (SURE R), kN / (M NATS)), if that is more: the threshold too, once
             r ≥ SURE R and the chance is exp(-NATS) or less

The longest rest of its own past is the scale, and how often it changes: a noisy sensor that freezes
is detected within seconds though it once rested for a few samples, a set point that never moved
raises nothing. A rest that was an alarm is not learnt. Missing samples are not a rest: held and
stale ones get no verdict, and a gap restarts the rest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from pipeline.kernel import kernel
from pipeline.models.shared.contract import GroupParameter, Site, cut, empty_scores, weights_sha256
from pipeline.models.shared.family import Family
from pipeline.models.shared.rules import Rule, setting
from schemas.columns import F8, I8, NO_VERDICT, U1, Grid, Quality, Scores
from schemas.mission import Level
from schemas.words import figure

SURE, NATS = 6.0, 20.7  # times the longest rest; e^-20.7 is one in a thousand million
_WATCH = np.uint8(Level.WATCH)
_OLD = np.uint8(Quality.HELD | Quality.STALE)
_GAP_BIT = np.uint8(Quality.AFTER_GAP)


@dataclass(frozen=True, slots=True)
class FlatRule(Rule):
    """Settings of the flat line for the parameters that match."""

    enabled: bool = True
    threshold: float = setting(20.0)  # times the longest rest so far
    changes: int = setting(100)  # that must have been seen before
    min_seconds: float = setting(30.0, unit="s")


class Weights(NamedTuple):
    """factor f8[f]: times the longest rest; least i8[f]: ns; changes i8[f]: needed beforehand."""

    factor: F8
    least: I8
    changes: I8


class Rest(NamedTuple):
    """last f8[f]; since i8[f] time of its last change; longest i8[f] ns; changes i8[f];
    samples i8[f]: seen so far; still i8[f]: since the last change."""

    last: F8
    since: I8
    longest: I8
    changes: I8
    samples: I8
    still: I8


class Flat(Family):
    """Flat line of one group; WATCH at most, since a constant value may be correct."""

    name, version = "flat", 2
    Rule, theta = FlatRule, "threshold"
    sees = "a value that used to change and no longer does"
    example: ClassVar = {"changes": 5, "threshold": 2.0, "min_seconds": 2.0}
    evidence_schema: ClassVar = {
        "unchanged_s": {"type": "number", "description": "flat: since its last change"},
        "longest_s": {
            "type": "number",
            "description": "flat: the longest rest between changes before",
        },
        "chance": {
            "type": "number",
            "description": "flat: of such a rest at most, if it changes as often as so far",
        },
    }

    def __init__(
        self, parameters: list[GroupParameter], period_ns: int, rules: list[FlatRule]
    ) -> None:
        del period_ns  # it counts in time, not in rows
        f = len(parameters)
        self._weights = Weights(
            factor=np.array([r.threshold for r in rules]),
            least=np.array([round(r.min_seconds * 1e9) for r in rules], np.int64),
            changes=np.array([max(r.changes, 2) for r in rules], np.int64),
        )
        self.min_samples = np.ones(f, np.int64)  # a rest is persistence by itself
        self.min_ns = np.zeros(f, np.int64)
        self.leave_samples = self.min_samples
        self.weights_sha256 = [weights_sha256(self.name, self.version, r) for r in rules]
        self._rest = Rest(np.full(f, np.nan), *(np.zeros(f, np.int64) for _ in range(5)))
        self.state = self._rest._asdict()
        self._scores = empty_scores(0, f, 3)

    def feed(self, grid: Grid) -> Scores:
        """Scores of each row; views on buffers that the next feed overwrites."""
        n = len(grid.time_ns)
        if n > len(self._scores.enter):
            self._scores = empty_scores(n, grid.value.shape[1], 3)
        rest(grid.time_ns, grid.value, grid.quality, self._weights, self._rest, self._scores)
        return cut(self._scores, n)

    def site(self) -> Site:
        out = empty_scores(0, 0, 3)
        none = np.zeros(0, np.int64)
        return rest, (none, out.score, out.enter, self._weights, self._rest, out)

    def threshold(self, parameter: int) -> float:
        return float(self._weights.factor[parameter])

    def evidence(self, parameter: int, detail: np.ndarray[Any, Any]) -> dict[str, Any]:  # noqa: ARG002
        return {
            "unchanged_s": float(detail[0]), "longest_s": float(detail[1]),
            "chance": math.exp(-float(detail[2])),
        }  # fmt: skip

    @staticmethod
    def sentence(alert: dict[str, Any], seen: str, unit: str) -> str:  # noqa: ARG004
        rest = f"has not changed for {figure(alert.get('unchanged_s'))} s"
        longest, chance = figure(alert.get("longest_s")), figure(alert.get("chance"))
        return f"{seen} and {rest}; its longest rest before was {longest} s (chance {chance})"


@kernel
def rest(time: I8, value: F8, quality: U1, w: Weights, r: Rest, out: Scores) -> None:
    """Sequential in rows, branch-free across parameters."""
    for i in range(len(value)):
        t = time[i]
        for j in range(len(w.factor)):
            x, past, begun = value[i, j], r.last[j], r.since[j]
            most, n = r.longest[j], r.changes[j]
            news = (x == x) & ((quality[i, j] & _OLD) == 0)
            anew = ((quality[i, j] & _GAP_BIT) != 0) | (past != past)
            changed = news & (anew | (x != past))
            lasted, still = t - begun, r.still[j] + 1
            long = np.float64(lasted) / np.float64(max(most, 1))
            nats = np.float64(still * n) / np.float64(max(r.samples[j], 1))
            lively = 2 * n >= r.samples[j]
            z = max(long, w.factor[j] * min(long / SURE, nats / NATS)) if lively else long
            armed = n >= w.changes[j]
            quiet = armed & (z >= w.factor[j]) & (lasted >= w.least[j])
            word = _WATCH if quiet & (not changed) else np.uint8(0)
            said = word if news & (armed | changed) else NO_VERDICT
            out.enter[i, j] = said
            out.predicted[i, j] = np.nan  # it expects a change, no value
            out.score[i, j] = z if news & armed & (not changed) else np.nan
            out.detail[i, 0, j] = np.float64(lasted) * 1e-9
            out.detail[i, 1, j] = np.float64(most) * 1e-9
            out.detail[i, 2, j] = nats
            learnt = changed & (not anew)
            r.longest[j] = max(most, lasted) if learnt & (not quiet) else most
            r.changes[j] = n + 1 if learnt else n
            r.since[j] = t if changed else begun
            r.samples[j] += 1 if news & (not anew) else 0
            r.still[j] = 0 if changed else still if news else still - 1
            r.last[j] = x if news else past
