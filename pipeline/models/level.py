"""Level: the value itself, against its record (`models.shared.record`).

It detects a value that the parameter never had before, years before it crosses a limit that was set
for all missions. It does not detect a familiar value at the wrong time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.kernel import kernel
from pipeline.models.shared.record import Feature, RecordModel, heard
from pipeline.models.shared.rules import RecordRule
from schemas.columns import F8, U1, Grid


@dataclass(frozen=True, slots=True)
class LevelRule(RecordRule):
    """Settings of the level's record for the parameters that match."""


class LevelModel(RecordModel):
    name, version = "level", 2
    Rule = LevelRule
    sees = "a value where it has never been"
    suits = ("spacecraft", "metrics")
    features = (Feature("value", below=True),)

    def extract(self, grid: Grid, features: F8, predicted: F8) -> None:  # noqa: ARG002
        levels(grid.value, grid.quality, features)


@kernel
def levels(value: F8, quality: U1, features: F8) -> None:
    for i in range(len(value)):
        for j in range(value.shape[1]):
            x = value[i, j]
            features[i, 0, j] = x if heard(x, quality[i, j]) else np.nan
