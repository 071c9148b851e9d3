"""Parquet by pyarrow: a time column, and columns of numbers, booleans, strings or dictionaries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import parquet as pq

from pipeline.errors import FlightError
from pipeline.formats.series import Options, Series, blank_sentinels, unique_names
from pipeline.formats.times import UNITS_NS, is_time_name, times_ns, unit_of
from schemas.columns import I8


def read(path: Path, options: Options) -> list[Series]:
    """FlightError for an empty file, no time column, or a column of another kind."""
    try:
        table = pq.ParquetFile(path).read()
    except (OSError, pa.ArrowException) as error:
        why = str(error).splitlines()[0]
        raise FlightError(f"{path}: cannot be read as Parquet: {why}") from None
    if not table.num_rows:
        raise FlightError(f"{path}: no rows.")
    columns = dict(zip(unique_names(table.column_names), table.columns, strict=True))
    time = options.time_column or next((n for n in columns if is_time_name(n)), "")
    if time not in columns:
        raise FlightError(f"{path}: no time column {time!r}: name it with --time-column.")
    times = _times(path, time, columns.pop(time), options)
    made = {n: blank_sentinels(_column(path, n, c), options.sentinels) for n, c in columns.items()}
    return [Series(times, made)]


def _times(path: Path, name: str, column: Any, options: Options) -> I8:
    if column.null_count:
        raise FlightError(f"{path}, column {name!r}: a row has no time: fill or remove it.")
    if pa.types.is_timestamp(column.type):
        whole = np.asarray(column.cast(pa.int64()).to_numpy(), np.int64)
        return np.multiply(whole, UNITS_NS[column.type.unit], dtype=np.int64)
    try:
        cells = [str(v) for v in column.to_pylist()]
        return np.array(times_ns(cells, unit_of(name, ""), options.epoch_ns), np.int64)
    except ValueError as error:
        place, cell = error.args
        raise FlightError(
            f"{path}, row {place + 1}, column {name!r}: {cell!r} is no time."
        ) from None


def _column(path: Path, name: str, column: Any) -> NDArray[Any]:
    """Missing numbers, booleans and times become NaN in f8; missing texts the empty one."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if pa.types.is_timestamp(kind):
        column, kind = column.cast(pa.int64()), pa.int64()
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return np.array([v or "" for v in column.to_pylist()])
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind):
        if column.null_count:
            return np.array([np.nan if v is None else float(v) for v in column.to_pylist()])
        return np.asarray(column.to_numpy())
    raise FlightError(f"{path}, column {name!r}: {kind} is no number, boolean, time or text.")
