"""A recording of many units of one kind, each used until it fails, as a recording a unit.

C-MAPSS has a row a flight, with the number of the engine in a column; each engine's time begins
anew. With a truth.json beside each, a model can be held against the lives (docs/gate.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pipeline.errors import FlightError
from pipeline.formats.importing import Imported
from pipeline.formats.spec import Recorded, interleave


@dataclass(frozen=True, slots=True)
class Life:
    """name: of the unit, as wide for all, so that they sort."""

    name: str
    recorded: Recorded

    def blocks(self) -> Iterator[memoryview]:
        return interleave([self.recorded])

    def truth(self, worn_s: float) -> dict[str, Any]:
        """It fails with its last row, and shows it for the last `worn_s` seconds."""
        times = self.recorded.time_ns
        end = float(times[-1] - times[0]) / 1e9
        fault = {
            "kind": "failure", "parameters": [c.name for c in self.recorded.table.columns],
            "onset": max(0.0, end - worn_s), "until": end, "slow": True, "critical_s": end,
        }  # fmt: skip
        return {"t0_ns": int(times[0]), "faults": [fault]}


def lives_of(made: Imported, column: str) -> list[Life]:
    """FlightError: more than one container, or no such column."""
    if len(made.recordings) != 1:
        raise FlightError(f"--lives takes one table, and {len(made.recordings)} were read.")
    whole = made.recordings[0]
    if column not in whole.values:
        known = ", ".join([*whole.values][:12])
        raise FlightError(f"--lives: no parameter {column!r}; there are {known} …")
    unit = whole.values[column]
    found = []
    names = {v: f"{v:g}" if unit.dtype.kind == "f" else str(v) for v in np.unique(unit).tolist()}
    width = max(map(len, names.values()), default=0)
    for value, name in names.items():
        rows = np.flatnonzero(unit == value)
        time = whole.time_ns[rows] - whole.time_ns[rows[0]] + whole.time_ns[0]
        values = {n: v[rows] for n, v in whole.values.items()}
        recorded = replace(whole, time_ns=time, values=values, sequence=None)
        found.append(Life(name.zfill(width), recorded))
    return found
