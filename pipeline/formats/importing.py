"""`heartline import`: recorded flights to a mission folder of packets, XTCE and mission.toml."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.errors import FlightError
from pipeline.formats import csv as csv_format
from pipeline.formats import spacex
from pipeline.formats.series import Options, Series
from pipeline.formats.spec import Column, Recorded, Table, interleave, raw_of
from pipeline.formats.xtce import write_xtce

FIRST_APID = 1
READERS = {".csv": csv_format.read, ".json": spacex.read}
_LABELS = 256  # more distinct texts than this are no enumeration


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a flight. left_out: column and why."""

    packets: bytes
    xtce: bytes
    mission_toml: str
    rows: int
    columns: int
    left_out: tuple[tuple[str, str], ...]


def import_flight(paths: Sequence[Path], name: str, options: Options) -> Imported:
    """One container a file. FlightError where a file is not of a known kind or shape."""
    recordings: list[Recorded] = []
    left_out: list[tuple[str, str]] = []
    taken: set[str] = set()
    for i, path in enumerate(paths):
        reader = READERS.get(path.suffix.lower())
        if reader is None:
            raise FlightError(f"{path}: not a known format; known are {', '.join(READERS)}.")
        series = reader(path, options)
        table = _unique(identifier(path.stem), {r.table.name for r in recordings})
        recorded, out = _recorded(series, table, FIRST_APID + i, options, taken)
        recordings.append(recorded)
        left_out += [(f"{path.name}: {column}", why) for column, why in out]
    tables = [r.table for r in recordings]
    system = identifier(name)
    return Imported(
        interleave(recordings, [None] * len(recordings)),
        write_xtce(system, tables, f"Imported from {', '.join(p.name for p in paths)}."),
        mission_toml(name, "xtce.xml"),
        sum(len(r.time_ns) for r in recordings),
        sum(len(t.columns) for t in tables),
        tuple(left_out),
    )


def mission_toml(name: str, xtce: str) -> str:
    return (
        "# What the XTCE cannot say of this mission: see docs/mission.md for every key.\n"
        f'name = "{name}"\nsource = "{name}"\nxtce = "{xtce}"\n'
    )


def identifier(text: str) -> str:
    """A name that XTCE takes: letters, digits, underscores (XTCE NameType forbids . / : [ ])."""
    name = re.sub(r"[^A-Za-z0-9_\-]+", "_", text).strip("_")
    return name or "unnamed"


def _recorded(
    series: Series, table: str, apid: int, options: Options, taken: set[str]
) -> tuple[Recorded, list[tuple[str, str]]]:
    columns, values, left_out = [], {}, []
    for name, column in series.columns.items():
        unique = _unique(identifier(name), taken)
        if column.dtype.kind == "f":
            made = Column(unique, "f8", series.units.get(name, ""))
            values[unique] = raw_of(made, column)
        else:
            labels = sorted(set(column.tolist()))
            if len(labels) > _LABELS:
                left_out.append((name, f"text with {len(labels)} different values"))
                continue
            made = Column(unique, "u1", labels=tuple(enumerate(labels)))
            values[unique] = np.searchsorted(labels, column).astype(np.uint8)
        taken.add(unique)
        columns.append(made)
    time_ns = options.epoch_ns + np.round(series.seconds * 1e9).astype(np.int64)
    return Recorded(Table(table, apid, tuple(columns)), time_ns, values), left_out


def _unique(name: str, taken: set[str]) -> str:
    """The name, with a suffix where it is taken already."""
    if name not in taken:
        return name
    n = 2
    while f"{name}_{n}" in taken:
        n += 1
    return f"{name}_{n}"
