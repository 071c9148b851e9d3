"""Warnings of bearings run to failure: IMS, University of Cincinnati (Lee et al. 2007).

A file a test, a row some ten minutes: the mean absolute vibration of each accelerometer. All are
like parts under one load, and judged so by the family for them, as it comes. A warning lasts if it
stands until the end of the test; a warning of a bearing that did not fail is false, whether it
lasts or not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.alarms.monitor import Monitor
from pipeline.errors import FlightError
from pipeline.formats import csv as csv_format
from pipeline.formats.series import Options
from pipeline.models.families import FAMILIES
from pipeline.models.shared.contract import GroupParameter
from pipeline.scoring.column import grid_of
from schemas.columns import F8, I8, SECOND
from schemas.mission import ParameterType

# bearings that failed, by the first digit of a file's name (the set's own description)
FAILED = {"1": (3, 4), "2": (1,), "3": (3,)}
LIKE_PARTS = next(f for f in FAMILIES if "like parts" in f.suits)
PERIOD_NS = 600 * SECOND
_BEARING = re.compile(r"Bearing (\d+)")


@dataclass(frozen=True, slots=True)
class Bearing:
    """lead_h: from the first warning that lasts to the end of the test, None: there is none; times
    in hours before the end of all warnings, of any accelerometer."""

    test: str
    number: int
    failed: bool
    lead_h: float | None
    warnings_h: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class _Test:
    name: str
    bearing: tuple[int, ...]  # of each column
    time_ns: I8
    value: F8


def bearings(folder: Path) -> Iterator[Bearing]:
    """Every bearing of every test in a folder. FlightError where there is none."""
    paths = sorted(folder.glob("[1-3]*_test.csv"))
    if not paths:
        raise FlightError(f"{folder}: holds no file such as 1st_test.csv.")
    for path in paths:
        yield from _judged(_read(path))


def _read(path: Path) -> _Test:
    (series,) = csv_format.read(path, Options(time_column="Datetime"))
    named = {n: m for n in series.columns if (m := _BEARING.match(n))}
    if not named:
        raise FlightError(f"{path}: has no columns Bearing 1, 2, ….")
    value = np.array([series.columns[n] for n in named], np.float64).T
    return _Test(path.stem, tuple(int(m[1]) for m in named.values()), series.time_ns, value)


def _judged(test: _Test) -> Iterator[Bearing]:
    f, grid = len(test.bearing), grid_of(test.value, test.time_ns)
    kind = ParameterType("vibration", "float")
    parameters = [GroupParameter(f"{b}", kind, (), ()) for b in test.bearing]
    model = LIKE_PARTS(parameters, PERIOD_NS, [LIKE_PARTS.Rule()] * f)
    monitor = Monitor(model.min_samples, model.min_ns, model.leave_samples)
    t = monitor.feed(grid.time_ns, grid.packet, model.feed(grid))
    before_end = (test.time_ns[-1] - test.time_ns) / 3.6e12
    for number in sorted({*test.bearing}):
        raised: list[float] = []
        lasting: list[float] = []
        for j in np.flatnonzero(np.array(test.bearing) == number):
            mine = t.parameter == j
            up = before_end[t.row[mine & (t.before == 0)]].tolist()
            raised += up
            if monitor.state["level"][j] and up:
                lasting.append(up[-1])
        failed = number in FAILED.get(test.name[0], ())
        lead = max(lasting, default=None)
        yield Bearing(test.name, number, failed, lead, tuple(sorted(raised, reverse=True)))
