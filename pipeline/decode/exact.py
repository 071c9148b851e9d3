"""Absolute times of decoded rows in whole ns. (Engineering values, f8, resolve only 0.1 µs.)"""

from __future__ import annotations

import numpy as np

from pipeline.decode.definitions.plans import PlanSet
from pipeline.decode.definitions.tables import Tables
from pipeline.decode.kernels.times import MISSING, time_of
from pipeline.kernel import kernel
from schemas.columns import I8, NEVER, U1, U8, Rows


def exact_times(plans: PlanSet, rows: Rows) -> dict[int, I8]:
    """For each absolute time column, ns since 1970 UTC, i8[k]; NEVER if there is no valid time."""
    p, c = plans.layout, rows.container
    made = {}
    for column, which in p.times[p.times_start[c] : p.times_start[c + 1]].tolist():
        out = np.empty(len(rows.packet), np.int64)
        _times_of(rows.data, plans.tables, which, int(p.start[c]), rows.raw, rows.quality, out)
        made[column] = out
    return made


@kernel
def _times_of(data: U1, t: Tables, which: int, first: int, raw: U8, quality: U1, out: I8) -> None:
    for row in range(len(out)):
        ns = time_of(data, t, which, 0, first, raw[row], quality[row])
        out[row] = NEVER if ns == MISSING else ns
