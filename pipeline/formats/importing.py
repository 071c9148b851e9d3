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
from pipeline.formats.xtce import HEADER_NAMES, ROOT, write_xtce
from pipeline.packets.header import MAX_PACKET_BYTES

FIRST_APID = 1
READERS = {".csv": csv_format.read, ".json": spacex.read}
LATEST_NS = 2**62  # no decoder takes a time beyond it for one
_LABELS = 256  # more distinct texts than this are no enumeration
_NOT_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, Char
_MOST_COLUMNS = (MAX_PACKET_BYTES - 14) // 8


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
    names = _table_names(paths)
    taken = {*HEADER_NAMES, *(f"{name}_TIME" for name in names)}
    for i, path in enumerate(paths):
        reader = READERS.get(path.suffix.lower())
        if reader is None:
            raise FlightError(f"{path}: not a known format; known are {', '.join(READERS)}.")
        series = reader(path, options)
        _check(path, series, options)
        recorded, out = _recorded(series, names[i], FIRST_APID + i, options, taken)
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


def _check(path: Path, series: Series, options: Options) -> None:
    """A flight that packets can hold: times that decode again, columns of one packet."""
    seconds = series.seconds
    most = (LATEST_NS - abs(options.epoch_ns)) / 1e9 - 1
    if not (np.abs(seconds) < most).all():  # NaN is not below anything
        raise FlightError(f"{path}: a time that is no number of seconds, or centuries away.")
    if len(series.columns) > _MOST_COLUMNS:
        raise FlightError(
            f"{path}: {len(series.columns)} columns, and a packet holds {_MOST_COLUMNS}."
        )


def _table_names(paths: Sequence[Path]) -> list[str]:
    names: list[str] = []
    for path in paths:
        names.append(_unique(identifier(path.stem), {ROOT, *names}))
    return names


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
            if any(_NOT_XML.search(label) for label in labels):
                left_out.append((name, "text with characters that XML does not have"))
                continue
            if len(labels) > _LABELS:
                left_out.append((name, f"text with {len(labels)} different values"))
                continue
            made = Column(unique, "u1", labels=tuple(enumerate(labels)))
            number = {label: i for i, label in enumerate(labels)}
            values[unique] = np.array([number[c] for c in column.tolist()], np.uint8)
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
