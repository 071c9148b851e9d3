"""Whether a monitor has anything to do: nearly always it has not, and is passed over."""

from __future__ import annotations

import numpy as np

from pipeline.kernel import inline, kernel
from schemas.columns import I4, U1, Quality

NO_FLAGS = np.zeros(0, np.uint8)
NO_RUNS = np.zeros(0, np.int32)
_STALE = np.uint8(Quality.STALE)


@inline
def _any(level: U1, run: I4, flags: U1) -> bool:
    found = False
    for j in range(len(level)):
        found |= level[j] != 0
    for j in range(len(run)):
        found |= run[j] != 0
    for j in range(len(flags)):
        found |= flags[j] != 0
    return found


@kernel
def stirred(level: U1, run: I4, flags: U1) -> bool:
    """Whether a level stands, a run has begun or a flag is set."""
    return bool(_any(level, run, flags))


@kernel
def silent(quality: U1, level: U1, run: I4, opened: U1) -> bool:
    """Whether one of these stands, or a stale row in the grid."""
    found = bool(_any(level, run, opened))
    for i in range(len(quality)):
        found |= (quality[i, 0] & _STALE) != 0
    return bool(found)
