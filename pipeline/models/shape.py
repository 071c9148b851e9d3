"""Shape memory: how far the last rows are from all earlier shapes (`models.shared.record`).

    feature  d = ‖w - c‖ / √POINTS of an entry c within RADIUS · S, else the least over the book
    known    d ≤ RADIUS · S: never odd, whatever the record is
    learning such a c is marked; if there is none, w replaces the next entry without a mark, and
             the marks passed on the way there are removed

w are POINTS values, STRIDES rows apart: one book looks at the last eight rows, one at every eighth
of the last 57. S is the parameter's extent (`models.shared.extent`). A book is a leader
clustering (Hartigan 1975, ch. 3) of what this parameter has done, with a second chance for shapes
that recur (Corbató 1968). A familiar value at the wrong place in a familiar pattern stands out, and
a pattern seen once is known. The entry matched last and the one behind it are tried first, so a
pattern that continues costs no search. If none was matched in BOOK rows, as in noise, only every
SKIP-th row is searched until one is matched.

A row is held as u = (x - first value) / first extent in single precision, which halves the memory
and the time to search; 2^-24 of an extent is a ten-thousandth of a per cent of RADIUS. When that
scale no longer separates shapes (FAR extents from the first value, or GROWN times the first extent:
a sensor that was 0 when it was switched on), the book starts again with a new scale. A parameter
that merely rests forgets nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from pipeline.kernel import fma, kernel, part
from pipeline.models.shared.extent import Extents, stretch
from pipeline.models.shared.record import ExtentModel, Feature
from pipeline.models.shared.rules import ABOVE_0, RecordRule, setting
from pipeline.models.shared.window import ROWS, hear
from schemas.columns import F4, F8, I8, U1, U4, Grid

POINTS = 8
STRIDES = (1, 8)
BOOK = 64
RADIUS = 0.05
FAR, GROWN = 1e4, 1e15
SKIP = 4  # each row is still part of two windows of eight
# unsigned: numba checks each signed index for being negative, and LLVM then does not vectorise
_BOOK, _1 = np.uint64(BOOK), np.uint64(1)


@dataclass(frozen=True, slots=True)
class ShapeRule(RecordRule):
    """Settings of the shape memory for the parameters that match."""

    margin: float = setting(0.3, ABOVE_0, 1e6)


class Book(NamedTuple):
    """What is known of f parameters, at s strides.

    ring f4[f, ROWS]; held i8[f]: rows since the gap, since a window never spans one. first, scale
    f8[f]: of u; scale is 0 until there is an extent. book f4[f, s, POINTS, BOOK]: one entry per
    column, so that all are compared at once; infinite: none yet. marked i8[f, s]: one bit per
    entry. next, latest u1[f, s]: the entry to be tried next for replacement, the one last matched
    or written. missed u1[f, s]: windows since the last match, up to BOOK.
    """

    ring: F4
    held: I8
    first: F8
    scale: F8
    book: F4
    marked: I8
    next: U1
    latest: U1
    missed: U1


class Shape(ExtentModel):
    name, version = "shape", 4
    Rule = ShapeRule
    sees = "a pattern unlike all earlier ones"
    suits = ("spacecraft",)
    features = (
        Feature("distance of the last 8 rows", known=RADIUS),
        Feature("distance of every eighth of 57 rows", known=RADIUS),
    )

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        f, s = len(self.min_ns), len(STRIDES)
        self._book = Book(
            ring=np.zeros((f, ROWS), np.float32),
            held=np.zeros(f, np.int64),
            first=np.full(f, np.nan),
            scale=np.zeros(f),
            book=np.full((f, s, POINTS, BOOK), np.inf, np.float32),
            marked=np.zeros((f, s), np.int64),
            next=np.zeros((f, s), np.uint8),
            latest=np.zeros((f, s), np.uint8),
            missed=np.zeros((f, s), np.uint8),
        )
        self.state |= self._book._asdict()
        self._window, self._squares = np.empty(POINTS, np.float32), np.empty(BOOK, np.uint32)

    def extract(self, grid: Grid, features: F8, predicted: F8) -> None:  # noqa: ARG002
        shapes(
            grid.value, grid.quality, self._book, self._extents, self._window, self._squares,
            self._extent, features,
        )  # fmt: skip


@kernel
def shapes(
    value: F8,
    quality: U1,
    b: Book,
    extents: Extents,
    window: F4,
    squares: U4,
    extent: F8,
    features: F8,
) -> None:
    """window, squares: scratch; squares holds the bits of numbers in single precision."""
    held, first, scale, missed = b.held, b.first, b.scale, b.missed
    for j in range(value.shape[1]):
        for i in range(len(value)):
            for s in range(len(STRIDES)):
                features[i, s, j] = np.nan
            x = value[i, j]
            if not hear(x, quality[i, j], j, held):
                continue
            least, most = stretch(x, j, extents)
            extent[i, j] = most - least
            if first[j] != first[j]:
                first[j] = x
            lost = (abs(x - first[j]) > FAR * (most - least)) | ((most - least) * scale[j] > GROWN)
            if (scale[j] > 0.0) & (most > least) & lost:
                scale[j], first[j], held[j] = 0.0, x, 0
                b.book[j], b.marked[j], missed[j] = np.inf, 0, 0
            if (scale[j] == 0.0) & (most > least):
                scale[j] = 1.0 / (most - least)
            b.ring[j, held[j] % ROWS] = np.float32((x - first[j]) * scale[j])
            held[j] += 1
            radius = RADIUS * (most - least)
            known = np.float32(POINTS * (radius * scale[j]) * (radius * scale[j]))
            for s in range(len(STRIDES)):
                begin = held[j] - 1 - (POINTS - 1) * STRIDES[s]
                if (begin < 0) | ((missed[j, s] >= BOOK) & (held[j] % SKIP != 0)):
                    continue
                for p in range(POINTS):
                    window[p] = b.ring[j, (begin + p * STRIDES[s]) % ROWS]
                far = _search(window, known, b.book[j, s], s, b.marked[j], b.latest[j], squares)
                missed[j, s] = min(missed[j, s] + 1, BOOK) if far > known else 0
                if far > known:
                    _learn(window, b.book[j, s], s, b.marked[j], b.next[j], b.latest[j])
                if far == 0.0:  # also where there is no extent yet
                    features[i, s, j] = 0.0
                elif far < np.inf:
                    features[i, s, j] = np.sqrt(np.float64(far) / POINTS) / scale[j]


@part
def _search(
    window: F4,
    known: np.float32,
    book: F4,
    s: int,
    marked: I8,
    latest: U1,
    squares: U4,
) -> np.float32:
    """Squared distance to an entry within `known`, which is then marked, else to the nearest."""
    for step in range(np.uint64(2)):
        at = (np.uint64(latest[s]) + step) % _BOOK
        far: np.float32 = _square(window, book, at)
        if far <= known:
            _mark(at, s, marked, latest)
            return far
    _square_all(window, book, squares)
    at, low = np.uint64(0), _least(squares)
    far = np.uint32(low).view(np.float32)
    if far <= known:
        while at < _BOOK - _1 and squares[at] != low:
            at += _1
        _mark(at, s, marked, latest)
    return far if far == far else np.float32(np.inf)


@part
def _mark(at: np.uint64, s: int, marked: I8, latest: U1) -> None:
    marked[s], latest[s] = np.int64(np.uint64(marked[s]) | (_1 << at)), np.uint8(at)


@part
def _square(window: F4, book: F4, k: np.uint64) -> np.float32:
    whole: np.float32 = np.float32(0.0)
    for p in range(POINTS):
        d = window[p] - book[p, k]
        whole = np.float32(fma(d, d, whole))
    return whole


@part
def _square_all(window: F4, book: F4, squares: U4) -> None:
    """Squared distances to all entries, in one sweep over them."""
    a, b, c, d = window[0], window[1], window[2], window[3]
    e, f, g, h = window[4], window[5], window[6], window[7]
    for k in range(_BOOK):
        p, q, r, s = a - book[0, k], b - book[1, k], c - book[2, k], d - book[3, k]
        t, u, v, w = e - book[4, k], f - book[5, k], g - book[6, k], h - book[7, k]
        one, two = fma(r, r, fma(q, q, p * p)), fma(u, u, fma(t, t, s * s))
        squares[k] = np.float32(fma(w, w, fma(v, v, one)) + two).view(np.uint32)


@part
def _least(squares: U4) -> np.uint32:
    """Bits of non-negative floats sort like the floats, and LLVM takes eight minima of integers at
    once. NaN comes last."""
    least: np.uint32 = squares[0]
    for k in range(_1, _BOOK):
        least = min(least, squares[k])
    return least


@part
def _learn(
    window: F4,
    book: F4,
    s: int,
    marked: I8,
    following: U1,
    latest: U1,
) -> None:
    """Write the window to the next entry without a mark.
    Marks on the way are removed, so that a place is found after one turn at most."""
    at, marks = np.uint64(following[s]) % _BOOK, np.uint64(marked[s])
    while marks & (_1 << at) != 0:
        marks ^= _1 << at
        at = (at + _1) % _BOOK
    marked[s] = np.int64(marks)
    for p in range(POINTS):
        book[p, at] = window[p]
    following[s], latest[s] = np.uint8((at + _1) % _BOOK), np.uint8(at)
