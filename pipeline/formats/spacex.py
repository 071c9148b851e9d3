"""Webcast telemetry as JSON: an object of equally long lists, one of them `time` in seconds
(shahar603/Telemetry-Data: time s, velocity m/s, altitude km)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import orjson

from pipeline.errors import FlightError
from pipeline.formats.series import Options, Series, blank_sentinels

_FAR = 4e9  # seconds; 2**62 ns are 4.6e9
UNITS = {"velocity": "m/s", "altitude": "km"}


def read(path: Path, options: Options) -> list[Series]:
    """FlightError where the file is not such an object."""
    try:
        content = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise FlightError(f"{path}: cannot be read as JSON: {error}.") from None
    time = options.time_column or "time"
    if not isinstance(content, dict) or not isinstance(content.get(time), list):
        raise FlightError(f"{path}: not an object with a list {time!r}.")
    columns = {}
    for name, values in content.items():
        if not isinstance(values, list) or len(values) != len(content[time]):
            raise FlightError(f"{path}: {name!r} is no list as long as {time!r}.")
        try:
            columns[name] = np.array(values, np.float64).reshape(len(values))
        except (TypeError, ValueError, OverflowError):  # lists inside it do not fit either
            raise FlightError(f"{path}: {name!r} holds something that is no number.") from None
    seconds = columns.pop(time)
    made = {n: blank_sentinels(c, options.sentinels) for n, c in columns.items()}
    if not (np.abs(seconds) < _FAR).all():  # NaN is not below anything
        raise FlightError(
            f"{path}: {time!r} holds a value that is no time (NaN), or centuries away."
        )
    time_ns = options.epoch_ns + np.round(seconds * 1e9).astype(np.int64)
    return [Series(time_ns, made, UNITS)]
