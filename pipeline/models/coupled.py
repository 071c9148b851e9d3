"""Coupled: what a parameter should be, given the others of its set (`models.shared.record`).

    d_j      (x_j - μ_j) / S_j
    expected of j, of the others:  μ_j - S_j · Σ_b≠j Λ_jb d_b / Λ_jj,   Λ = (C + RIDGE · I)^-1
    learning μ ← μ + α (x - μ),  C ← (1 - α)(C + α d dᵀ),   α = max(1/rows, 1/memory)

S is a parameter's extent (`models.shared.extent`); for j, the extent before the row. The difference
between a value and its conditional mean is that parameter's own part in Hotelling's T² (Mason,
Tracy and Young 1995): the alert names a parameter, not merely that something deviates. In a small
set it affects the others too. A row is judged if the whole set has valid samples. Only linear
relations are detected, and no margin is below the ridge's noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from pipeline.kernel import kernel, part
from pipeline.models.shared.contract import GroupParameter
from pipeline.models.shared.extent import Extents, reach, stretch
from pipeline.models.shared.record import HUGE, ExtentModel, Feature, heard
from pipeline.models.shared.rules import MAX_ROWS, RecordRule, setting
from pipeline.models.shared.sets import sets_of
from schemas.columns import F8, I8, U1, Grid

RIDGE = 1e-4  # noise of a hundredth of the extent is always assumed
REFRESH = 32  # rows from one inverse to the next
WARM = 100
WIDE = 4.0  # extents: larger deviations are clipped


@dataclass(frozen=True, slots=True)
class CoupledRule(RecordRule):
    """Settings of a subsystem: the parameters that match are told of by each other."""

    memory: float = setting(5000.0, 10, MAX_ROWS, "rows")  # two thirds of a relation are forgotten
    across: bool = False  # cross-container, judged on every tick


class Relations(NamedTuple):
    """mean f8[f]; spread, inverse f8[n, most, most] of each set; rows i8[n]."""

    mean: F8
    spread: F8
    inverse: F8
    rows: I8


class Coupled(ExtentModel):
    """ValueError where a rule's set is of one parameter, or of too many."""

    name, version = "coupled", 4
    Rule = CoupledRule
    sees = "a value that the others of its subsystem contradict"
    example: ClassVar = {"memory": 200.0}
    features = (Feature("difference from what the others say", below=True, share=RIDGE**0.5),)

    def __init__(
        self, parameters: list[GroupParameter], period_ns: int, rules: list[CoupledRule]
    ) -> None:
        super().__init__(parameters, period_ns, list(rules))
        self._sets = sets_of(rules)
        n, most = self._sets.shape
        self._alpha = np.array([1.0 / rules[s[0]].memory for s in self._sets])
        self._relations = Relations(
            np.zeros(len(parameters)),
            np.zeros((n, most, most)),
            np.zeros((n, most, most)),
            np.zeros(n, np.int64),
        )
        self.state |= self._relations._asdict()
        self._room = np.empty((4, most))

    def extract(self, grid: Grid, features: F8, predicted: F8) -> None:
        relations(
            grid.value, grid.quality, self._sets, self._alpha, self._relations, self._extents,
            self._room, self._extent, features, predicted,
        )  # fmt: skip


@kernel
def relations(
    value: F8,
    quality: U1,
    sets: I8,
    alpha: F8,
    r: Relations,
    extents: Extents,
    room: F8,
    extent: F8,
    features: F8,
    predicted: F8,
) -> None:
    """room f8[4, longest]: to work in."""
    for i in range(len(value)):
        features[i, 0, :] = np.nan
        for s in range(len(sets)):
            n, all_heard = 0, True
            while n < sets.shape[1] and sets[s, n] >= 0:
                j = sets[s, n]
                all_heard &= heard(value[i, j], quality[i, j])
                n += 1
            if not all_heard:
                continue
            for a in range(n):
                j = sets[s, a]
                least, most = reach(j, extents)
                room[3, a] = extent[i, j] = most - least if most > least else 0.0
                least, most = stretch(value[i, j], j, extents)
                room[1, a] = most - least
                d = (value[i, j] - r.mean[j]) / room[1, a] if most > least else 0.0
                room[0, a] = min(max(d, -WIDE), WIDE)
            if r.rows[s] >= WARM:
                for a in range(n):
                    total, j = 0.0, sets[s, a]
                    for b in range(n):
                        total += r.inverse[s, a, b] * room[0, b] if b != a else 0.0
                    expected = r.mean[j] - room[3, a] * total / r.inverse[s, a, a]
                    if abs(value[i, j] - expected) < HUGE:
                        predicted[i, j], features[i, 0, j] = expected, value[i, j] - expected
            r.rows[s] += 1
            share = max(1.0 / max(r.rows[s], 1), alpha[s])
            for a in range(n):
                j = sets[s, a]
                r.mean[j] += share * (value[i, j] - r.mean[j])
                for b in range(n):
                    learnt = r.spread[s, a, b] + share * room[0, a] * room[0, b]
                    r.spread[s, a, b] = (1.0 - share) * learnt
            if r.rows[s] >= WARM and r.rows[s] % REFRESH == WARM % REFRESH:
                _invert(n, r.spread[s], r.inverse[s], room[2])


@part
def _invert(n: int, spread: F8, inverse: F8, room: F8) -> None:
    """Gauss and Jordan, in place; with the ridge on it the matrix is positive definite."""
    for a in range(n):
        for b in range(n):
            inverse[a, b] = spread[a, b]
        inverse[a, a] += RIDGE
    for p in range(n):
        pivot = 1.0 / inverse[p, p]
        for b in range(n):
            room[b] = inverse[p, b] * pivot
        room[p] = pivot
        for a in range(n):
            if a == p:
                continue
            factor = inverse[a, p]
            inverse[a, p] = 0.0
            for b in range(n):
                inverse[a, b] -= factor * room[b]
        for b in range(n):
            inverse[p, b] = room[b]
