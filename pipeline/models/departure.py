"""Departure: how far a value is from the mean of its last rows (`models.shared.record`).

    feature  x - mean of the last ROWS rows, x among them

A spike, a dip or a step in what wanders slowly, long before it is a value that has never been. It
does not see what changes more slowly than its window.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.kernel import kernel
from pipeline.models.shared.record import Feature, RecordModel
from pipeline.models.shared.window import ROWS, mean_of, take
from schemas.columns import F8, I8, U1, Grid


class Departure(RecordModel):
    family, version = "departure", 2
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
            if not take(x, quality[i, j], j, ring, held):
                continue
            if held[j] < ROWS:
                continue
            predicted[i, j] = mean_of(ring[j])
            features[i, 0, j] = x - predicted[i, j]
