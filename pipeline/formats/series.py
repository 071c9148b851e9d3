"""What a reader of a recorded flight gives: times, and columns of numbers, booleans or texts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.columns import I8

DEFAULT_EPOCH_NS = 1_577_836_800_000_000_000  # 2020-01-01T00:00:00Z, where a flight has no date


@dataclass(frozen=True, slots=True)
class Options:
    """time_column: its name ("" tries the usual ones). sentinels: values that mean "none".

    epoch_ns: UTC of a flight's second 0, where its times are no dates.
    long: CSV rows are time, parameter, value[, unit]. hz: rows a second, of a file without times.
    kinds: (pattern of columns; number, text or drop), the last match wins. keep: patterns of the
    columns to import, all by default. sort: sort rows by time, whatever the file's order is.
    """

    time_column: str = ""
    epoch_ns: int = DEFAULT_EPOCH_NS
    sentinels: tuple[float, ...] = ()
    long: bool = False
    hz: float = 0.0
    kinds: tuple[tuple[str, str], ...] = ()
    keep: tuple[str, ...] = ()
    sort: bool = False

    def kind_of(self, column: str) -> str:
        """The kind that the options give a column; empty where they give none."""
        said = [kind for pattern, kind in self.kinds if fnmatchcase(column, pattern)]
        if self.keep and not any(fnmatchcase(column, p) for p in self.keep):
            return "drop"
        return said[-1] if said else ""


@dataclass(slots=True)
class Series:
    """Rows of one container.

    time_ns i8[k]: since 1970 UTC, repeated times kept. columns [k]: floats (NaN is invalid),
    integers, booleans or texts. name: the container's; "" takes the file's. notes: for people. odd:
    by column, a note on the cells that are not values.
    """

    time_ns: I8
    columns: dict[str, NDArray[Any]]
    units: dict[str, str] = field(default_factory=dict)
    name: str = ""
    notes: tuple[str, ...] = ()
    odd: dict[str, str] = field(default_factory=dict)

    def in_order(self) -> Series:
        """Its rows in order of time."""
        order = np.argsort(self.time_ns, kind="stable")
        columns = {name: column[order] for name, column in self.columns.items()}
        return replace(self, time_ns=self.time_ns[order], columns=columns)


def blank_sentinels(column: NDArray[Any], sentinels: tuple[float, ...]) -> NDArray[Any]:
    """Declared sentinels become NaN, which decodes as invalid; integers that hold one become f8."""
    if column.dtype.kind not in "fiu":
        return column
    found = np.isin(column, sentinels)
    return np.where(found, np.nan, column) if found.any() else column


class Names:
    """Names in use: a repeated name gets a suffix. Many repeats of one name stay fast."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)
        self._last: dict[str, int] = {}  # suffix that a name had before

    def take(self, name: str) -> str:
        unique = name
        while unique in self._taken:
            self._last[name] = self._last.get(name, 1) + 1
            unique = f"{name}_{self._last[name]}"
        self._taken.add(unique)
        return unique


def unique_names(names: Sequence[str]) -> list[str]:
    """Repeated column names get a suffix, nameless ones a name."""
    taken = Names()
    return [taken.take(name or "unnamed") for name in names]
