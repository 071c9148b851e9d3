"""What a reader of a recorded flight gives: seconds, and columns of numbers or texts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.columns import F8

DEFAULT_EPOCH_NS = 1_577_836_800_000_000_000  # 2020-01-01T00:00:00Z, where a flight has no date


@dataclass(frozen=True, slots=True)
class Options:
    """time_column: its name ("" tries the usual ones). sentinels: values that mean "none"."""

    time_column: str = ""
    epoch_ns: int = DEFAULT_EPOCH_NS
    sentinels: tuple[float, ...] = ()


@dataclass(slots=True)
class Series:
    """seconds f8[k] since the flight's epoch, repeated times kept; columns f8[k] or text [k]."""

    seconds: F8
    columns: dict[str, NDArray[Any]]
    units: dict[str, str] = field(default_factory=dict)


def blank_sentinels(column: F8, sentinels: tuple[float, ...]) -> F8:
    """Declared sentinels become NaN, which decodes as invalid."""
    return np.where(np.isin(column, sentinels), np.nan, column) if sentinels else column
