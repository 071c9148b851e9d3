"""Seasonal: what a parameter does at this time of its orbit or day (`models.shared.record`).

    place    b = ⌊BINS · (t mod period) / period⌋
    feature  x - p_b
    learning p_b ← p_b + 1/min(n_b, MOST) · (m - p_b)   once a turn, m the mean of its rows there

t is generation time and n_b the number of turns with rows in b: a seasonal-subseries mean that
forgets (Cleveland et al. 1990, 2). A familiar value at the wrong time stands out. There is no
verdict for a place without rows in TURNS turns before; some eight turns make a new profile.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from pipeline.kernel import kernel, part
from pipeline.models.shared.contract import GroupParameter
from pipeline.models.shared.record import Feature, RecordModel, heard
from pipeline.models.shared.rules import RecordRule, setting
from schemas.columns import F8, I8, U1, Grid

BINS = 64
TURNS = 2
MOST = 8  # turns that are counted
LEAST_ROWS = 4  # of a turn


@dataclass(frozen=True, slots=True)
class SeasonalRule(RecordRule):
    """Settings of the profile over an orbit or a day for the parameters that match."""

    period_s: float = setting(0.0, unit="s", need="how long one turn takes, an orbit or a day")


class Profile(NamedTuple):
    """profile f8[f, BINS]; turns u1[f, BINS]: number with rows in each bin; place i8[f]: the bin to
    which total f8[f] and rows i8[f] belong, -1 before the first row."""

    profile: F8
    turns: U1
    place: I8
    total: F8
    rows: I8


class Seasonal(RecordModel):
    """ValueError where a rule has no period."""

    name, version = "seasonal", 2
    Rule = SeasonalRule
    sees = "an old value at the wrong time of its orbit or day"
    example: ClassVar = {"period_s": 70.0}
    features = (Feature("difference from its profile", below=True),)

    def __init__(
        self, parameters: list[GroupParameter], period_ns: int, rules: list[SeasonalRule]
    ) -> None:
        super().__init__(parameters, period_ns, list(rules))
        f = len(parameters)
        self._turn_ns = np.array([round(r.period_s * 1e9) for r in rules], np.int64)
        if (self._turn_ns < LEAST_ROWS * period_ns).any():
            raise ValueError(
                f"period_s must be given, how long one turn takes: {LEAST_ROWS} rows or more"
            )
        self._profile = Profile(
            profile=np.zeros((f, BINS)),
            turns=np.zeros((f, BINS), np.uint8),
            place=np.full(f, -1, np.int64),
            total=np.zeros(f),
            rows=np.zeros(f, np.int64),
        )
        self.state |= self._profile._asdict()

    def extract(self, grid: Grid, features: F8, predicted: F8) -> None:
        seasons(
            grid.time_ns, grid.value, grid.quality, self._turn_ns, self._profile, features,
            predicted,
        )  # fmt: skip


@kernel
def seasons(
    time: I8,
    value: F8,
    quality: U1,
    turn: I8,
    p: Profile,
    features: F8,
    predicted: F8,
) -> None:
    for i in range(len(value)):
        for j in range(value.shape[1]):
            features[i, 0, j] = np.nan
            x = value[i, j]
            if not heard(x, quality[i, j]):
                continue
            now = min(int((time[i] % turn[j]) / turn[j] * BINS), BINS - 1)
            if now != p.place[j]:
                _close(j, p)
                p.place[j], p.total[j], p.rows[j] = now, 0.0, 0
            p.total[j] += x
            p.rows[j] += 1
            if p.turns[j, now] >= TURNS:
                predicted[i, j] = p.profile[j, now]
                features[i, 0, j] = x - p.profile[j, now]


@part
def _close(j: int, p: Profile) -> None:
    """A bin is over for this turn."""
    place, rows = p.place[j], p.rows[j]
    if (place < 0) | (place >= BINS) | (rows <= 0):
        return
    p.turns[j, place] = min(p.turns[j, place] + 1, MOST)
    p.profile[j, place] += (p.total[j] / rows - p.profile[j, place]) / p.turns[j, place]
