"""Wide CSV: one row a time, a column a parameter.

Repeated column names get a suffix, repeated times are kept, text columns become enumerations.
A leading `#` of the header is dropped; empty cells and `NaN` are NaN.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from pipeline.errors import FlightError
from pipeline.formats.series import Options, Series, blank_sentinels

TIME_NAMES = ("time", "ts", "t", "timestamp", "time_s", "seconds")


def read(path: Path, options: Options) -> Series:
    """FlightError for no header, no time column, ragged rows or a time that is no number."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file, skipinitialspace=True) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FlightError(f"{path}: cannot be read as CSV: {error}.") from None
    if len(rows) < 2:
        raise FlightError(f"{path}: no header and rows.")
    header = _names([name.strip().removeprefix("#") for name in rows[0]])
    for number, row in enumerate(rows[1:], 2):
        if len(row) != len(header):
            raise FlightError(
                f"{path}, line {number}: {len(row)} cells under a header of {len(header)}."
            )
    columns = dict(zip(header, zip(*rows[1:], strict=True), strict=True))
    time = _time_column(path, header, options)
    seconds = _numbers(columns.pop(time))
    if seconds is None or not np.isfinite(seconds).all():
        raise FlightError(
            f"{path}: time column {time!r} holds something that is no number; times are seconds."
        )
    made = {}
    for name, cells in columns.items():
        numbers = _numbers(cells)
        made[name] = (
            np.array([c.strip() for c in cells], object)  # one long cell must not widen all
            if numbers is None
            else blank_sentinels(numbers, options.sentinels)
        )
    return Series(seconds, made)


def _names(header: list[str]) -> list[str]:
    names: dict[str, None] = {}
    following: dict[str, int] = {}  # of each name, so that a thousand alike take no million steps
    for name in header:
        unique, n = name or "unnamed", following.get(name, 2)
        while unique in names:
            unique, n = f"{name or 'unnamed'}_{n}", n + 1
        names[unique] = None
        following[name] = n
    return list(names)


def _time_column(path: Path, header: list[str], options: Options) -> str:
    if options.time_column:
        if options.time_column not in header:
            raise FlightError(
                f"{path}: no column {options.time_column!r}; there are {', '.join(header[:12])} …"
            )
        return options.time_column
    for name in header:
        if name.lower() in TIME_NAMES:
            return name
    raise FlightError(
        f"{path}: no column called {', '.join(TIME_NAMES)}: name it with --time-column."
    )


def _numbers(cells: tuple[str, ...]) -> np.ndarray[tuple[int], np.dtype[np.float64]] | None:
    """Cells as f8, empty ones NaN; None where one is a text."""
    try:
        return np.array([float(c) if c.strip() else np.nan for c in cells])
    except ValueError:
        return None
