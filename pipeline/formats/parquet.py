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

MAX_VALUES = 2**28  # a short file may say any number: runs of equal values take no bytes


def read(path: Path, options: Options) -> list[Series]:
    """FlightError for an empty file, no time column, or a column of another kind."""
    table = _table(path)
    if not table.num_rows:
        raise FlightError(f"{path}: no rows.")
    columns = dict(zip(unique_names(table.column_names), table.columns, strict=True))
    time = options.time_column or next((n for n in columns if is_time_name(n)), "")
    if time not in columns:
        raise FlightError(f"{path}: no time column {time!r}: name it with --time-column.")
    times = _times(path, time, columns.pop(time), options)
    made = {n: blank_sentinels(_column(path, n, c), options.sentinels) for n, c in columns.items()}
    return [Series(times, made)]


def _table(path: Path) -> Any:
    """The whole file, texts as dictionaries: a repeated text is in memory once."""
    try:
        file = pq.ParquetFile(path)
        _refuse_floods_and_losses(path, file.metadata)
        texts = [f.name for f in file.schema_arrow if _is_text(f.type)]
        table = pq.ParquetFile(path, read_dictionary=texts).read()
        table.validate(full=True)  # else the offsets in a damaged file are followed unchecked
    except FlightError:
        raise
    except Exception as error:  # noqa: BLE001 - a third-party parser may raise anything
        why = (str(error) or repr(error)).splitlines()[0]
        raise FlightError(f"{path}: cannot be read as Parquet: {why}") from None
    return table


def _refuse_floods_and_losses(path: Path, metadata: Any) -> None:
    """Checks the counts first: the parser reads as many rows as the groups declare, many or few."""
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    rows = sum(group.num_rows for group in groups)
    if rows != metadata.num_rows:
        raise FlightError(
            f"{path}: a Parquet that is damaged: of {metadata.num_rows} rows it has {rows}."
        )
    values = sum(group.num_rows * group.num_columns for group in groups)
    if values > MAX_VALUES:
        raise FlightError(f"{path}: {values} values, more than {MAX_VALUES}: split the file.")


def _is_text(kind: Any) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _times(path: Path, name: str, column: Any, options: Options) -> I8:
    if column.null_count:
        raise FlightError(f"{path}, column {name!r}: a row has no time: fill or remove it.")
    if pa.types.is_timestamp(column.type):
        return _moments(path, name, column)
    try:
        cells = [str(v) for v in column.to_pylist()]
    except (ValueError, OverflowError) as error:  # dates that Python cannot represent
        raise FlightError(f"{path}, column {name!r}: a time that is none: {error}.") from None
    try:
        return np.array(times_ns(cells, unit_of(name, ""), options.epoch_ns), np.int64)
    except ValueError as error:
        place, cell = error.args
        raise FlightError(
            f"{path}, row {place + 1}, column {name!r}: {cell!r} is no time."
        ) from None


def _moments(path: Path, name: str, column: Any) -> I8:
    """Timestamps as ns since 1970."""
    whole = np.asarray(column.cast(pa.int64()).to_numpy(), np.int64)
    unit = UNITS_NS[column.type.unit]
    most = 2**62 // unit
    if whole.min() < -most or whole.max() > most:
        raise FlightError(f"{path}, column {name!r}: a time that is centuries away.")
    return whole * unit


def _column(path: Path, name: str, column: Any) -> NDArray[Any]:
    """Missing numbers, booleans and times become NaN in f8; missing texts become empty."""
    kind = column.type
    if _is_text(kind):  # one of several columns of its name: read_dictionary goes by name
        column, kind = column.dictionary_encode(), pa.dictionary(pa.int32(), kind)
    if pa.types.is_dictionary(kind) and _is_text(kind.value_type):
        return _texts(column)
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if pa.types.is_timestamp(kind):
        column, kind = column.cast(pa.int64()), pa.int64()
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind):
        if column.null_count:
            return np.array([np.nan if v is None else float(v) for v in column.to_pylist()])
        return np.asarray(column.to_numpy())
    raise FlightError(f"{path}, column {name!r}: {kind} is no number, boolean, time or text.")


def _texts(column: Any) -> NDArray[Any]:
    """A dictionary column as objects: in an array of strings all are as wide as the longest."""
    cells: list[str] = []
    for chunk in column.chunks:
        words = [word or "" for word in chunk.dictionary.to_pylist()]
        cells += ["" if i is None else words[i] for i in chunk.indices.to_pylist()]
    return np.array(cells, object)
