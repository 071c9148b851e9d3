"""Shape memory: how unlike all earlier shapes the last rows are (`pipeline.models.record`).

    feature  d = min over the book of ‖w - c‖ / √POINTS
    known    d ≤ RADIUS · S: never odd, whatever the record is
    learning d > RADIUS · S: w takes the place of the entry matched longest ago, or never

w are POINTS values, STRIDES rows apart: one book looks at the last eight rows, one at every eighth
of the last 57. S is the parameter's extent (`pipeline.models.extent`). A book is a leader
clustering (Hartigan 1975, ch. 3) of what this parameter has done; an old value at the wrong place
in a familiar pattern stands out, and a pattern seen once is known.

The book holds u = (x - first value) / first extent in single precision, which halves its memory and
the time to search it; 2^-24 of an extent is a five-thousandth of a per cent of RADIUS.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.kernel import kernel, part
from pipeline.models.extent import Extents, stretch
from pipeline.models.record import ExtentModel, Feature
from pipeline.models.window import ROWS, take
from schemas.columns import F4, F8, I8, U1, Grid

POINTS = 8
STRIDES = (1, 8)
BOOK = 64
RADIUS = 0.05


class Shape(ExtentModel):
    family, version = "shape", 3
    features = (
        Feature("distance of the last 8 rows", known=RADIUS),
        Feature("distance of every eighth of 57 rows", known=RADIUS),
    )

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        f, s = len(self.min_ns), len(STRIDES)
        self.state |= {
            "ring": np.zeros((f, ROWS)), "held": np.zeros(f, np.int64),
            "clock": np.zeros(f, np.int64),  # rows ever
            "first": np.full(f, np.nan), "scale": np.zeros(f),  # 0 until there is an extent
            # an entry a column, so that all of them are compared at once; infinitely far: none yet
            "book": np.full((f, s, POINTS, BOOK), np.inf, np.float32),
            "matched": np.full((f, s, BOOK), -1, np.int64),
        }  # fmt: skip
        self._square = np.empty(BOOK, np.float32)

    def extract(self, grid: Grid, features: F8, predicted: F8) -> None:  # noqa: ARG002
        s = self.state
        shapes(
            grid.value, grid.quality, s["ring"], s["held"], s["clock"], s["first"], s["scale"],
            s["book"], s["matched"], self._extents, self._square, self._extent, features,
        )  # fmt: skip


@kernel
def shapes(
    value: F8,
    quality: U1,
    ring: F8,
    held: I8,
    clock: I8,
    first: F8,
    scale: F8,
    book: F4,
    matched: I8,
    extents: Extents,
    square: F4,
    extent: F8,
    features: F8,
) -> None:
    """held: rows since the gap; a window does not reach over one. square: room to work in."""
    for i in range(len(value)):
        for j in range(value.shape[1]):
            for s in range(len(STRIDES)):
                features[i, s, j] = np.nan
            x = value[i, j]
            if not take(x, quality[i, j], j, ring, held):
                continue
            clock[j] += 1
            least, most = stretch(x, j, extents)
            extent[i, j] = most - least
            if first[j] != first[j]:
                first[j] = x
            if (scale[j] == 0.0) & (most > least):
                scale[j] = 1.0 / (most - least)
            for s in range(len(STRIDES)):
                if held[j] > (POINTS - 1) * STRIDES[s]:
                    features[i, s, j] = _distance(
                        held[j] - 1 - (POINTS - 1) * STRIDES[s], STRIDES[s], most - least,
                        clock[j], first[j], scale[j], ring[j], book[j, s], matched[j, s], square,
                    )  # fmt: skip


@part
def _point(row: int, first: float, scale: float, ring: F8) -> np.float32:
    u: np.float32 = np.float32((ring[row % ROWS] - first) * scale)
    return u


@part
def _squares(
    begin: int, stride: int, first: float, scale: float, ring: F8, book: F4, square: F4
) -> None:
    """Squared distances to every entry, all eight points in one sweep over them."""
    a = _point(begin, first, scale, ring)
    b = _point(begin + stride, first, scale, ring)
    c = _point(begin + 2 * stride, first, scale, ring)
    d = _point(begin + 3 * stride, first, scale, ring)
    e = _point(begin + 4 * stride, first, scale, ring)
    f = _point(begin + 5 * stride, first, scale, ring)
    g = _point(begin + 6 * stride, first, scale, ring)
    h = _point(begin + 7 * stride, first, scale, ring)
    for k in range(BOOK):
        ab = (a - book[0, k]) * (a - book[0, k]) + (b - book[1, k]) * (b - book[1, k])
        cd = (c - book[2, k]) * (c - book[2, k]) + (d - book[3, k]) * (d - book[3, k])
        ef = (e - book[4, k]) * (e - book[4, k]) + (f - book[5, k]) * (f - book[5, k])
        gh = (g - book[6, k]) * (g - book[6, k]) + (h - book[7, k]) * (h - book[7, k])
        square[k] = (ab + cd) + (ef + gh)


@part
def _least(square: F4) -> np.float32:
    """Eight chains at once: in one, each comparison waits for the one before it."""
    a, b, c, d = square[0], square[1], square[2], square[3]
    e, f, g, h = square[4], square[5], square[6], square[7]
    for k in range(8, BOOK, 8):
        a, b = min(square[k], a), min(square[k + 1], b)
        c, d = min(square[k + 2], c), min(square[k + 3], d)
        e, f = min(square[k + 4], e), min(square[k + 5], f)
        g, h = min(square[k + 6], g), min(square[k + 7], h)
    low = min(min(min(a, b), min(c, d)), min(min(e, f), min(g, h)))
    least: np.float32 = low
    return least


@part
def _distance(
    begin: int,
    stride: int,
    extent: float,
    now: int,
    first: float,
    scale: float,
    ring: F8,
    book: F4,
    matched: I8,
    square: F4,
) -> float:
    """Distance to the nearest entry; then the book learns. begin: row of point 0."""
    _squares(begin, stride, first, scale, ring, book, square)
    at, least = 0, _least(square)
    while at < BOOK - 1 and square[at] != least:
        at += 1
    distance = 0.0
    if (least < np.inf) & (scale > 0.0):
        distance = np.sqrt(np.float64(least) / POINTS) / scale
    if least < np.inf and distance <= RADIUS * extent:
        matched[at] = now
        return distance
    at, oldest = 0, now
    for k in range(BOOK):
        if matched[k] < oldest:
            at, oldest = k, matched[k]
    for p in range(POINTS):
        book[p, at] = _point(begin + p * stride, first, scale, ring)
    matched[at] = now
    return distance
