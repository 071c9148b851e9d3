"""The Numenta Anomaly Benchmark 1.1, by its own rules.

Lavin and Ahmad 2015; numenta/NAB, sweeper.py.

A detection in a labelled window earns more the earlier it is; only the best of a window counts. One
outside costs more the further it is behind the window before. A window without a detection costs
too. The first min(15 %, 750) rows are not scored. All files share one threshold, the best one, as
for every detector in its table. A detector without detections scores 0, one that is right at once
100.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import FlightError
from pipeline.models.shared.family import Family
from pipeline.scoring.column import GAP, METRICS, judged
from schemas.columns import F8, I8

# (A_TP, A_FP, A_FN) of a profile
PROFILES = {
    "standard": (1.0, 0.11, 1.0),
    "low false positives": (1.0, 0.22, 1.0),
    "low false negatives": (1.0, 0.11, 2.0),
}
WINDOWS = "labels/combined_windows.json"
NONE = -1  # no window


@dataclass(frozen=True, slots=True)
class Series:
    """One file. windows: first and last row of each, in order."""

    name: str
    value: F8
    windows: tuple[tuple[int, int], ...]

    @property
    def probation(self) -> int:
        return min(int(0.15 * len(self.value)), 750)


def series(folder: Path) -> list[Series]:
    """Every file that has an entry in the labels. FlightError names what cannot be read."""
    try:
        labels = json.loads((folder / WINDOWS).read_text())
        return [_series(folder, name, windows) for name, windows in sorted(labels.items())]
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise FlightError(f"{folder}: not a folder of NAB: {error!r}.") from None


def _series(folder: Path, name: str, windows: list[list[str]]) -> Series:
    with (folder / "data" / name).open(newline="") as file:
        rows = list(csv.DictReader(file))
    place = {row["timestamp"]: i for i, row in enumerate(rows)}
    found = tuple((_row(place, first), _row(place, last)) for first, last in windows)
    return Series(name, np.array([float(r["value"]) for r in rows]), found)


def _row(place: dict[str, int], stamp: str) -> int:
    """Labels have microseconds, data has none."""
    return place[stamp.split(".")[0]]


def sigmoid(y: float) -> float:
    """σ(y) = 2 / (1 + e^(5y)) - 1, and -1 beyond 3 windows."""
    return -1.0 if y > 3.0 else 2.0 / (1.0 + math.exp(5.0 * y)) - 1.0


def worth(one: Series) -> tuple[F8, I8]:
    """(what a detection at each row is worth, before weights; its window, or NONE)."""
    value, window = np.full(len(one.value), -1.0), np.full(len(one.value), NONE)
    for k, (first, last) in enumerate(one.windows):
        width = last - first + 1
        for i in range(first, last + 1):
            value[i], window[i] = sigmoid(-(last - i + 1) / width) / sigmoid(-1.0), k
        until = one.windows[k + 1][0] if k + 1 < len(one.windows) else len(one.value)
        for i in range(last + 1, until):
            value[i] = sigmoid((i - last) / max(width - 1, 1))
    return value, window


def said(one: Series, families: Sequence[type[Family]] = METRICS) -> F8:
    """The excess where it is larger than in all of the GAP rows before: a detection; else 0.

    An alarm is one detection, not one per row. The threshold decides how much is enough.
    """
    excess = judged(one.value, None, families)[1]
    made = np.zeros(len(excess))
    for i in np.flatnonzero(excess > 0).tolist():
        if excess[i] > excess[max(i - GAP, 0) : i].max(initial=0.0):
            made[i] = excess[i]
    return made


def score(found: Iterable[tuple[Series, F8]], profile: str) -> tuple[float, float]:
    """(score, threshold) at the best threshold. found: anomaly scores by file; 0: no detection."""
    tp, fp, fn = PROFILES[profile]
    points: list[tuple[float, float, int]] = []
    windows = 0
    for one, scores in found:
        values, window = worth(one)
        rows: NDArray[np.int64] = np.flatnonzero(scores > 0)
        for i in rows[rows >= one.probation].tolist():
            k = int(window[i])
            points.append((float(scores[i]), float(values[i]), k if k == NONE else windows + k))
        windows += len(one.windows)
    null = -fn * windows
    earned: dict[int, float] = {}
    total, best, threshold = null, null, math.inf
    points.sort(key=lambda p: -p[0])
    for n, (at, value, k) in enumerate(points):
        if k == NONE:
            total += fp * value
        else:
            before = earned.get(k, -fn)
            earned[k] = max(before, tp * value)
            total += earned[k] - before
        last_of_its_score = n + 1 == len(points) or points[n + 1][0] != at
        if last_of_its_score and total > best:
            best, threshold = total, at
    return 100 * (best - null) / (tp * windows - null), threshold
