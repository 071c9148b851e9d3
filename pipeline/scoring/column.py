"""Runs the families that judge by records over one column of numbers, as a worker would."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.models.families import FAMILIES
from pipeline.models.shared.contract import GroupParameter
from pipeline.models.shared.family import Family
from schemas.columns import F8, NO_VERDICT, SECOND, Grid, Quality
from schemas.mission import IntegerEncoding, ParameterType

# Families that suit the data, each with its defaults. Spacecraft data have a long past in which
# much recurs; the metrics of NAB have a short one, with spikes.
SPACECRAFT = tuple(f for f in FAMILIES if "spacecraft" in f.suits)
METRICS = tuple(f for f in FAMILIES if "metrics" in f.suits)
GAP = 150  # two alarms with at most so many calm rows between them are one
_WHO = GroupParameter("telemetry", ParameterType("telemetry", "float", IntegerEncoding(16)), (), ())


def judged(
    value: F8, gap: int | None = None, families: Sequence[type[Family]] = SPACECRAFT
) -> tuple[NDArray[np.bool_], F8]:
    """(whether any family reports an anomaly, the largest excess in margins or 0), row by row.

    gap: the row that follows a gap. One configuration, the defaults, for every column.
    """
    column = value[:, None]
    quality = np.zeros(column.shape, np.uint8)
    if gap is not None:
        quality[gap] = Quality.AFTER_GAP
    time, none = np.arange(len(value)) * SECOND, np.zeros(0, np.int64)
    grid = Grid(time, time, column, quality, time, none, none, none)
    odd, excess = np.zeros(len(value), np.bool_), np.zeros(len(value))
    for family in families:
        scores = family([_WHO], SECOND, [family.Rule()]).feed(grid)
        enter, score = scores.enter[:, 0], scores.score[:, 0]
        odd |= (enter > 0) & (enter != NO_VERDICT)
        excess = np.maximum(excess, np.where(score > 0, score, 0.0))
    return odd, excess
