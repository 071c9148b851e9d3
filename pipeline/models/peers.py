"""Peers: which of several like parts under one load wears as the others do not.

    y_j     log x_j                                 growth is a share of the part's own level
    now_j   mean of y_j over about `short` rows (exponential)
    own_j   mean of y_j over `memory` rows, after the first `settle` rows (run-in)
    ahead_j (now_j - own_j) - median of the others' (now_k - own_k)
    level   WATCH where ahead_j > tolerance, WARNING from WARN times that on

What all of them do, the load does: speed, temperature, flow. What one does alone, the part does. A
fault that shakes its neighbours is largest where it is. Comparing a machine with its like is old
practice of condition monitoring (ISO 17359:2018, 8: comparison with similar machines).

Each part's own level is learnt once and then stands, so that slow wear is not taken for normal.
`settle` begins anew with a worker that has no state of it, not after a gap.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from pipeline.kernel import kernel, part
from pipeline.models.shared.contract import GroupParameter, cut, empty_scores, weights_sha256
from pipeline.models.shared.family import Family
from pipeline.models.shared.median import median_without, place
from pipeline.models.shared.record import heard
from pipeline.models.shared.rules import ABOVE_0, MAX_ROWS, Rule, setting
from pipeline.models.shared.sets import sets_of
from schemas.columns import F8, I8, NO_VERDICT, U1, Grid, Scores
from schemas.mission import Level
from schemas.words import figure

WARN = 3.0
LEAST = 3  # parts that are heard, of which one can be said to differ
NOTHING = 14.0  # in logarithms below its own level: a millionth of it, as zero is taken
_WATCH, _WARNING = np.uint8(Level.WATCH), np.uint8(Level.WARNING)
_GROWN, _OTHERS, _OWN, _PARTS, _DETAILS = range(5)


@dataclass(frozen=True, slots=True)
class PeersRule(Rule):
    """Settings of like parts: the parameters that match are of one kind, under one load, and above
    zero. Off by default: only people know which parts are alike."""

    tolerance: float = setting(0.05, ABOVE_0, 1e3)  # growth beyond the others', of its own level
    settle: int = setting(144, 0, MAX_ROWS, "rows")  # of run-in, which are not learnt
    memory: int = setting(144, 10, MAX_ROWS, "rows")  # over which its own level is learnt
    short: float = setting(36.0, 1, MAX_ROWS, "rows")
    min_samples: int = setting(12, 1, MAX_ROWS, "rows")  # persistence


class Weights(NamedTuple):
    """sets i8[n, longest], -1 where there are fewer; f8[f] each: tolerance, first, last (rows
    between which a part's own level is learnt), pace."""

    sets: I8
    tolerance: F8
    first: F8
    last: F8
    pace: F8


class Wear(NamedTuple):
    """f8[f] each: rows heard, own level, level now."""

    rows: F8
    own: F8
    now: F8


class Peers(Family):
    """Like parts of one group. ValueError where a rule's set is of one parameter, or too many."""

    name, version = "peers", 1
    Rule, theta = PeersRule, "tolerance"
    sees = "a part that wears as others of its kind do not"
    suits = ("like parts",)
    example: ClassVar = {"settle": 0, "memory": 20, "short": 3.0, "min_samples": 2}
    evidence_schema: ClassVar = {
        "grown": {"type": ["number", "null"], "description": "peers: of its own level"},
        "others_grown": {"type": ["number", "null"],
                         "description": "peers: median of the other parts"},
        "own_level": {"type": ["number", "null"],
                      "description": "peers: what it was when it was new here"},
        "parts": {"type": "integer", "description": "peers: that were compared"},
    }  # fmt: skip

    def __init__(
        self, parameters: list[GroupParameter], period_ns: int, rules: list[PeersRule]  # noqa: ARG002
    ) -> None:  # fmt: skip
        f = len(parameters)
        self._weights = Weights(
            sets=sets_of(rules),
            tolerance=np.array([r.tolerance for r in rules]),
            first=np.array([float(r.settle) for r in rules]),
            last=np.array([float(r.settle + r.memory) for r in rules]),
            pace=np.array([1.0 / r.short for r in rules]),
        )
        self.min_samples = np.array([r.min_samples for r in rules])
        self.min_ns = np.zeros(f, np.int64)
        self.leave_samples = self.min_samples
        self.weights_sha256 = [weights_sha256(self.name, self.version, r) for r in rules]
        self._wear = Wear(np.zeros(f), np.zeros(f), np.zeros(f))
        self.state = self._wear._asdict()
        self._room = np.empty((2, self._weights.sets.shape[1]))
        self._scores = empty_scores(0, f, _DETAILS)

    def feed(self, grid: Grid) -> Scores:
        """Scores of each row; views on buffers that the next feed overwrites."""
        n = len(grid.time_ns)
        if n > len(self._scores.enter):
            self._scores = empty_scores(n, grid.value.shape[1], _DETAILS)
        compare(grid.value, grid.quality, self._weights, self._wear, self._room, self._scores)
        return cut(self._scores, n)

    def evidence(self, parameter: int, detail: np.ndarray[Any, Any]) -> dict[str, Any]:  # noqa: ARG002
        grown, others, own, parts = detail.tolist()
        return {"grown": grown, "others_grown": others, "own_level": own, "parts": int(parts)}

    @staticmethod
    def sentence(alert: dict[str, Any], seen: str, unit: str) -> str:
        if "grown" not in alert:
            return Family.sentence(alert, seen, unit)
        grown, others = alert["grown"], alert["others_grown"]
        return (
            f"{seen}: {grown:+.1%} of its own {figure(alert['own_level'])}{unit} over the last "
            f"rows, where the others of {alert['parts']} like parts went {others:+.1%}"
        )


@kernel
def compare(value: F8, quality: U1, w: Weights, wear: Wear, room: F8, out: Scores) -> None:
    """room f8[2, longest]: growth of the parts that are heard, in order of size, and of each member
    of the set, NaN where it is not heard."""
    for i in range(len(value)):
        for j in range(value.shape[1]):
            out.enter[i, j], out.score[i, j], out.predicted[i, j] = NO_VERDICT, np.nan, np.nan
            for d in range(_DETAILS):
                out.detail[i, d, j] = np.nan
        for s in range(len(w.sets)):
            n = 0
            for m in range(w.sets.shape[1]):
                j = w.sets[s, m]
                room[1, m] = np.nan
                if j >= 0 and _grown(value[i, j], quality[i, j], j, w, wear):
                    room[1, m] = wear.now[j] - wear.own[j]
                    place(room[1, m], n, room[0])
                    n += 1
            for m in range(w.sets.shape[1] if n >= LEAST else 0):
                if room[1, m] == room[1, m]:
                    others = median_without(room[1, m], n, room[0])
                    _say(i, w.sets[s, m], room[1, m], others, n, w, wear, out)


@part
def _say(
    i: int, j: int, mine: float, others: float, n: int, w: Weights, wear: Wear, out: Scores
) -> None:
    """Judge one part by its growth and that of the others."""
    ahead = math.exp(mine - others) - 1.0
    out.score[i, j] = ahead / w.tolerance[j]
    mild = _WATCH if out.score[i, j] > 1.0 else np.uint8(0)
    out.enter[i, j] = _WARNING if out.score[i, j] > WARN else mild
    out.predicted[i, j] = math.exp(wear.own[j] + others)
    detail = out.detail[i]
    detail[_GROWN, j] = math.exp(mine) - 1.0
    detail[_OTHERS, j] = math.exp(others) - 1.0
    detail[_OWN, j], detail[_PARTS, j] = math.exp(wear.own[j]), float(n)


@part
def _grown(x: float, quality: int, j: int, w: Weights, wear: Wear) -> bool:
    """Take a value in; whether the part's own level was known before."""
    if not heard(x, quality):
        return False
    if wear.rows[j] >= w.last[j]:
        y = math.log(x) if x > 0.0 else -np.inf
        wear.now[j] += w.pace[j] * (max(y, wear.own[j] - NOTHING) - wear.now[j])
        return True
    if x > 0.0:
        wear.rows[j] += 1.0
        learnt = wear.rows[j] - w.first[j]
        if learnt > 0.0:
            y = math.log(x)
            wear.own[j] += (y - wear.own[j]) / learnt
            wear.now[j] += max(1.0 / learnt, w.pace[j]) * (y - wear.now[j])
    return False
