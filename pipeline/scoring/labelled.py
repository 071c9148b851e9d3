"""A folder of labelled CSVs: one file a series, a row a time, a label a row.

The first column called `label`, `anomaly` or `is_anomaly` (any case) holds the labels: 0, false,
no, normal or empty is normal, all else an anomaly; a run of labelled rows is one anomaly. Every
column of numbers beside it is judged, except a time and the columns of other marks (NOT_VALUES); a
row is odd where any of them is. Cells that are not numbers count as missing.

Every file is judged from its first row on, as by a worker, without earlier data.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import FlightError
from pipeline.formats.series import unique_names
from pipeline.formats.times import is_time_name
from pipeline.models.shared.family import Family
from pipeline.scoring.column import GAP, judged
from pipeline.scoring.rules import Interval, Scored, intervals
from schemas.columns import F8

LABELS = ("label", "anomaly", "is_anomaly")
NOT_VALUES = ("changepoint", "index", "id")
NORMAL = ("", "0", "0.0", "false", "no", "normal", "nan")


@dataclass(frozen=True, slots=True)
class Labelled:
    """One file. values: its columns of numbers, NaN where a cell is not a number."""

    name: str
    values: dict[str, F8]
    true: tuple[Interval, ...]
    rows: int


def files(folder: Path, label: str = "") -> list[Labelled]:
    """Every *.csv under the folder. FlightError: none is there, or one that cannot be read."""
    paths = sorted(folder.rglob("*.csv"))
    if not paths:
        raise FlightError(f"{folder}: no CSV file in it.")
    return [_labelled(folder, path, label) for path in paths]


def _labelled(folder: Path, path: Path, label: str) -> Labelled:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise FlightError(f"{path}: cannot be read: {error}.") from None
    head = text.split("\n", 1)[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=head.count))
    try:
        header, *rows = [r for r in reader if r] or [[]]
    except csv.Error as error:
        raise FlightError(f"{path}, line {reader.line_num}: {error}.") from None
    header = [n.strip() for n in header]
    names = unique_names(header)
    marks = (label.lower(),) if label else LABELS
    at = next((i for m in marks for i, n in enumerate(names) if n.lower() == m), None)
    if at is None:
        raise FlightError(f"{path}: no column {' or '.join(marks)}; --label names it.")
    for i, row in enumerate(rows):
        if len(row) != len(names):
            raise FlightError(f"{path}, row {i + 2}: {len(row)} cells under {len(names)} names.")
    odd = np.array([row[at].strip().lower() not in NORMAL for row in rows], np.bool_)
    others = (i for i, n in enumerate(header) if i != at and not _no_value(n))
    columns = {names[i]: _numbers([row[i] for row in rows]) for i in others}
    values = {n: c for n, c in columns.items() if np.isfinite(c).any()}
    if not values:
        raise FlightError(f"{path}: no column of numbers beside {names[at]}.")
    name = path.relative_to(folder).as_posix()
    return Labelled(name, values, tuple(intervals(odd)), len(rows))


def _no_value(name: str) -> bool:
    return name == "" or name.lower() in (*NOT_VALUES, *LABELS) or is_time_name(name)


def _numbers(cells: list[str]) -> F8:
    return np.array([_number(c) for c in cells])


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return np.nan


def odd_rows(series: Labelled, families: Sequence[type[Family]]) -> NDArray[np.bool_]:
    odd = np.zeros(series.rows, np.bool_)
    for column in series.values.values():
        odd |= judged(column, None, families)[0]
    return odd


def score(found: list[Labelled], families: Sequence[type[Family]]) -> list[Scored[Labelled]]:
    return [Scored(one, intervals(odd_rows(one, families), GAP)) for one in found]
