"""Activity: where a parameter lingers and how lively it is (`models.shared.record`).

    features m
             ½ log(v + (FLOOR · S)²)

m and v are mean and variance of the last ROWS rows, S the parameter's extent
(`models.shared.extent`). They reveal a sensor that stays for long where it used to pass, one that
becomes quiet, one that begins to shake. FLOOR prevents a record each time the noise of a value that
hardly moves is halved; a mean that moves by less than FLOOR · S is no record either.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.kernel import kernel
from pipeline.models.shared.extent import Extents, stretch
from pipeline.models.shared.record import TENTH, ExtentModel, Feature
from pipeline.models.shared.rules import RecordRule
from pipeline.models.shared.window import ROWS, Rolling, roll, take
from schemas.columns import F8, I8, U1, Grid

FLOOR = 5e-4  # of the extent
_MEAN, _LIVELY = range(2)


@dataclass(frozen=True, slots=True)
class ActivityRule(RecordRule):
    """Settings of the record of activity for the parameters that match."""


class Activity(ExtentModel):
    name, version = "activity", 4
    Rule = ActivityRule
    sees = "where it lingers and how lively it is, over 64 rows"
    suits = ("spacecraft",)
    features = (
        Feature("64-row mean", below=True, share=FLOOR),
        Feature("log of the 64-row standard deviation", below=True, least=TENTH),
    )

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        f = len(self.min_ns)
        self._sums = Rolling(np.zeros(f), np.zeros(f), np.zeros(f))
        self.state |= {
            "ring": np.zeros((f, ROWS)),
            "held": np.zeros(f, np.int64),
            **self._sums._asdict(),
        }

    def extract(self, grid: Grid, features: F8, predicted: F8) -> None:  # noqa: ARG002
        s = self.state
        activity(
            grid.value, grid.quality, s["ring"], s["held"], self._sums, self._extents,
            self._extent, features,
        )  # fmt: skip


@kernel
def activity(
    value: F8,
    quality: U1,
    ring: F8,
    held: I8,
    sums: Rolling,
    extents: Extents,
    extent: F8,
    features: F8,
) -> None:
    for i in range(len(value)):
        for j in range(value.shape[1]):
            features[i, _MEAN, j] = features[i, _LIVELY, j] = np.nan
            x = value[i, j]
            before = ring[j, held[j] % ROWS]
            if not take(x, quality[i, j], j, ring, held):
                continue
            least, most = stretch(x, j, extents)
            if held[j] < ROWS:
                continue
            mean, variance = roll(before, j, ring, held, sums)
            if not most > least:
                continue
            extent[i, j] = most - least
            floor = FLOOR * (most - least)
            features[i, _MEAN, j] = mean
            features[i, _LIVELY, j] = 0.5 * np.log(variance + floor * floor)
