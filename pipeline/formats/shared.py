"""Imports a further flight of a vehicle into the mission of its first import: same containers.

The import leaves its tables beside the mission (import.json): which column became which parameter,
and how wide it is. A later flight must fit them, or is refused with what does not fit. The XTCE
is not changed, so edits made to it since the first import remain.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from pipeline.errors import FlightError
from pipeline.formats.series import Series
from pipeline.formats.spec import Column, Recorded, Table

FILE = "import.json"


class Shared:
    """tables: of the mission. columns: by table, the file's column of each parameter."""

    def __init__(self, tables: Sequence[Table], columns: dict[str, dict[str, str]]) -> None:
        self.tables, self.columns = tuple(tables), columns

    def write(self, folder: Path) -> None:
        told = [
            {
                "name": t.name, "apid": t.apid,
                "columns": [
                    {
                        "column": self.columns[t.name][c.name], "parameter": c.name,
                        "encoding": c.encoding, "boolean": c.boolean, "labels": c.labels,
                    } for c in t.columns
                ],
            } for t in self.tables
        ]  # fmt: skip
        (folder / FILE).write_bytes(orjson.dumps(told, option=orjson.OPT_INDENT_2))

    def fit(self, path: Path, series: Series, taken: set[str]) -> tuple[Recorded, list[str]]:
        """A series as rows of its table, and the columns that the mission does not have.

        FlightError: what does not fit.
        """
        table = self._table_of(path, series, taken)
        taken.add(table.name)
        values: dict[str, NDArray[np.generic]] = {}
        names = self.columns[table.name]
        for column in table.columns:
            given = series.columns.get(names[column.name])
            values[column.name] = _fitted(path, column, names[column.name], given, series)
        new = sorted(set(series.columns) - set(names.values()))
        return Recorded(table, series.time_ns, values), new

    def _table_of(self, path: Path, series: Series, taken: set[str]) -> Table:
        """The table of a series: by its name (a topic, a parameter), else by shared columns."""
        free = [t for t in self.tables if t.name not in taken]
        mine = [t for t in free if series.name and t.name == series.name]
        shares = [len(set(self.columns[t.name].values()) & set(series.columns)) for t in free]
        if not mine and shares and max(shares):
            mine = [free[int(np.argmax(shares))]]
        if not mine:
            known = ", ".join(t.name for t in self.tables[:8])
            raise FlightError(
                f"{path}: none of its columns is in the mission, whose containers are {known}."
            )
        return mine[0]


def read_shared(mission: Path) -> Shared:
    """FlightError where the mission was not made by an import."""
    path = mission / FILE
    try:
        told = orjson.loads(path.read_bytes())
        tables = [
            Table(t["name"], t["apid"], tuple(_column(c) for c in t["columns"])) for t in told
        ]
        columns = {t["name"]: {c["parameter"]: c["column"] for c in t["columns"]} for t in told}
    except FileNotFoundError:
        raise FlightError(
            f"{path} is not there: flights are added to missions that `heartline import` made."
        ) from None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise FlightError(f"{path}: tells no tables of an import: {error!r}.") from None
    return Shared(tables, columns)


def _column(told: dict[str, Any]) -> Column:
    labels = tuple((int(value), str(label)) for value, label in told["labels"])
    return Column(told["parameter"], told["encoding"], labels=labels, boolean=told["boolean"])


def _fitted(
    path: Path, column: Column, name: str, given: NDArray[Any] | None, series: Series
) -> NDArray[np.generic]:
    kind = np.dtype(column.encoding)
    if given is None:
        if kind.kind == "f":  # NaN decodes as invalid
            return np.full(len(series.time_ns), np.nan, kind)
        raise FlightError(
            f"{path}: has no column {name!r}, and only numbers with a fraction can be missing."
        )
    if column.labels:
        value_of = {label: value for value, label in column.labels}
        words = [str(word) for word in given.tolist()]
        strange = next((w for w in words if w not in value_of), None)
        if strange is not None:
            raise FlightError(
                f"{path}, column {name!r}: {strange!r} is no label of {column.name} in the "
                "mission: add it to the XTCE and import.json, or leave the column out (--drop)."
            )
        return np.array([value_of[w] for w in words], kind)
    if given.dtype.kind == "O":
        raise FlightError(
            f"{path}, column {name!r}: holds texts, and {column.name} is a number in the mission: "
            "--as decides, --drop leaves it out."
        )
    with np.errstate(invalid="ignore", over="ignore"):
        made = given.astype(kind)
    whole = kind.kind == "f" or np.array_equal(made.astype(np.float64), given.astype(np.float64))
    if not whole:
        raise FlightError(
            f"{path}, column {name!r}: holds values that {column.name}, an integer of "
            f"{8 * kind.itemsize} bits in the mission, cannot."
        )
    return made
