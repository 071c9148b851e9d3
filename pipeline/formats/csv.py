"""CSV, wide (one row a time, a column a parameter) or long (see long_csv), and text in columns.

Repeated column names get a suffix, repeated times are kept, text columns become enumerations.
A leading `#` of the header is dropped. Units stand as `name [unit]`, `name (unit)` or in a second
row. If a header lacks its first column (OPS-SAT's housekeeping logs), that column is the time. A
date and a time of day in two columns are one time. Rows without a time need a rate.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import FlightError
from pipeline.formats import long_csv
from pipeline.formats.series import Options, Series, blank_sentinels
from pipeline.formats.sheet import Sheet, named, read_sheet
from pipeline.formats.texts import Odd, read_column, read_times
from pipeline.formats.times import (
    dotted,
    is_date,
    is_time_name,
    is_time_of_day,
    times_ns,
    unit_of,
)
from schemas.columns import I8


def read(path: Path, options: Options) -> list[Series]:
    """FlightError for no header, no time column, ragged rows or a time that is none."""
    sheet = read_sheet(path)
    roles = long_csv.roles(list(sheet.columns), options)
    if roles:
        times = _times(sheet, roles.time, options)
        return long_csv.split(sheet.columns, roles, times, options)
    if options.long:
        raise FlightError(f"{path}: --long needs columns time, parameter and value.")
    times, used = _clock(sheet, options)
    made = Series(times, {}, sheet.units, notes=(*sheet.notes, *_backward(sheet, times)))
    for name in [*sheet.columns]:
        cells = sheet.columns.pop(name)  # frees the texts once they are numbers
        if name in used:
            continue
        found = read_column(cells, sheet.delimiter == ";", options.kind_of(name))
        made.columns[name] = blank_sentinels(found.values, options.sentinels)
        if found.odd:
            made.odd[name] = _told(sheet, found.odd)
    return [made]


def _told(sheet: Sheet, odd: Odd) -> str:
    words = ", ".join(repr(w) for w in odd.words)
    cells = "cell is no number" if odd.cells == 1 else "cells are no numbers"
    return f"{odd.cells} {cells} ({words}), first at line {sheet.line(odd.row)}: invalid there"


def _clock(sheet: Sheet, options: Options) -> tuple[I8, tuple[str, ...]]:
    """Times of the rows, and the columns that they are made of."""
    if options.hz:
        return _by_rate(sheet, options), ()
    wanted = named(options.time_column)[0]
    if wanted and wanted not in sheet.columns:
        known = ", ".join(list(sheet.columns)[:12])
        raise FlightError(f"{sheet.path}: no column {wanted!r}; there are {known} …")
    names = [n for n in sheet.columns if is_time_name(n)]
    if not wanted and (pair := _two(sheet, names)):
        date, of_day = (pc.utf8_trim_whitespace(sheet.columns[n]) for n in pair)
        together = pc.binary_join_element_wise(pc.replace_substring(date, "/", "-"), of_day, "T")
        return _read(sheet, " and ".join(pair), together, options), pair
    name = wanted or next(iter(names), "")
    if not name:
        raise FlightError(
            f"{sheet.path}: no time column among {', '.join([*sheet.columns][:12])}: name it with "
            "--time-column, or say with --hz how many rows a second has."
        )
    return _times(sheet, name, options), (name,)


def _two(sheet: Sheet, names: list[str]) -> tuple[str, str] | None:
    """The columns of a date and of a time of day, by their names and first cells."""
    first = {n: str(sheet.columns[n][0].as_py() or "") for n in sheet.columns}
    dates = [n for n in names if is_date(first[n])]
    of_day = [n for n in sheet.columns if "time" in n.lower() and is_time_of_day(first[n])]
    return (dates[0], of_day[0]) if dates and of_day else None


def _by_rate(sheet: Sheet, options: Options) -> I8:
    """Times at a fixed rate, from the time in the file's name or else from the epoch."""
    begin = options.epoch_ns
    if told := dotted(sheet.path.name.removesuffix(sheet.path.suffix)) or dotted(sheet.path.name):
        begin = times_ns([told], None, 0)[0]
    rows = len(next(iter(sheet.columns.values())))
    return begin + np.round(np.arange(rows) * (1e9 / options.hz)).astype(np.int64)


def _times(sheet: Sheet, name: str, options: Options) -> I8:
    return _read(sheet, name, sheet.columns[name], options)


def _read(sheet: Sheet, name: str, cells: pa.ChunkedArray, options: Options) -> I8:
    try:
        unit = unit_of(name, sheet.units.get(name, ""))
        return read_times(cells, sheet.delimiter == ";", unit, options.epoch_ns)
    except ValueError as error:
        place, cell = error.args
        raise FlightError(
            f"{sheet.path}, line {sheet.line(place)}, column {name!r}: {cell!r} is no time, "
            "no number and no ISO 8601: mend the cell or choose with --time-column."
        ) from None


def _backward(sheet: Sheet, times: I8) -> list[str]:
    """A note where time goes back: whether rows were moved or the clock was set is not known."""
    back = np.flatnonzero(np.diff(times) < 0)
    if not len(back):
        return []
    first = int(back[0]) + 1
    by = (times[first - 1] - times[first]) / 1e9
    told = (
        f"{sheet.path.name}: time goes back {len(back)} times, first at line {sheet.line(first)} "
        f"by {by:g} s: rows are kept in the file's order, as of a clock that was set; --sort-time "
        "puts them in order of time"
    )
    return [told]
