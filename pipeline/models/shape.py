"""Shape memory: how unlike all earlier shapes the last rows are (`pipeline.models.record`).

    feature  d = min over the book of ‖w - c‖ / √POINTS
    learning d > RADIUS · S: w takes the place of the entry matched longest ago, or never

w are POINTS values, STRIDES rows apart: one book looks at the last eight rows, one at every eighth
of the last 57. S is the parameter's extent (`pipeline.models.extent`). A book is a leader
clustering (Hartigan 1975, ch. 3) of what this parameter has done; an old value at the wrong place
in a familiar pattern stands out, and a pattern seen once is known.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.kernel import kernel, part
from pipeline.models.extent import Extents, stretch
from pipeline.models.record import GAP_BIT, ExtentModel, heard
from schemas.columns import F8, I8, U1, Grid

POINTS = 8
STRIDES = (1, 8)
BOOK = 64
RADIUS = 0.05
RING = 64  # a power of two, at least (POINTS - 1) · 8 + 1


class Shape(ExtentModel):
    family, version = "shape", 1
    features = (
        ("distance of the last 8 rows", False), ("distance of every eighth of 57 rows", False),
    )  # fmt: skip

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        f, s = len(self.min_ns), len(STRIDES)
        self.state |= {
            "ring": np.zeros((f, RING)), "held": np.zeros(f, np.int64),
            "clock": np.zeros(f, np.int64),  # rows ever
            # an entry a column, so that all of them are compared at once; infinitely far: none yet
            "book": np.full((f, s, POINTS, BOOK), np.inf),
            "matched": np.full((f, s, BOOK), -1, np.int64),
        }  # fmt: skip
        self._square = np.empty(BOOK)

    def extract(self, grid: Grid, features: F8, predicted: F8) -> None:  # noqa: ARG002
        s = self.state
        shapes(
            grid.value, grid.quality, s["ring"], s["held"], s["clock"], s["book"], s["matched"],
            self._extents, self._square, features,
        )  # fmt: skip


@kernel
def shapes(
    value: F8,
    quality: U1,
    ring: F8,
    held: I8,
    clock: I8,
    book: F8,
    matched: I8,
    extents: Extents,
    square: F8,
    features: F8,
) -> None:
    """held: rows since the gap; a window does not reach over one. square: room to work in."""
    for i in range(len(value)):
        for j in range(value.shape[1]):
            for s in range(len(STRIDES)):
                features[i, s, j] = np.nan
            x = value[i, j]
            if not heard(x, quality[i, j]):
                continue
            if (quality[i, j] & GAP_BIT) != 0:
                held[j] = 0
            ring[j, held[j] & (RING - 1)] = x
            held[j] += 1
            clock[j] += 1
            least, most = stretch(x, j, extents)
            for s in range(len(STRIDES)):
                if held[j] > (POINTS - 1) * STRIDES[s]:
                    features[i, s, j] = _distance(
                        held[j] - 1 - (POINTS - 1) * STRIDES[s], STRIDES[s], most - least,
                        clock[j], ring[j], book[j, s], matched[j, s], square,
                    )  # fmt: skip


@part
def _distance(
    first: int,
    stride: int,
    extent: float,
    now: int,
    ring: F8,
    book: F8,
    matched: I8,
    square: F8,
) -> float:
    """Distance to the nearest entry; then the book learns. first: row of point 0."""
    square[:] = 0.0
    for p in range(POINTS):
        x = ring[(first + p * stride) & (RING - 1)]
        for k in range(BOOK):
            square[k] += (x - book[p, k]) ** 2
    at, least = 0, np.inf
    for k in range(BOOK):  # the least in a register: to look it up again costs five times as much
        if square[k] < least:
            at, least = k, square[k]
    distance = np.sqrt(least / POINTS) if least < np.inf else 0.0
    if least < np.inf and distance <= RADIUS * extent:
        matched[at] = now
        return distance
    at, oldest = 0, now
    for k in range(BOOK):
        if matched[k] < oldest:
            at, oldest = k, matched[k]
    for p in range(POINTS):
        book[p, at] = ring[(first + p * stride) & (RING - 1)]
    matched[at] = now
    return distance
