"""Departure: how far a value is from the mean of its last rows (`models.shared.record`).

    feature  x - mean of the ROWS rows before

It detects a spike, a dip or a step in a slowly wandering value, long before that value is one that
never occurred. It does not detect what changes more slowly than its window.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.kernel import kernel
from pipeline.models.shared.record import Feature, RecordModel
from pipeline.models.shared.rules import ABOVE_0, RecordRule, setting
from pipeline.models.shared.window import ROWS, hear, mean_of
from schemas.columns import F8, I8, U1, Grid


@dataclass(frozen=True, slots=True)
class DepartureRule(RecordRule):
    """Settings of the distance from the 64-row mean for the parameters that match."""

    margin: float = setting(0.5, ABOVE_0, 1e6)


class Departure(RecordModel):
    name, version = "departure", 3
    Rule = DepartureRule
    sees = "a spike, a dip or a step in what wanders slowly"
    suits = ("metrics",)
    features = (Feature("distance from its 64-row mean", below=True),)

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        f = len(self.min_ns)
        self.state |= {"ring": np.zeros((f, ROWS)), "held": np.zeros(f, np.int64)}

    def extract(self, grid: Grid, features: F8, predicted: F8) -> None:
        s = self.state
        departures(grid.value, grid.quality, s["ring"], s["held"], features, predicted)


@kernel
def departures(value: F8, quality: U1, ring: F8, held: I8, features: F8, predicted: F8) -> None:
    for i in range(len(value)):
        for j in range(value.shape[1]):
            features[i, 0, j] = np.nan
            x = value[i, j]
            if not hear(x, quality[i, j], j, held):
                continue
            if held[j] >= ROWS:
                predicted[i, j] = mean_of(ring[j])
                features[i, 0, j] = x - predicted[i, j]
            ring[j, held[j] % ROWS] = x
            held[j] += 1
