"""A folder of labelled CSVs: one file a series, a row a time, a label a row.

The first column called `label`, `anomaly` or `is_anomaly` (any case) holds the labels: 0, false,
no, normal or empty is normal, all else an anomaly; a run of labelled rows is one anomaly. Every
column of numbers beside it is judged, except a time and the columns of other marks (NOT_VALUES); a
row is odd where any of them is. Cells that are not numbers count as missing.

Every file is judged from its first row on, as by a worker, without earlier data, or after the rows
of one nominal file and a gap. A file without a column of labels is left out and named. Links are
followed.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import FlightError
from pipeline.formats.series import unique_names
from pipeline.formats.times import is_time_name
from pipeline.models.shared.family import Family
from pipeline.scoring.column import GAP, judged
from pipeline.scoring.rules import Interval, RowTally, Scored, intervals
from schemas.columns import F8

_NONE = np.zeros(0)
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


def files(folder: Path, label: str = "") -> tuple[list[Labelled], list[Path]]:
    """Every *.csv under the folder, and those of them without labels. FlightError: none is there,
    none is labelled, or one cannot be read."""
    paths = sorted(_csv_files(folder))
    if not paths:
        raise FlightError(f"{folder}: no CSV file in it.")
    found = [(path, *_read(folder, path, label)) for path in paths]
    unlabelled = [path for path, _, has_labels in found if not has_labels]
    if len(unlabelled) == len(paths):
        marks = " or ".join((label,) if label else LABELS)
        raise FlightError(f"{paths[0]}: no column {marks}, nor in any other; --label names it.")
    return [one for _, one, has_labels in found if has_labels], unlabelled


def past(path: Path) -> dict[str, F8]:
    """Columns of numbers of a nominal file, by name; labels in it are not looked at."""
    return _read(path.parent, path, "")[0].values


def _csv_files(folder: Path, above: frozenset[Path] = frozenset()) -> Iterator[Path]:
    """Also behind links; one that leads back to a folder above is not followed."""
    real = folder.resolve()
    if real in above:
        return
    for path in folder.iterdir():
        if path.is_dir():
            yield from _csv_files(path, above | {real})
        elif path.suffix == ".csv":
            yield path


def _read(folder: Path, path: Path, label: str) -> tuple[Labelled, bool]:
    """A file, and whether it has labels."""
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
    for i, row in enumerate(rows):
        if len(row) != len(names):
            raise FlightError(f"{path}, row {i + 2}: {len(row)} cells under {len(names)} names.")
    others = (i for i, n in enumerate(header) if i != at and not _no_value(n))
    columns = {names[i]: _numbers([row[i] for row in rows]) for i in others}
    values = {n: c for n, c in columns.items() if np.isfinite(c).any()}
    name = path.relative_to(folder).as_posix()
    if at is None:
        return Labelled(name, values, (), len(rows)), False
    if not values:
        raise FlightError(f"{path}: no column of numbers beside its labels.")
    odd = np.array([row[at].strip().lower() not in NORMAL for row in rows], np.bool_)
    return Labelled(name, values, tuple(intervals(odd)), len(rows)), True


def _no_value(name: str) -> bool:
    return name == "" or name.lower() in (*NOT_VALUES, *LABELS) or is_time_name(name)


def _numbers(cells: list[str]) -> F8:
    return np.array([_number(c) for c in cells])


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return np.nan


def odd_rows(
    series: Labelled, families: Sequence[type[Family]], before: Mapping[str, F8]
) -> NDArray[np.bool_]:
    """before: what each column was in the past, by name; a column that is not there has none."""
    odd = np.zeros(series.rows, np.bool_)
    for name, column in series.values.items():
        old = before.get(name, _NONE)
        gap = len(old) if len(old) else None
        odd |= judged(np.concatenate([old, column]), gap, families)[0][len(old) :]
    return odd


def score(
    found: list[Labelled], families: Sequence[type[Family]], before: Mapping[str, F8]
) -> list[Scored[Labelled]]:
    return [Scored(one, intervals(odd_rows(one, families, before), GAP)) for one in found]


def row_by_row(scored: Scored[Labelled]) -> RowTally:
    """The predicted intervals and the labelled ones, row by row."""
    said, true = (
        _rows(scored.series.rows, some) for some in (scored.predicted, scored.series.true)
    )
    hits, false = int((said & true).sum()), int((said & ~true).sum())
    return RowTally(hits, false, int((~said & true).sum()), int((~said & ~true).sum()))


def _rows(rows: int, some: Sequence[Interval]) -> NDArray[np.bool_]:
    marked = np.zeros(rows, np.bool_)
    for first, last in some:
        marked[first : last + 1] = True
    return marked
