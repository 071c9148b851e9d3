"""Remaining life: how long a part has left, told by earlier lives that ended in failure.

    z      (x - μ_r) / σ_r                   in operating condition r (`context`), clipped at CLIP
    m      mean of z over the last SHORT, and over the last LONG, of a life (exponential weights)
    index  Σ_j (a_j m_short,j + b_j m_long,j - c_j)       0 of a new part, 1 of one that fails
    past   mean of the index over the last SHORT of a life
    left   mean of what the nearest lives had left where their (index, past) stood nearest to these
    90 %   left + the errors of such forecasts on lives that were left out (conformal)

The index is linear, so its weights can be read (`heartline models show`), and each sensor's part in
it is its own sum. Nearest lives: similarity-based prognostics (Wang, Yu, Siegel and Lee 2008).
The interval: split conformal prediction (Vovk, Gammerman and Shafer 2005), by how much is left.
Weights come from `models.shared.lives`; in flight nothing is learnt but the means of this part.

It is one model of all parameters that it is trained on, and speaks on the one with the largest part
in the index. A row in which one of them is not heard is not judged, nor is one in a condition that
no earlier life was in. A gap does not heal a part: the means go on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, ClassVar

import numpy as np

from pipeline.kernel import kernel
from pipeline.models.shared.contract import GroupParameter, cut, empty_scores, weights_sha256
from pipeline.models.shared.family import LEAD, PAIR, Family
from pipeline.models.shared.lives import (
    COVERAGE,
    Condition,
    Lives,
    Worn,
    empty_condition,
    empty_lives,
    empty_worn,
    foretell,
    known_lives,
    largest,
    remember,
    standing,
)
from pipeline.models.shared.rules import Rule, setting
from pipeline.timeline.after_gap import UNHEARD
from schemas.artefact import Part
from schemas.columns import F8, NO_VERDICT, U1, Grid, Scores
from schemas.mission import Level
from schemas.settings import MAX_SECONDS
from schemas.words import figure

TOLD = 5  # lives and sensors that an alert names
PERSISTS = 3  # rows
_WATCH, _WARNING = np.uint8(Level.WATCH), np.uint8(Level.WARNING)
_INDEX, _LEFT, _LOW, _HIGH, _LIVES = range(5)
_DETAILS = _LIVES + 1 + 4 * TOLD


@dataclass(frozen=True, slots=True)
class RemainingLifeRule(Rule):
    """Settings of remaining life, which comes trained on lives to failure or not at all
    (docs/remaining-life.md)."""

    horizon_s: float = setting(0.0, 0, MAX_SECONDS, "s")  # a part with less left is told
    foresight_s: float = setting(0.0, 0, MAX_SECONDS, "s")  # more is not told apart; 0: by training
    unit: str = "s"  # in which a life is counted: flights, cycles, h
    unit_s: float = setting(1.0, 1e-9, MAX_SECONDS, "s")
    context: tuple[str, ...] = ()  # patterns of parameters that say under what condition it runs

    def mistake(self) -> tuple[str, str] | None:
        if self.horizon_s > 0:
            return None
        return "horizon_s", "horizon_s must be given: a part with less life left raises an alert."


class RemainingLife(Family):
    """Remaining life of one part. WATCH where it is expected to end within `horizon_s`, WARNING
    where the whole interval is within it."""

    name, version = "remaining_life", 1
    Rule, theta = RemainingLifeRule, "horizon_s"
    trained_alone, to_failure = True, True
    ahead = "horizon_s"
    shared = frozenset(("library", "step", "pace", "quality", "edge", "low", "high"))
    sees = "a part that wears as earlier ones did, and when it will fail"
    example: ClassVar = {"horizon_s": 120.0}
    evidence_schema: ClassVar = {
        "lead_s": LEAD,
        "remaining": {"type": ["number", "null"],
                      "description": "remaining_life: what is left, in its unit"},
        "remaining_interval": PAIR | {"description": "remaining_life: that holds what is left, "
                                                     "by `coverage`; null where it is as long as "
                                                     "is told apart, or longer"},
        "coverage": {"type": "number"},
        "life_unit": {"type": "string"},
        "health_index": {"type": ["number", "null"],
                         "description": "remaining_life: 0 as new, 1 as at failure"},
        "lives": {"type": "array", "description": "remaining_life: the earlier ones that it "
                                                  "resembles most, and what they had left",
                  "items": {"type": "object"}},
        "lives_used": {"type": "integer"},
        "sensors": {"type": "array", "description": "remaining_life: with the largest parts in "
                                                    "the index, which is the sum of all parts",
                    "items": {"type": "object"}},
    }  # fmt: skip

    def __init__(
        self, parameters: list[GroupParameter], period_ns: int, rules: list[RemainingLifeRule]
    ) -> None:
        f, self._rule, self._period_ns = len(parameters), rules[0], period_ns
        self._names = [p.name for p in parameters]
        self._context = np.array(
            [any(fnmatchcase(n, p) for p in self._rule.context) for n in self._names]
        )
        self.min_samples = np.full(f, PERSISTS, np.int64)
        self.min_ns = np.zeros(f, np.int64)
        self.leave_samples = np.full(f, PERSISTS, np.int64)
        self.weights_sha256 = [weights_sha256(self.name, self.version, r) for r in rules]
        self._condition, self._lives = empty_condition(f), empty_lives(f)
        self._worn = empty_worn(f)
        self._of_lives: tuple[str, ...] = ()
        self.state = self._condition._asdict() | self._lives._asdict() | self._worn._asdict()
        self.bounds = {"lead": (0, f - 1), "rows": (0, 2**62)}
        self._horizon = self._rule.horizon_s * 1e9 / period_ns  # rows
        self._near, self._room = np.empty((2, len(self._lives.step))), np.empty(f)
        self._scores = empty_scores(0, f, _DETAILS)

    def learn_all(self, flights: Sequence[Grid]) -> None:
        """Lives to failure, each one recording. ValueError where they are too few or too many."""
        if self._context.all():
            raise ValueError("context names every parameter, and none is left to judge by")
        foresight = self._rule.foresight_s * 1e9 / self._period_ns
        condition, lives = known_lives(flights, self._context, self._period_ns, foresight)
        for name, array in (condition._asdict() | lives._asdict()).items():
            np.copyto(self.state[name], array)

    def named(self, flights: Sequence[str]) -> None:
        # a flight that `import` wrote has the name of its folder
        self._of_lives = tuple(name.removesuffix("/packets.bin") for name in flights)

    def nominal(self, grid: Grid) -> Grid:
        """The rows of a life whose end is farther away than is told apart."""
        heard = ((grid.quality & UNHEARD) == 0).any(axis=1)
        if not heard.any():
            return grid
        end = grid.time_ns[heard][-1] - self._lives.cap[0] * self._period_ns
        return grid.part(0, int(np.searchsorted(grid.time_ns, end)))

    @staticmethod
    def knows(part: Part) -> Iterator[str]:
        w, rule = part.weights, part.settings
        unit = float(w["period"][0]) / 1e9 / rule["unit_s"]
        error, width, cap = (float(x * unit) for x in (*w["quality"], *w["cap"]))
        lives, conditions = (w["step"] > 0).sum(), (w["scale"] > 0).any(axis=1).sum()
        yield (
            f"{lives} lives to failure in {conditions} operating conditions; up to "
            f"{figure(cap)} {rule['unit']} left are told apart"
        )
        yield (
            f"each life left out, told by others: off by {error:.3g} {rule['unit']} (root mean "
            f"square), {COVERAGE:.0%} interval {width:.3g} wide"
        )
        yield "in the index of health, parts of the means over a short and a long memory:"
        weight = w["weight"]
        for j in np.argsort(-np.abs(weight).sum(axis=0), kind="stable"):
            if weight[:, j].any():
                name = part.parameters[j].rsplit("/", 1)[1]
                yield f"  {name}: {weight[0, j]:+.3f} and {weight[1, j]:+.3f} a standard deviation"

    def feed(self, grid: Grid) -> Scores:
        """Scores of each row, `score` the horizon over what is left; views on buffers that the next
        feed overwrites."""
        n = len(grid.time_ns)
        if n > len(self._scores.enter):
            self._scores = empty_scores(n, grid.value.shape[1], _DETAILS)
        judge(
            grid.value, grid.quality, self._condition, self._lives, self._worn, self._horizon,
            self._near, self._room, self._scores,
        )  # fmt: skip
        return cut(self._scores, n)

    def evidence(self, parameter: int, detail: np.ndarray[Any, Any]) -> dict[str, Any]:  # noqa: ARG002
        told, unit = detail.tolist(), self._period_ns / 1e9 / self._rule.unit_s
        cap = self._lives.cap[0]
        lives = zip(told[_LIVES + 1 :: 4], told[_LIVES + 2 :: 4], strict=True)
        sensors = zip(told[_LIVES + 3 :: 4], told[_LIVES + 4 :: 4], strict=True)
        high = told[_HIGH]
        return {
            "lead_s": told[_LEFT] * self._period_ns / 1e9,
            "remaining": told[_LEFT] * unit,
            "remaining_interval": [told[_LOW] * unit, None if high >= cap else high * unit],
            "coverage": COVERAGE, "life_unit": self._rule.unit, "health_index": told[_INDEX],
            "lives": [
                {"life": self._life(int(i)), "had_left": left * unit}
                for i, left in lives
                if i >= 0
            ],
            "lives_used": int(told[_LIVES]),
            "sensors": [{"name": self._names[int(j)], "part": p} for j, p in sensors if j >= 0],
        }  # fmt: skip

    def _life(self, i: int) -> str:
        return self._of_lives[i] if i < len(self._of_lives) else f"life {i + 1}"

    @staticmethod
    def confidence(score: float) -> float:  # noqa: ARG004
        """The interval's coverage, whatever is left."""
        return COVERAGE

    @staticmethod
    def sentence(alert: dict[str, Any], seen: str, unit: str) -> str:
        if "remaining" not in alert:
            return Family.sentence(alert, seen, unit)
        low, high = alert["remaining_interval"]
        most = "or more" if high is None else f"to {high:.3g}"
        lives = ", ".join(f"{x['life']} had {x['had_left']:.3g}" for x in alert["lives"])
        sensors = ", ".join(f"{x['name']} {x['part']:+.2f}" for x in alert["sensors"])
        return (
            f"{alert['remaining']:.3g} {alert['life_unit']} left ({alert['coverage']:.0%}: "
            f"{low:.3g} {most}), as the nearest {alert['lives_used']} earlier lives had ({lives}); "
            f"health index {alert['health_index']:.2f} (0 new, 1 failed), of it {sensors}"
        )


@kernel
def judge(
    value: F8,
    quality: U1,
    condition: Condition,
    lives: Lives,
    worn: Worn,
    horizon: float,
    near: F8,
    room: F8,
    out: Scores,
) -> None:
    """near f8[2, lives], room f8[f]: to work in."""
    lead = lives.lead[0]
    for i in range(len(value)):
        for j in range(value.shape[1]):
            out.enter[i, j], out.score[i, j], out.predicted[i, j] = NO_VERDICT, np.nan, np.nan
            for d in range(out.detail.shape[1]):
                out.detail[i, d, j] = np.nan
        if not remember(value[i], quality[i], condition, lives.pace, worn):
            continue
        index = standing(lives, worn, room)
        left, n = foretell(index, worn.past[0], lives, near)
        if n == 0:
            continue
        place = np.searchsorted(lives.edge, left)
        low = min(max(left + lives.low[place], 0.0), lives.cap[0])
        high = min(max(left + lives.high[place], 0.0), lives.cap[0])
        mild = _WATCH if left <= horizon else np.uint8(0)
        out.enter[i, lead] = _WARNING if high <= horizon else mild
        out.score[i, lead] = horizon / max(left, 1.0)
        detail = out.detail[i]
        detail[_INDEX, lead], detail[_LEFT, lead], detail[_LIVES, lead] = index, left, float(n)
        detail[_LOW, lead], detail[_HIGH, lead] = low, high
        for k in range(TOLD):
            best = -1
            for m in range(near.shape[1]):
                if near[0, m] == near[0, m] and (best < 0 or near[0, m] < near[0, best]):
                    best = m
            most = largest(room)
            at = _LIVES + 1 + 4 * k
            if best >= 0 and k < n:
                detail[at, lead], detail[at + 1, lead] = float(best), near[1, best]
                near[0, best] = np.nan
            else:
                detail[at, lead] = -1.0
            detail[at + 2, lead] = float(most)
            if most >= 0:
                detail[at + 3, lead] = room[most]
                room[most] = np.nan
