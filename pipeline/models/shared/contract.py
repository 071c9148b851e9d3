"""The contract of every model family: causal, one pass, constant state, score before learn.

`feed(grid) -> Scores`: each row is first scored (levels, prediction, score), then learnt. Levels
are instantaneous; persistence belongs to the monitor. A family never raises an exception on any
input: a sample that cannot be judged (NaN, stale, warming up) gets NO_VERDICT. Feeding a batch
gives the same as feeding row by row, byte for byte.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

import numpy as np
import orjson

from schemas.columns import Grid, Scores, State
from schemas.mission import Five, Level, ParameterType

# a kernel and its arguments; what comes with a batch is empty: value, quality, time, and the Scores
Site = tuple[Callable[..., Any], tuple[Any, ...]]


class Model(Protocol):
    """One family applied to one group of parameters."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> int: ...

    min_samples: np.ndarray[Any, Any]  # [f] persistence of its alerts
    min_ns: np.ndarray[Any, Any]
    leave_samples: np.ndarray[Any, Any]
    weights_sha256: list[str]  # [f]

    def feed(self, grid: Grid) -> Scores: ...

    def site(self) -> Site | None: ...

    def snapshot(self) -> State: ...

    def restore(self, state: State) -> None: ...

    def threshold(self, parameter: int) -> float: ...

    def evidence(self, parameter: int, detail: np.ndarray[Any, Any]) -> dict[str, Any]:
        """Evidence for the alert of one parameter from `Scores.detail[row, :, parameter]`."""
        ...

    def learn(self, grid: Grid) -> None: ...

    def learn_all(self, flights: Sequence[Grid]) -> None: ...

    def nominal(self, grid: Grid) -> Grid: ...

    def named(self, flights: Sequence[str]) -> None: ...

    def set_limits(self, parameter: int, low: Five, high: Five) -> None: ...

    def clock_set(self, step_ns: int) -> None: ...

    def forecasts(self, parameter: int) -> Iterator[tuple[Level, float]]: ...

    def expects(self, parameter: int) -> Expected | None: ...


class Expected(NamedTuple):
    """What a model expects of the next sample, and where its threshold lies on both sides."""

    low: float
    middle: float
    high: float


@dataclass(frozen=True, slots=True)
class GroupParameter:
    """What a family may know of a parameter when it is built."""

    name: str
    type: ParameterType
    low: tuple[float, ...]  # alarm ranges in force, one value per level of ALARM_LEVELS
    high: tuple[float, ...]


@lru_cache(maxsize=1024)  # most parameters have the same rule
def weights_sha256(family: str, version: int, rule: Any) -> str:
    """Hash of all that determines a model's output: without training, these are its settings."""
    weights = {"family": family, "version": version, "settings": asdict(rule)}
    return hashlib.sha256(orjson.dumps(weights, option=orjson.OPT_SORT_KEYS)).hexdigest()


def empty_scores(rows: int, parameters: int, details: int) -> Scores:
    """Buffers of a model for grids of up to `rows` rows."""
    levels = np.empty((rows, parameters), np.uint8)
    return Scores(
        levels,
        levels,
        np.empty((rows, parameters)),
        np.empty((rows, parameters)),
        np.empty((rows, details, parameters)),
    )


def cut(scores: Scores, n: int) -> Scores:
    s = scores  # field by field: a loop over them takes three times as long
    return Scores(s.enter[:n], s.leave[:n], s.predicted[:n], s.score[:n], s.detail[:n])
