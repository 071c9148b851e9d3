"""Voting: which of several sensors of one quantity deviates from the others.

    mid    the median of the valid values; of four or of two, the mean of the two middle ones
    off    x_j - mid
    bias   b ← b + α (off - b)         drift  r ← r + α (Δb/Δt - r)

Mid-value select, as the Shuttle's computers chose among their sensors (Sklaroff 1976): with three
or more sensors, one that is wrong by any amount hardly moves the vote. With two, it is only known
that they differ, and by how much.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from pipeline.kernel import kernel
from pipeline.models.shared.contract import GroupParameter, cut, empty_scores, weights_sha256
from pipeline.models.shared.family import Family
from pipeline.models.shared.median import median, place
from pipeline.models.shared.record import heard
from pipeline.models.shared.rules import MAX_ROWS, Rule, setting
from pipeline.models.shared.sets import sets_of
from schemas.columns import F8, I8, NO_VERDICT, U1, Grid, Scores
from schemas.mission import Level
from schemas.words import figure

_WATCH, _WARNING = np.uint8(Level.WATCH), np.uint8(Level.WARNING)
_OFF, _MEMBERS, _BIAS, _DRIFT, _VOTE, _DETAILS = range(6)


@dataclass(frozen=True, slots=True)
class VotingRule(Rule):
    """Settings of redundant sensors: those that match measure one quantity."""

    tolerance: float = setting(
        0.0, 0, 1e15, need="by how much sensors of one quantity may differ"
    )  # engineering units
    min_samples: int = setting(3, 1, MAX_ROWS, "rows")  # persistence
    min_seconds: float = setting(0.0, unit="s")
    memory_s: float = setting(60.0, unit="s")  # of a sensor's bias and drift
    across: bool = False  # cross-container, judged on every tick


class Weights(NamedTuple):
    """sets i8[n, longest] members of each set, -1 where there are fewer; tolerance, alpha f8[f]; hz
    rows a second."""

    sets: I8
    tolerance: F8
    alpha: F8
    hz: float


class Off(NamedTuple):
    """f8[f] each: mean offset of a sensor, and the rate per second at which it grows."""

    bias: F8
    drift: F8


class Voting(Family):
    """WARNING where one of three or more is off by more than the tolerance, WATCH on both of two
    that differ by more. ValueError where a rule's set is of one parameter, or of too many."""

    name, version = "voting", 2
    Rule, theta = VotingRule, "tolerance"
    sees = "which of several sensors of one quantity has left the others"
    example: ClassVar = {"tolerance": 0.5, "min_samples": 2}
    evidence_schema: ClassVar = {
        "vote": {"type": "number", "description": "voting: the middle of what the sensors say"},
        "off": {"type": "number", "description": "voting: from the vote"},
        "members": {"type": "integer", "description": "voting: sensors that were heard"},
        "tolerance": {"type": "number", "description": "voting: by how much sensors may differ"},
        "bias": {"type": ["number", "null"], "description": "voting: mean of off"},
        "drift_per_s": {
            "type": ["number", "null"],
            "description": "voting: at which the bias grows",
        },
    }

    def __init__(
        self, parameters: list[GroupParameter], period_ns: int, rules: list[VotingRule]
    ) -> None:
        f, period = len(parameters), period_ns / 1e9
        if any(r.tolerance <= 0 for r in rules):
            raise ValueError("tolerance must be given: by how much the sensors may differ")
        self._weights = Weights(
            sets_of(rules),
            tolerance=np.array([r.tolerance for r in rules]),
            alpha=np.array([min(1.0, period / r.memory_s) for r in rules]),
            hz=1.0 / period,
        )
        self.min_samples = np.array([r.min_samples for r in rules], np.int64)
        self.min_ns = np.array([round(r.min_seconds * 1e9) for r in rules], np.int64)
        self.leave_samples = self.min_samples
        self.weights_sha256 = [weights_sha256(self.name, self.version, r) for r in rules]
        self._off = Off(np.zeros(f), np.zeros(f))
        self.state = self._off._asdict()
        self._scores = empty_scores(0, f, _DETAILS)
        self._room = np.empty(self._weights.sets.shape[1])

    def feed(self, grid: Grid) -> Scores:
        """Scores of each row; views on buffers overwritten by the next."""
        n, f = grid.value.shape
        if n > len(self._scores.enter):
            self._scores = empty_scores(n, f, _DETAILS)
            self._scores.predicted[:] = np.nan  # a vote uses the row itself
        vote(grid.value, grid.quality, self._weights, self._off, self._room, self._scores)
        return cut(self._scores, n)

    def evidence(self, parameter: int, detail: np.ndarray[Any, Any]) -> dict[str, Any]:
        off, members, bias, drift, vote = detail.tolist()
        tolerance = float(self._weights.tolerance[parameter])
        return {
            "vote": vote, "off": off, "members": int(members), "tolerance": tolerance,
            "bias": bias, "drift_per_s": drift,
        }  # fmt: skip

    @staticmethod
    def sentence(alert: dict[str, Any], seen: str, unit: str) -> str:
        if "vote" not in alert:
            return Family.sentence(alert, seen, unit)
        vote = f"the {alert['members']} sensors of it vote {figure(alert['vote'])}{unit}"
        off = f"off by {abs(alert['off']):g}" if alert["members"] > 2 else "they differ by more"
        return f"{seen} where {vote}: {off}, {alert['tolerance']:g} is allowed"


@kernel
def vote(value: F8, quality: U1, w: Weights, o: Off, room: F8, out: Scores) -> None:
    """room f8[longest]: to work in."""
    sets, score, detail = w.sets, out.score, out.detail
    for i in range(len(value)):
        for j in range(value.shape[1]):
            out.enter[i, j], score[i, j] = NO_VERDICT, np.nan
            for d in range(_DETAILS):
                detail[i, d, j] = np.nan
        for s in range(len(sets)):
            n = 0
            for a in range(sets.shape[1]):
                j = sets[s, a]
                if j >= 0 and heard(value[i, j], quality[i, j]):
                    place(value[i, j], n, room)
                    n += 1
            if n < 2:
                continue
            mid = median(n, room)
            spread = room[1] - room[0]
            for a in range(sets.shape[1]):
                j = sets[s, a]
                if j < 0 or not heard(value[i, j], quality[i, j]):
                    continue
                off, before = value[i, j] - mid, o.bias[j]
                o.bias[j] += w.alpha[j] * (off - before)
                o.drift[j] += w.alpha[j] * ((o.bias[j] - before) * w.hz - o.drift[j])
                score[i, j] = (abs(off) if n > 2 else spread) / w.tolerance[j]
                word = _WARNING if n > 2 else _WATCH
                out.enter[i, j] = word if score[i, j] > 1.0 else np.uint8(0)
                detail[i, _VOTE, j] = mid
                detail[i, _OFF, j], detail[i, _MEMBERS, j] = off, n
                detail[i, _BIAS, j], detail[i, _DRIFT, j] = o.bias[j], o.drift[j]
