"""`heartline import`: recorded flights to a mission folder of packets, XTCE and mission.toml."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from pipeline.errors import FlightError
from pipeline.formats import csv as csv_format
from pipeline.formats import parquet, spacex, ulog
from pipeline.formats.rates import rate_rules
from pipeline.formats.series import Names, Options, Series
from pipeline.formats.shared import Shared, read_shared
from pipeline.formats.spec import WIDTHS, Column, Recorded, Table, interleave, time_name
from pipeline.formats.xtce import HEADER_NAMES, ROOT, write_xtce
from schemas.mission import MissionDatabase

FIRST_APID = 1
_CONTAINERS = 2046  # an APID each; 2047 is the idle packets' (CCSDS 133.0-B)
READERS: dict[str, Callable[[Path, Options], list[Series]]] = {
    ".csv": csv_format.read,
    ".tsv": csv_format.read,
    ".json": spacex.read,
    ".parquet": parquet.read,
    ".ulg": ulog.read,
}
LATEST_NS = 2**62  # decoders reject a time beyond it
_NOT_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, Char
MOST_GAUGES = 24
_BRACKETS = frozenset("[]*?")  # a name with one does not match itself as a pattern
_LABELS = 256  # most distinct texts of an enumeration
_HEADER_AND_TIME = 14  # bytes of the primary header and of the time
_PACKET = 6 + 65536  # most bytes that the header's length field allows


@dataclass(frozen=True, slots=True)
class Imported:
    """Result of an import. decided: column, parameter and kind of each column that was imported.
    left_out: column and why. notes: remarks of the reader on the file."""

    recordings: tuple[Recorded, ...]
    xtce: bytes
    mission_toml: str
    rows: int
    columns: int
    decided: tuple[tuple[str, str, str], ...]
    left_out: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    shared: Shared | None = None  # only for a new mission

    def blocks(self) -> Iterator[memoryview]:
        """The packets, block by block."""
        return interleave(self.recordings)

    @property
    def packets(self) -> bytes:
        return b"".join(self.blocks())


def add_flight(paths: Sequence[Path], mission: Path, options: Options) -> Imported:
    """Packets alone, by the tables of a mission that an import made. FlightError: what does not
    fit."""
    shared, taken = read_shared(mission), set[str]()
    recordings: list[Recorded] = []
    left_out: list[tuple[str, str]] = []
    notes: list[str] = []
    for path, series in ((p, s) for p in paths for s in _read(p, options)):
        for name in [n for n in series.columns if options.kind_of(n) == "drop"]:
            del series.columns[name]
        series.name = identifier(series.name) if series.name else ""
        recorded, new = shared.fit(path, series.in_order() if options.sort else series, taken)
        _fits(path, recorded)
        recordings.append(recorded)
        left_out += [(f"{path.name}: {name}", "the mission has no such column") for name in new]
        notes += series.notes
    return Imported(
        tuple(recordings), b"", "",
        sum(len(r.time_ns) for r in recordings), sum(len(r.table.columns) for r in recordings),
        (), tuple(left_out), tuple(notes),
    )  # fmt: skip


def import_flight(paths: Sequence[Path], name: str, options: Options) -> Imported:
    """One container a series. FlightError where a file is not of a known kind or shape."""
    recordings: list[Recorded] = []
    left_out: list[tuple[str, str]] = []
    notes: list[str] = []
    decided: list[tuple[str, str, str]] = []
    columns_of: dict[str, dict[str, str]] = {}
    found = [(path, series) for path in paths for series in _read(path, options)]
    if len(found) > _CONTAINERS:
        path, _ = found[_CONTAINERS]
        raise FlightError(f"{path}: more than {_CONTAINERS} containers: import fewer at once.")
    tables_taken = Names([ROOT])
    names = [tables_taken.take(identifier(series.name or path.stem)) for path, series in found]
    taken = Names([*HEADER_NAMES, *(time_name(Table(name, FIRST_APID, ())) for name in names)])
    for (path, series), table in zip(found, names, strict=True):
        if options.sort:
            series = series.in_order()
        recorded, made, out = _recorded(series, table, FIRST_APID + len(recordings), taken, options)
        _fits(path, recorded)
        recordings.append(recorded)
        left_out += [(f"{path.name}: {column}", why) for column, why in out]
        notes += series.notes
        decided += made
        columns_of[table] = {parameter: column for column, parameter, _ in made}
    tables = [r.table for r in recordings]
    system = identifier(name)
    return Imported(
        tuple(recordings),
        write_xtce(system, tables, _xml_text(f"Imported from {', '.join(p.name for p in paths)}.")),
        mission_toml(name, "xtce.xml", _shown(tables), rate_rules(recordings)),
        sum(len(r.time_ns) for r in recordings),
        sum(len(t.columns) for t in tables),
        tuple(decided),
        tuple(left_out),
        tuple(notes),
        Shared(tables, columns_of),
    )


def _shown(tables: Sequence[Table]) -> list[str]:
    """Up to MOST_GAUGES parameters without labels, taken from the tables in turn."""
    columns = [[c.name for c in t.columns if not c.labels] for t in tables]
    every = [name for row in zip_longest(*columns) for name in row if name]
    return every[:MOST_GAUGES]


def _read(path: Path, options: Options) -> list[Series]:
    reader = READERS.get(path.suffix.lower())
    if reader is None and _is_text(path):
        reader = csv_format.read
    if reader is None:
        raise FlightError(f"{path}: not a known format; known are {', '.join(READERS)}.")
    return reader(path, options)


def _is_text(path: Path) -> bool:
    """Whether a file of another suffix begins with lines of text: a `.dat`, or one that is named by
    its time."""
    try:
        with path.open("rb") as file:
            head = file.read(4096)
        head[: head.rfind(b"\n") + 1].decode()
    except (OSError, UnicodeDecodeError):
        return False
    return b"\n" in head and b"\0" not in head


def _fits(path: Path, recorded: Recorded) -> None:
    """Refuses what a packet cannot hold, and times that a decoder would reject."""
    table, time = recorded.table, recorded.time_ns
    if len(time) and not (time.min() > -LATEST_NS and time.max() < LATEST_NS):
        raise FlightError(f"{path}: a time that is centuries away.")
    size = _HEADER_AND_TIME + sum(WIDTHS[c.encoding] for c in table.columns) // 8
    if size > _PACKET:
        raise FlightError(
            f"{path}: {len(table.columns)} columns make packets of {size} bytes, "
            f"a packet holds {_PACKET}: split the file."
        )


def mission_toml(name: str, xtce: str, gauges: Sequence[str] = (), more: str = "") -> str:
    """gauges: patterns of the parameters that are shown live. more: tables, as TOML."""
    name, xtce = (orjson.dumps(text).decode() for text in (name, xtce))  # as TOML writes them too
    shown = orjson.dumps([*gauges]).decode().replace(",", ", ")
    told = f"# statistics as Prometheus gauges, on the dashboard\ngauges = {shown}\n"
    return (
        "# What the XTCE cannot say of this mission: see docs/mission.md for every key.\n"
        f"name = {name}\nsource = {name}\nxtce = {xtce}\n{told if gauges else ''}"
        f"{more and chr(10)}{more}"
    )


def gauges_of(mdb: MissionDatabase) -> list[str]:
    """What a fresh mission shows live: MOST_GAUGES numbers, those with limits first."""
    numbers = [p for p in mdb.parameters.values() if p.type.kind in ("integer", "float")]
    numbers = [p for p in numbers if p.type.encoding is not None and not _BRACKETS & {*p.name}]
    chosen = sorted(numbers, key=lambda p: p.type.alarm is None)[:MOST_GAUGES]
    return [p.name for p in chosen]


def identifier(text: str) -> str:
    """A name that XTCE takes: letters, digits, underscores (XTCE NameType forbids . / : [ ])."""
    name = re.sub(r"[^A-Za-z0-9_\-]+", "_", text).strip("_")
    return name or "unnamed"


def _xml_text(text: str) -> str:
    """Text for people, with a replacement character for each one that XML does not allow."""
    return _NOT_XML.sub("\ufffd", text)


def _recorded(
    series: Series, table: str, apid: int, taken: Names, options: Options
) -> tuple[Recorded, list[tuple[str, str, str]], list[tuple[str, str]]]:
    columns, values, left_out, decided = [], {}, [], []
    for name, column in series.columns.items():
        if options.kind_of(name) == "drop":
            left_out.append((name, "as was said"))
            continue
        # a named series is one of several: its topic, put before a column, makes the name distinct
        full = f"{series.name}_{name}" if series.name and series.name != name else name
        unit = _xml_text(series.units.get(name, ""))
        made, raw = _encoded(identifier(full), column, unit)
        if any(_NOT_XML.search(label) for _, label in made.labels):
            left_out.append((name, "text with characters that XML does not have"))
            continue
        if len(made.labels) > _LABELS:
            left_out.append((name, f"text with {len(made.labels)} different values"))
            continue
        made = replace(made, name=taken.take(made.name))
        columns.append(made)
        values[made.name] = raw
        decided.append((name, made.name, _words(made, series.odd.get(name, ""))))
    recorded = Recorded(Table(table, apid, tuple(columns)), series.time_ns, values)
    return recorded, decided, left_out


def _words(column: Column, odd: str) -> str:
    """How a column was read, in words."""
    kind = (
        f"{8 * int(column.encoding[1:])} bit "
        + {"f": "number", "i": "integer", "u": "integer"}[column.encoding[0]]
    )
    if column.labels:
        some = ", ".join(label for _, label in column.labels[:4])
        kind = f"enumeration of {len(column.labels)} texts: {some}"
    if column.boolean:
        kind = "boolean"
    unit = f", {column.unit}" if column.unit else ", no unit"
    return f"{kind}{unit if not column.labels and not column.boolean else ''}" + (
        f"; {odd}" if odd else ""
    )


def _encoded(name: str, column: NDArray[Any], unit: str) -> tuple[Column, NDArray[np.generic]]:
    """Numbers in their own width, booleans as u1, texts as indexes of their labels."""
    if column.dtype.kind == "b":
        return Column(name, "u1", unit, boolean=True), column.astype(np.uint8)
    if column.dtype.kind in "iuf":
        width = max(column.dtype.itemsize, 4) if column.dtype.kind == "f" else column.dtype.itemsize
        return Column(name, f"{column.dtype.kind}{width}", unit), column
    labels = sorted(set(column.tolist()))
    # by a dict: in a numpy array of texts every cell is as wide as the longest
    place = {label: i for i, label in enumerate(labels)}
    places = np.array([place[label] for label in column.tolist()], np.uint32)
    return Column(name, "u1", unit, labels=tuple(enumerate(labels))), places
