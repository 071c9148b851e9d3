"""Runs the families that judge by records over one column of numbers, as a worker would."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.models.families import FAMILIES
from pipeline.models.shared.contract import GroupParameter
from pipeline.models.shared.family import Family
from schemas.columns import F8, I8, NO_VERDICT, SECOND, Grid, Quality
from schemas.mission import IntegerEncoding, ParameterType

# Families that suit the data, each with its defaults. Spacecraft data have a long past in which
# much recurs; the metrics of NAB have a short one, with spikes.
SPACECRAFT = tuple(f for f in FAMILIES if "spacecraft" in f.suits)
METRICS = tuple(f for f in FAMILIES if "metrics" in f.suits)
GAP = 150  # two alarms with at most so many calm rows between them are one
_WHO = GroupParameter("telemetry", ParameterType("telemetry", "float", IntegerEncoding(16)), (), ())


def grid_of(value: F8, time_ns: I8 | None = None) -> Grid:
    """Rows of numbers f8[k, f], each heard; a second apart where no times are given."""
    row, none = np.arange(len(value)), np.zeros(0, np.int64)
    time = row * SECOND if time_ns is None else time_ns
    whole = np.ascontiguousarray(value)
    return Grid(time, row, whole, np.zeros(value.shape, np.uint8), row * 0, none, none, none)


def judged(
    value: F8, gap: int | None = None, families: Sequence[type[Family]] = SPACECRAFT
) -> tuple[NDArray[np.bool_], F8]:
    """(whether any family reports an anomaly, the largest excess in margins or 0), row by row.

    gap: the row that follows a gap. One configuration, the defaults, for every column.
    """
    grid = grid_of(value[:, None])
    if gap is not None:
        grid.quality[gap] = Quality.AFTER_GAP
    odd, excess = np.zeros(len(value), np.bool_), np.zeros(len(value))
    for family in families:
        scores = family([_WHO], SECOND, [family.Rule()]).feed(grid)
        enter, score = scores.enter[:, 0], scores.score[:, 0]
        odd |= (enter > 0) & (enter != NO_VERDICT)
        excess = np.maximum(excess, np.where(score > 0, score, 0.0))
    return odd, excess
