"""A CSV as columns of text: finds the header, removes what is not a row, counts the lines.

pyarrow.csv parses. What it cannot handle is fixed before: comment lines, white space between
cells, a header that is a comment or lacks its first column, a last record that was cut off.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from pipeline.errors import FlightError
from pipeline.formats.series import unique_names
from pipeline.formats.times import UNITS_NS, is_time_name

BLOCK = 1 << 22
LONGEST_NAME = 131_072
_OPENS = re.compile(r"[\[(]")
_NUMBER = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*")
_SPACES = re.compile(rb"[ \t]+")
_COMMENTS = re.compile(rb"^[ \t]*#[^\n]*\n?", re.MULTILINE)


@dataclass(slots=True)
class Sheet:
    """Cells by column, their units, what people should know, and the line before the first row."""

    path: Path
    columns: dict[str, pa.ChunkedArray]
    units: dict[str, str]
    before: int
    delimiter: str
    notes: list[str] = field(default_factory=list)

    def line(self, row: int) -> int:
        """About which line a row is, counted from 1: comments and empty lines are not counted."""
        return self.before + row + 1


@dataclass(slots=True)
class _Top:
    """The beginning of a file: its header's cells, and the bytes behind it."""

    header: list[str]
    lines: int
    delimiter: str
    spaced: bool  # cells stand apart by white space of any width


def read_sheet(path: Path) -> Sheet:
    """FlightError for no rows, and for ragged ones. If the first line has only numbers, there is no
    header."""
    try:
        content = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
        decoder = codecs.getincrementaldecoder("utf-8")()
        for at in range(0, len(content), BLOCK):
            decoder.decode(content[at : at + BLOCK], final=at + BLOCK >= len(content))
    except (OSError, UnicodeDecodeError) as error:
        raise FlightError(f"{path}: cannot be read as CSV: {error}.") from None
    top, comments = _top(path, content)
    body = content[_behind(content, top.lines) :] if top.lines else content
    del content
    inner = len(_COMMENTS.findall(body)) if b"#" in body else 0
    if inner:
        body = _COMMENTS.sub(b"", body)
    notes = [f"{comments + inner} comment lines are passed over"] if comments + inner else []
    body, cut = _without_cut_end(path, body, top)
    notes += cut
    if top.spaced:
        body = b"\n".join(_SPACES.sub(b",", line.strip()) for line in body.split(b"\n"))
    return _sheet(path, top, body, notes)


def _behind(content: bytes, lines: int) -> int:
    at = 0
    for _ in range(lines):
        at = content.find(b"\n", at) + 1 or len(content)
    return at


def _top(path: Path, content: bytes) -> tuple[_Top, int]:
    """The header: the first line that is not a comment. If that line is a row already, the header
    is the last comment with as many cells. Second: how many comment lines are passed over."""
    lines = content[:BLOCK].decode(errors="replace").splitlines()
    commented = 0
    while commented < len(lines) and lines[commented].lstrip().startswith("#"):
        commented += 1
    empty = commented
    while empty < len(lines) and not lines[empty].strip():
        empty += 1
    first = lines[empty] if empty < len(lines) else ""
    if not first and not commented:
        raise FlightError(f"{path}: no header and rows.")
    delimiter, spaced = _delimiter(first or lines[commented - 1])
    wanted = len(_cells(first, delimiter, spaced))
    for i in range(commented - 1, -1, -1):
        words = _cells(lines[i].lstrip().removeprefix("#"), delimiter, spaced)
        as_many = len(words) in (wanted, wanted - 1) if wanted > 1 else len(words) == 1
        if as_many and (_is_row(first, delimiter, spaced) or (i == empty - 1 and not first)):
            return _Top(words, empty, delimiter, spaced), commented - 1
    if all(_NUMBER.fullmatch(c) for c in _cells(first, delimiter, spaced)):
        return _Top([f"column_{i + 1}" for i in range(wanted)], empty, delimiter, spaced), commented
    return _Top(_cells(first, delimiter, spaced), empty + 1, delimiter, spaced), commented


def _delimiter(line: str) -> tuple[str, bool]:
    best = max(",;\t", key=line.count)
    if line.count(best):
        return best, False
    return ",", len(line.split()) > 1 and all(
        _NUMBER.fullmatch(w) or w.isidentifier() for w in line.split()
    )


def _cells(line: str, delimiter: str, spaced: bool) -> list[str]:
    if spaced:
        return line.split()
    if '"' not in line:
        return [cell.strip() for cell in line.split(delimiter)]
    try:
        found = next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])
    except csv.Error:  # an unterminated cell; the full parser reports more about it
        found = line.split(delimiter)
    return [cell.strip() for cell in found]


def _is_row(line: str, delimiter: str, spaced: bool) -> bool:
    """Whether it has numbers where a header has names."""
    cells = [c for c in _cells(line, delimiter, spaced) if c]
    return bool(cells) and sum(bool(_NUMBER.fullmatch(c)) for c in cells) * 2 >= len(cells)


def _without_cut_end(path: Path, body: bytes, top: _Top) -> tuple[bytes, list[str]]:
    """A file without a final end of line may be cut off in its last record. That record is left out
    if it has fewer cells, or a last cell shorter than any other of the column."""
    if body.endswith((b"\n", b"\r")) or body.count(b"\n") < 2:
        return body, []
    rest, last = body.rsplit(b"\n", 1)
    cells = _cells(last.decode(), top.delimiter, top.spaced)
    sample = rest[-(1 << 16) :].split(b"\n")[1:][-200:]
    others = [_cells(line.decode(), top.delimiter, top.spaced) for line in sample if line.strip()]
    shortest = min((len(c[-1]) for c in others if len(c) == len(cells)), default=0)
    if others and (len(cells) < len(others[-1]) or len(cells[-1]) < shortest):
        told = f"{path.name}: its last record is cut off ({last.decode()[:40]!r}) and left out"
        return rest + b"\n", [told]
    return body, []


def _sheet(path: Path, top: _Top, body: bytes, notes: list[str]) -> Sheet:
    table = _parse(path, top, body)
    if table.num_rows == 0:
        raise FlightError(f"{path}: no header and rows.")
    header = _whole_header(top.header, table)
    if len(header) != table.num_columns:
        raise FlightError(
            f"{path}, line {top.lines + 1}: {table.num_columns} cells under a header of "
            f"{len(header)}: mend or remove the line."
        )
    if longest := [n for n in header if len(n) > LONGEST_NAME]:
        size = len(longest[0])
        raise FlightError(f"{path}: cannot be read as CSV: a column's name of {size} characters.")
    names = unique_names([named(n)[0] for n in header])
    given = {n: named(raw)[1] for n, raw in zip(names, header, strict=True)}
    columns = dict(zip(names, table.columns, strict=True))
    before = top.lines
    first = {n: str(c[0].as_py() or "").strip() for n, c in columns.items()}
    if any(is_time_name(n) and c.strip(" []()").lower() in UNITS_NS for n, c in first.items()):
        given = {n: c.strip(" []()") for n, c in first.items()}
        columns = {n: c.slice(1) for n, c in columns.items()}
        before += 1
        if table.num_rows == 1:
            raise FlightError(f"{path}: no rows under the header.")
    delimiter = " " if top.spaced else top.delimiter
    return Sheet(path, columns, {n: u for n, u in given.items() if u}, before, delimiter, notes)


def _parse(path: Path, top: _Top, body: bytes) -> pa.Table:
    """Every cell as text. FlightError: the first line that has another number of cells."""
    delimiter = "," if top.spaced else top.delimiter  # white space was replaced by it
    width = len(_cells(body[:BLOCK].split(b"\n", 1)[0].decode(), delimiter, False))
    bad: list[arrow_csv.InvalidRow] = []

    def invalid(row: arrow_csv.InvalidRow) -> str:
        bad.append(row)
        return "skip"

    names = [f"f{i}" for i in range(max(width, 1))]
    try:
        table = arrow_csv.read_csv(
            io.BytesIO(body),
            read_options=arrow_csv.ReadOptions(
                column_names=names, use_threads=False, block_size=BLOCK
            ),
            parse_options=arrow_csv.ParseOptions(
                delimiter=delimiter,
                newlines_in_values=b'"' in body,
                invalid_row_handler=invalid,
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                strings_can_be_null=False,
                quoted_strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid as error:
        raise FlightError(f"{path}: cannot be read as CSV: {error}.") from None
    if bad:
        line = top.lines + (bad[0].number or 0)
        raise FlightError(
            f"{path}, line {line}: {bad[0].actual_columns} cells under a header of "
            f"{bad[0].expected_columns}: mend or remove the line."
        )
    return table


def _whole_header(header: list[str], table: pa.Table) -> list[str]:
    """The header, with `time` in front if it has one cell less than the rows and names no time."""
    header = [n.strip().removeprefix("#").strip() for n in header]
    if any(is_time_name(named(n)[0]) for n in header):
        return header
    if len(header) == table.num_columns and not header[-1]:
        last = table.columns[-1]
        if pc.any(pc.not_equal(pc.utf8_trim_whitespace(last.slice(0, 1)), "")).as_py():
            return ["time", *header[:-1]]
    return ["time", *header] if len(header) + 1 == table.num_columns else header


def named(text: str) -> tuple[str, str]:
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
