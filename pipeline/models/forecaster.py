"""Forecaster: a small reservoir that learns to predict the next row (`models.shared.record`).

    u   value on -1 to 1 of its extent (`models.shared.extent`)
    h   h_k ← σ(RADIUS · h_(k-1) + INPUT · ±u)   σ(z) = z / (1 + |z|); a ring of NODES
         (Rodan and Tiňo 2011)
    û   w · (h, u, 1)
    w   recursive least squares, forgetting by FORGET a row (Haykin 2002, ch. 9)
    feature  e ← e + PACE · (|x - x̂| - e),  x̂ the value that û stands for

The ring remembers some ten rows of the past by fixed, unlearnt dynamics; only the readout is
learnt, row by row. A parameter is odd if it was predictable all the time and suddenly is not.
Noise raises nothing, since its error was as large before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from pipeline.kernel import fma, kernel, part
from pipeline.models.shared.extent import Extents, reach, stretch
from pipeline.models.shared.record import GAP_BIT, ExtentModel, Feature, heard
from pipeline.models.shared.rules import RecordRule
from schemas.columns import F8, I8, U1, Grid

NODES = 10
TERMS = NODES + 2
RADIUS = 0.9
INPUT = 0.5
FORGET = 0.999
LOOSE = 100.0  # the readout's variance at the beginning, and the bound on it afterwards
PACE = 0.05
_INPUTS = INPUT * np.where(np.arange(NODES) % 3, 1.0, -1.0)
# numba checks each signed index for being negative, and then LLVM does not vectorise
_1, _2, _3, _4 = np.uint64(1), np.uint64(2), np.uint64(3), np.uint64(4)
_TERMS = np.uint64(TERMS)


@dataclass(frozen=True, slots=True)
class ForecasterRule(RecordRule):
    """Settings of the forecaster for the parameters that match."""


class Reservoir(NamedTuple):
    """ready i8[f]: 1 if a row was learnt since the gap; terms, readout, gain (spread · terms)
    f8[f, TERMS]; spread f8[f, TERMS²]; error f8[f]."""

    ready: I8
    terms: F8
    readout: F8
    spread: F8
    gain: F8
    error: F8


class Forecaster(ExtentModel):
    name, version = "forecaster", 4
    Rule = ForecasterRule
    sees = "what could be foretold row by row and suddenly cannot"
    suits = ("spacecraft",)
    features = (Feature("mean error of the forecast"),)

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        f = len(self.min_ns)
        self._reservoir = Reservoir(
            ready=np.zeros(f, np.int64),
            terms=np.zeros((f, TERMS)),
            readout=np.zeros((f, TERMS)),
            spread=np.tile((LOOSE * np.eye(TERMS)).ravel(), (f, 1)),
            gain=np.zeros((f, TERMS)),
            error=np.zeros(f),
        )
        self.state |= self._reservoir._asdict()
        self._room = np.empty(TERMS)

    def extract(self, grid: Grid, features: F8, predicted: F8) -> None:
        forecast(
            grid.value, grid.quality, self._reservoir, self._extents, self._room, features,
            predicted,
        )  # fmt: skip


@kernel
def forecast(
    value: F8,
    quality: U1,
    r: Reservoir,
    extents: Extents,
    room: F8,
    features: F8,
    predicted: F8,
) -> None:
    """The first row after a gap is not forecast, since no row precedes it. room: scratch."""
    for i in range(len(value)):
        for j in range(value.shape[1]):
            features[i, 0, j] = np.nan
            x = value[i, j]
            if (quality[i, j] & GAP_BIT) != 0:
                r.ready[j] = 0
            if not heard(x, quality[i, j]):
                continue
            said = 0.0
            if r.ready[j] != 0:
                least, most = reach(j, extents)  # of the rows before: x is not known yet
                said = _dot(r.readout[j], r.terms[j])
                predicted[i, j] = 0.5 * (least + most + said * (most - least))
                r.error[j] += PACE * (abs(x - predicted[i, j]) - r.error[j])
                features[i, 0, j] = r.error[j]
            least, most = stretch(x, j, extents)
            u = (2.0 * x - least - most) / (most - least) if most > least else 0.0
            share, forget = 0.0, 1.0
            if r.ready[j] != 0:
                share, forget = 1.0 / (FORGET + _dot(r.terms[j], r.gain[j])), 1.0 / FORGET
                _teach((u - said) * share, r.gain[j], r.readout[j])
            _step(u, r.terms[j], room)
            _narrow(share, forget, r.terms[j], r.spread[j], r.gain[j], room)
            r.ready[j] = 1


@part
def _dot(p: F8, q: F8) -> float:
    """Four sums at once."""
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    for k in range(np.uint64(0), np.uint64(len(p)), _4):
        a, b = fma(p[k], q[k], a), fma(p[k + _1], q[k + _1], b)
        c, d = fma(p[k + _2], q[k + _2], c), fma(p[k + _3], q[k + _3], d)
    whole: float = (a + b) + (c + d)
    return whole


@part
def _teach(by: float, gain: F8, readout: F8) -> None:
    for k in range(len(gain)):
        readout[k] = fma(gain[k], by, readout[k])


@part
def _step(u: float, terms: F8, room: F8) -> None:
    """The ring turns by one node."""
    n = len(terms) - 2
    room[0] = RADIUS * terms[n - 1] + _INPUTS[0] * u
    for k in range(1, n):
        room[k] = RADIUS * terms[k - 1] + _INPUTS[k] * u
    for k in range(n):
        terms[k] = room[k] / (1.0 + abs(room[k]))
    terms[n], terms[n + 1] = u, 1.0


@part
def _narrow(share: float, forget: float, terms: F8, spread: F8, gain: F8, room: F8) -> None:
    """Update the spread by the gain, bound its trace (Haykin 2002, 9.2), compute the next gain.

    One sweep takes four rows at once: new rows are multiplied while they are at hand. The product
    of two gains comes first: it does not depend on their order, so the spread stays symmetric to
    the last bit. Any asymmetry would grow by 1 / FORGET a row and dominate after 37,000 rows.
    """
    room[:] = 0.0
    trace, less = 0.0, -share * forget
    for k in range(np.uint64(0), np.uint64(len(terms)), _4):
        a, b, c, d = gain[k], gain[k + _1], gain[k + _2], gain[k + _3]
        p, q, r, s = terms[k], terms[k + _1], terms[k + _2], terms[k + _3]
        at = k * _TERMS
        for m in range(np.uint64(len(terms))):
            one = fma(a * gain[m], less, spread[at + m] * forget)
            two = fma(b * gain[m], less, spread[at + _TERMS + m] * forget)
            three = fma(c * gain[m], less, spread[at + _2 * _TERMS + m] * forget)
            four = fma(d * gain[m], less, spread[at + _3 * _TERMS + m] * forget)
            spread[at + m], spread[at + _TERMS + m] = one, two
            spread[at + _2 * _TERMS + m], spread[at + _3 * _TERMS + m] = three, four
            room[m] += fma(p, one, q * two) + fma(r, three, s * four)
        trace += (spread[at + k] + spread[at + _TERMS + k + _1]) + (
            spread[at + _2 * _TERMS + k + _2] + spread[at + _3 * _TERMS + k + _3]
        )
    bound = 1.0
    if trace > LOOSE * len(terms):
        bound = LOOSE * len(terms) / trace
        for k in range(len(spread)):
            spread[k] *= bound
    for k in range(len(gain)):
        gain[k] = room[k] * bound
