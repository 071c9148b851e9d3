"""Forecaster: a small reservoir that learns to say the next row (`pipeline.models.record`).

    u   value on -1 to 1 of its extent (`pipeline.models.extent`)
    h   h_k ← σ(RADIUS · h_(k-1) + INPUT · ±u)   σ(z) = z / (1 + |z|); a ring of NODES
         (Rodan and Tiňo 2011)
    û   w · (h, u, 1)
    w   recursive least squares, forgetting by FORGET a row (Haykin 2002, ch. 9)
    feature  e ← e + PACE · (|x - x̂| - e),  x̂ the value that û stands for

The ring remembers some sixteen rows of the past by a fixed, unlearnt dynamics; only the readout is
learnt, row by row. What it could say all the time and suddenly cannot is odd; of noise it says
nothing, since its error was as large before.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.kernel import kernel, part
from pipeline.models.extent import Extents, stretch
from pipeline.models.record import GAP_BIT, ExtentModel, Feature, heard
from schemas.columns import F8, I8, U1, Grid

NODES = 16
TERMS = NODES + 2
RADIUS = 0.9
INPUT = 0.5
FORGET = 0.999
LOOSE = 100.0  # the readout's variance before it knows anything, and its bound after
PACE = 0.05


class Forecaster(ExtentModel):
    family, version = "forecaster", 1
    features = (Feature("mean error of the forecast"),)

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        f = len(self.min_ns)
        self.state |= {
            "ready": np.zeros(f, np.int64),  # 1 where the last row was heard
            "terms": np.zeros((f, TERMS)), "readout": np.zeros((f, TERMS)),
            "spread": np.tile(LOOSE * np.eye(TERMS), (f, 1, 1)), "gain": np.zeros((f, TERMS)),
            "error": np.zeros(f),
        }  # fmt: skip

    def extract(self, grid: Grid, features: F8, predicted: F8) -> None:
        s = self.state
        forecast(
            grid.value, grid.quality, s["ready"], s["terms"], s["readout"], s["spread"], s["gain"],
            s["error"], self._extents, features, predicted,
        )  # fmt: skip


@kernel
def forecast(
    value: F8,
    quality: U1,
    ready: I8,
    terms: F8,
    readout: F8,
    spread: F8,
    gain: F8,
    error: F8,
    extents: Extents,
    features: F8,
    predicted: F8,
) -> None:
    """After a gap the first row is not forecast: nothing led up to it."""
    for i in range(len(value)):
        for j in range(value.shape[1]):
            features[i, 0, j] = np.nan
            x = value[i, j]
            if (quality[i, j] & GAP_BIT) != 0:
                ready[j] = 0
            if not heard(x, quality[i, j]):
                continue
            least, most = stretch(x, j, extents)
            u = (2.0 * x - least - most) / (most - least) if most > least else 0.0
            if ready[j] != 0:
                said = 0.0
                for k in range(TERMS):
                    said += readout[j, k] * terms[j, k]
                predicted[i, j] = 0.5 * (least + most + said * (most - least))
                error[j] += PACE * (abs(x - predicted[i, j]) - error[j])
                features[i, 0, j] = error[j]
                _learn(u - said, terms[j], readout[j], spread[j], gain[j])
            _step(u, terms[j])
            ready[j] = 1


@part
def _learn(miss: float, terms: F8, readout: F8, spread: F8, gain: F8) -> None:
    """One step of recursive least squares, the spread's trace bounded (Haykin 2002, 9.2)."""
    total, n = FORGET, len(terms)  # of a length it knows LLVM unrolls the loops, and no lanes
    gain[:] = 0.0
    for k in range(n):  # the spread is symmetric: by rows, so that a row is one sweep
        for m in range(n):
            gain[m] += terms[k] * spread[k, m]
    for k in range(n):
        total += terms[k] * gain[k]
    for k in range(n):
        readout[k] += gain[k] / total * miss
    trace = 0.0
    for k in range(n):
        share = gain[k] / total
        for m in range(n):
            spread[k, m] = (spread[k, m] - share * gain[m]) * (1.0 / FORGET)
        trace += spread[k, k]
    if trace > LOOSE * n:
        for k in range(n):
            for m in range(n):
                spread[k, m] *= LOOSE * n / trace


@part
def _step(u: float, terms: F8) -> None:
    """The ring turns by one node; every third input has the other sign."""
    last = terms[NODES - 1]
    for k in range(NODES):
        sign = 1.0 if k % 3 else -1.0
        before, last = last, terms[k]
        drive = RADIUS * before + INPUT * sign * u
        terms[k] = drive / (1.0 + abs(drive))
    terms[NODES], terms[NODES + 1] = u, 1.0
