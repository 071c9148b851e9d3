"""After a gap: the first new valid sample of each parameter is marked AFTER_GAP."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from schemas.columns import I8, U1, Grid, Quality

UNHEARD = np.uint8(Quality.INVALID | Quality.HELD | Quality.STALE)
_GAP_BIT = np.uint8(Quality.AFTER_GAP)


def first_heard(grid: Grid, fresh: U1) -> Grid:
    """The grid with the first new valid sample marked of each parameter that is fresh u1[f]. Such a
    parameter is then no longer fresh."""
    if not fresh.any():
        return grid
    marked, found = after_gap(grid, fresh.astype(bool))
    fresh[found] = 0
    return marked


def after_gap(grid: Grid, fresh: NDArray[np.bool_] | None = None) -> tuple[Grid, I8]:
    """The grid with the first new valid sample of each parameter marked, and which those are.

    fresh bool[f]: only these parameters. The given grid is not changed.
    """
    heard = (grid.quality & UNHEARD) == 0
    found = np.flatnonzero(heard.any(axis=0) if fresh is None else fresh & heard.any(axis=0))
    if not len(found):
        return grid, found
    quality = grid.quality.copy()
    quality[np.argmax(heard[:, found], axis=0), found] |= _GAP_BIT
    return replace(grid, quality=quality), found
