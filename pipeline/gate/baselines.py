"""Two judges that need no model: every model is compared with them.

range       x beyond the smallest and largest of the training, by MARGIN of their distance
last value  |x - the row before| beyond the largest step of the training, by MARGIN
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.timeline.after_gap import UNHEARD
from schemas.columns import F8, U1, Grid, State

MARGIN = 0.05
NAMES = ("range", "last value")


def _heard(grid: Grid) -> F8:
    """Values, NaN where a row has no valid new sample."""
    return np.where((grid.quality & UNHEARD) == 0, grid.value, np.nan)


def _steps(x: F8) -> F8:
    return np.abs(np.diff(x, axis=0, prepend=np.full((1, x.shape[1]), np.nan)))


def baseline(flights: Sequence[Grid]) -> State:
    """low, high and step of each parameter, as stored in an artefact; infinite if none is valid."""
    values = [_heard(g) for g in flights]
    x = np.concatenate(values)
    steps = np.concatenate([_steps(v) for v in values])
    low = np.min(x, axis=0, initial=np.inf, where=~np.isnan(x))
    high = np.max(x, axis=0, initial=-np.inf, where=~np.isnan(x))
    step = np.max(steps, axis=0, initial=0.0, where=~np.isnan(steps))
    return {"low": low, "high": high, "step": step}


def judged(grid: Grid, known: State) -> dict[str, U1]:
    """Of each baseline, 1 where it calls a row odd."""
    x = _heard(grid)
    room = MARGIN * (known["high"] - known["low"])
    odd = {
        "range": (x < known["low"] - room) | (x > known["high"] + room),
        "last value": _steps(x) > known["step"] * (1 + MARGIN),
    }
    return {name: said.astype(np.uint8) for name, said in odd.items()}
