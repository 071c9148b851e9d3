"""Long CSV: one row per sample (time, parameter, value[, unit]); one container per parameter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.formats.series import Options, Series, blank_sentinels
from pipeline.formats.texts import read_column
from pipeline.formats.times import is_time_name
from schemas.columns import I8

_PARAMETER = ("parameter", "name", "variable", "channel", "mnemonic")
_VALUE = ("value", "val")
_UNIT = ("unit", "units")


@dataclass(frozen=True, slots=True)
class Roles:
    """Names of the columns; unit "" where there is none."""

    time: str
    parameter: str
    value: str
    unit: str


def roles(names: list[str], options: Options) -> Roles | None:
    """None where the columns are not those of long CSV; further columns are allowed with --long."""
    time = options.time_column or next((n for n in names if is_time_name(n)), "")
    parameter, value, unit = (_first(names, words) for words in (_PARAMETER, _VALUE, _UNIT))
    found = [n for n in (time, parameter, value, unit) if n]
    whole = bool(time in names and parameter and value)
    return (
        Roles(time, parameter, value, unit)
        if whole and (options.long or len(found) == len(names))
        else None
    )


def split(
    columns: dict[str, pa.ChunkedArray], roles: Roles, time_ns: I8, options: Options
) -> list[Series]:
    """One series per parameter, in order of appearance; the unit is that of its first row."""
    words = pc.utf8_trim_whitespace(columns[roles.parameter]).combine_chunks().dictionary_encode()
    which, names = words.indices.to_numpy(), words.dictionary.to_pylist()
    order = np.argsort(which, kind="stable")
    ends = np.searchsorted(which[order], np.arange(len(names) + 1))
    made = []
    for i, name in enumerate(names):
        at = order[ends[i] : ends[i + 1]]
        found = read_column(columns[roles.value].take(pa.array(at)), kind=options.kind_of(name))
        unit = str(columns[roles.unit][int(at[0])].as_py()).strip() if roles.unit else ""
        column = blank_sentinels(found.values, options.sentinels)
        made.append(Series(time_ns[at], {name: column}, {name: unit}, name))
    return made


def _first(names: list[str], words: tuple[str, ...]) -> str:
    return next((n for n in names if n.lower() in words), "")
