"""Two pieces of work in turn, so that a machine whose speed drifts is fair to both."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Work = Callable[[], Any]


@dataclass(frozen=True)
class Pair:
    """Median seconds of each, and the median of the ratios other / mine, pair by pair."""

    mine: float
    other: float
    ratio: float


def seconds(work: Work) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def compare(mine: Work, other: Work, rounds: int = 5) -> Pair:
    """Each once to warm up, then in turn."""
    mine()
    other()
    pairs = [(seconds(mine), seconds(other)) for _ in range(rounds)]
    return Pair(
        statistics.median(m for m, _ in pairs),
        statistics.median(o for _, o in pairs),
        statistics.median(o / m for m, o in pairs),
    )


def median(work: Work, rounds: int = 5) -> float:
    work()
    return statistics.median(seconds(work) for _ in range(rounds))


def median_of_fresh(make: Callable[[], Any], work: Callable[[Any], Any], rounds: int = 3) -> float:
    """Seconds that `work` takes on what `make` returns, made again, untimed, for each round."""
    work(make())
    taken = []
    for _ in range(rounds):
        made = make()
        taken.append(seconds(lambda m=made: work(m)))  # type: ignore[misc]
    return statistics.median(taken)
