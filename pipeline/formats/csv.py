"""CSV, wide (one row a time, a column a parameter) or long (see long_csv).

Repeated column names get a suffix, repeated times are kept, text columns become enumerations.
A leading `#` of the header is dropped. Units stand as `name [unit]`, `name (unit)` or in a second
row. A header that lacks its first column (OPS-SAT's housekeeping logs) lacks the time's.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.errors import FlightError
from pipeline.formats import long_csv
from pipeline.formats.cells import column_of
from pipeline.formats.series import Options, Series, blank_sentinels, unique_names
from pipeline.formats.times import UNITS_NS, is_time_name, times_ns, unit_of
from schemas.columns import I8

_OPENS = re.compile(r"[\[(]")
_COMMA = re.compile(r"\s*[-+]?\d*,\d+([eE][-+]?\d+)?\s*")


@dataclass(slots=True)
class Sheet:
    """Cells of a CSV: columns by name, units, and the line each row ends at."""

    path: Path
    columns: dict[str, list[str]]
    units: dict[str, str]
    lines: list[int]


def read(path: Path, options: Options) -> list[Series]:
    """FlightError for no header, no time column, ragged rows or a time that is none."""
    sheet = _sheet(path)
    roles = long_csv.roles(list(sheet.columns), options)
    if roles:
        times = _times(sheet, roles.time, options)
        return long_csv.split(sheet.columns, roles, times, options)
    if options.long:
        raise FlightError(f"{path}: --long needs columns time, parameter and value.")
    name = _time_column(sheet, options)
    times = _times(sheet, name, options)
    columns = {
        n: blank_sentinels(column_of(cells), options.sentinels)
        for n, cells in sheet.columns.items()
        if n != name
    }
    return [Series(times, columns, sheet.units)]


def _sheet(path: Path) -> Sheet:
    lines, rows, delimiter = _rows(path)
    if len(rows) < 2:
        raise FlightError(f"{path}: no header and rows.")
    header = _whole_header(rows)
    for line, row in zip(lines, rows, strict=True):
        if len(row) != len(header) and row is not rows[0]:
            raise FlightError(
                f"{path}, line {line}: {len(row)} cells under a header of {len(header)}: "
                "mend or remove the line."
            )
    names = unique_names([_named(n)[0] for n in header])
    given = {n: _named(raw)[1] for n, raw in zip(names, header, strict=True)}
    first = 1
    if any(is_time_name(n) and c.strip(" []()").lower() in UNITS_NS
           for n, c in zip(names, rows[1], strict=True)):  # fmt: skip
        given = {n: c.strip(" []()") for n, c in zip(names, rows[1], strict=True)}
        first = 2
    if len(rows) == first:
        raise FlightError(f"{path}: no rows under the header.")
    columns = dict(zip(names, map(list, zip(*rows[first:], strict=True)), strict=True))
    time = next((n for n in names if is_time_name(n)), "")
    for name, cells in columns.items() if delimiter == ";" else ():
        columns[name] = [_point(c) for c in cells] if name != time else cells
    return Sheet(path, columns, {n: u for n, u in given.items() if u}, lines[first:])


def _whole_header(rows: list[list[str]]) -> list[str]:
    """The header, with `time` in front where it is one short of the rows and names none."""
    header = [n.strip().removeprefix("#").strip() for n in rows[0]]
    if any(is_time_name(_named(n)[0]) for n in header):
        return header
    if not header[-1] and len(header) == len(rows[1]) and rows[1][-1].strip():
        return ["time", *header[:-1]]
    return ["time", *header] if len(header) + 1 == len(rows[1]) else header


def _rows(path: Path) -> tuple[list[int], list[list[str]], str]:
    """(line a row, rows without empty ones, delimiter): the header's most frequent."""
    lines, rows = [], []
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            header = file.readline()
            delimiter = max(",;\t", key=header.count)
            file.seek(0)
            reader = csv.reader(file, delimiter=delimiter, skipinitialspace=delimiter != "\t")
            for row in reader:
                if row:
                    rows.append(row)
                    lines.append(reader.line_num)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FlightError(f"{path}: cannot be read as CSV: {error}.") from None
    return lines, rows, delimiter


def _named(text: str) -> tuple[str, str]:
    """Name and unit of `name [unit]` or `name (unit)`; a number in brackets is an array's index."""
    text = text.strip()
    if not text.endswith(("]", ")")):
        return text, ""
    inner = text[:-1]
    begin = max(1, inner.rfind("]") + 1, inner.rfind(")") + 1)
    opens = _OPENS.search(inner, begin)
    unit = inner[opens.end() :].strip() if opens else ""
    if opens is None or not unit or unit.isdecimal():
        return text, ""
    return inner[: opens.start()].rstrip(), unit


def _point(cell: str) -> str:
    """A decimal comma as a point."""
    return cell.replace(",", ".") if _COMMA.fullmatch(cell) else cell


def _time_column(sheet: Sheet, options: Options) -> str:
    wanted = _named(options.time_column)[0]
    if wanted and wanted not in sheet.columns:
        known = ", ".join(list(sheet.columns)[:12])
        raise FlightError(f"{sheet.path}: no column {wanted!r}; there are {known} …")
    name = wanted or next((n for n in sheet.columns if is_time_name(n)), "")
    if not name:
        raise FlightError(f"{sheet.path}: no time column: name it with --time-column.")
    return name


def _times(sheet: Sheet, name: str, options: Options) -> I8:
    cells = [_point(c) for c in sheet.columns[name]]
    try:
        found = times_ns(cells, unit_of(name, sheet.units.get(name, "")), options.epoch_ns)
        return np.array(found, np.int64)
    except ValueError as error:
        place, cell = error.args
        raise FlightError(
            f"{sheet.path}, line {sheet.lines[place]}, column {name!r}: {cell!r} is no time, "
            "no number and no ISO 8601: mend the cell or choose with --time-column."
        ) from None
