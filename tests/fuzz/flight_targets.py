"""Recorded flights: refused in words, or every row of the file comes back from its packets."""

from __future__ import annotations

import csv
import random
from collections.abc import Callable
from pathlib import Path

from pyarrow import parquet as pq

from pipeline.decode import Decoder, compile_plans
from pipeline.errors import FlightError
from pipeline.formats.importing import Imported, import_flight
from pipeline.formats.series import Options
from pipeline.mdb import load_xtce
from pipeline.packets import PacketReader
from schemas.records import RawRecord
from schemas.settings import TimeSettings
from tests.fuzz import flight_inputs, inputs
from tests.fuzz.inputs import Input
from tests.fuzz.targets import Refused, tell_in_a_line


def flight(rnd: random.Random, folder: Path) -> tuple[Input, Refused]:
    """CSV of a row a time, and webcast JSON."""
    kind = rnd.choice(("csv", "json"))
    given = flight_inputs.csv_flight(rnd) if kind == "csv" else flight_inputs.json_flight(rnd)
    options = Options(rnd.choice(("", "", "a")), sentinels=rnd.choice(((), (-999.0,))))
    return given, imports(given, folder / f"flight.{kind}", options)


def long_csv(rnd: random.Random, folder: Path) -> tuple[Input, Refused]:
    """Every row under the header is a sample."""
    given = flight_inputs.long_csv(rnd)
    options = Options(
        rnd.choice(("", "", "", "time", "value")),
        sentinels=rnd.choice(((), (-1.0,))),
        long=rnd.random() < 0.5,
    )
    return given, imports(given, folder / "flight.csv", options, rows_of_csv)


def parquet(rnd: random.Random, folder: Path) -> tuple[Input, Refused]:
    """As many rows as the file says of itself, and each of its columns taken or left out."""
    given = flight_inputs.parquet(rnd)
    options = Options(rnd.choice(("", "", "", "time")), sentinels=rnd.choice(((), (7.0,))))
    return given, imports(given, folder / "flight.parquet", options, rows_of_parquet)


def ulog(rnd: random.Random, folder: Path) -> tuple[Input, Refused]:
    """Each sample that was logged is a row."""
    given = flight_inputs.ulog(rnd)
    return given, imports(given, folder / "flight.ulg", Options(), rows_of_ulog)


def imports(
    given: Input, path: Path, options: Options, rows: Callable[[Path], range] | None = None
) -> Refused:
    """rows: how many there may be, by a slow reading of the file."""
    path.write_bytes(given.content)
    try:
        made = import_flight([path], "fuzz", options)
    except FlightError as error:
        tell_in_a_line(path, error)
        return Refused({"flight_error": 1})
    assert rows is None or made.rows in rows(path)
    comes_back(made, path.parent)
    return Refused()


def comes_back(made: Imported, folder: Path) -> None:
    (folder / "made.xml").write_bytes(made.xtce)
    plans = compile_plans(load_xtce(folder / "made.xml"), TimeSettings())
    records = [RawRecord(i, p, (), 0) for i, p in enumerate(inputs.split(made.packets))]
    batch, unread = PacketReader().feed(records)
    decoded = Decoder(plans).feed(batch)
    assert not len(unread)
    assert not len(decoded.rejects)
    assert len(batch) == made.rows


def rows_of_csv(path: Path) -> range:
    """Lines that are not empty, less a header and perhaps a line of units."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        delimiter = max(",;\t", key=file.readline().count)
        file.seek(0)
        lines = csv.reader(file, delimiter=delimiter, skipinitialspace=delimiter != "\t")
        n = sum(1 for line in lines if line)
    return range(n - 2, n)


def rows_of_parquet(path: Path) -> range:
    n = pq.ParquetFile(path).metadata.num_rows
    return range(n, n + 1)


def rows_of_ulog(path: Path) -> range:
    """Messages of type D; fewer where data were appended behind one that is cut."""
    content, at, n = path.read_bytes(), 16, 0
    while at + 3 <= len(content):
        n += content[at + 2] == ord("D")
        at += 3 + int.from_bytes(content[at : at + 2], "little")
    appended = content[18:19] == b"B" and content[27] & 1
    return range(1 if appended else n, n + 1)
