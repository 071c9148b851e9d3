"""How predicted intervals are scored against labelled ones. Intervals are (first, last), both in.

Point-adjusted scores are not comparable with either rule, and are not here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Generic, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

Interval = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Tally:
    """Hits, false alarms and misses; pooled over channels by adding."""

    hits: int = 0
    false: int = 0
    missed: int = 0

    def __add__(self, other: Self) -> Self:
        sums = {f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)}
        return replace(self, **sums)

    @property
    def precision(self) -> float:
        return self.hits / max(self.hits + self.false, 1)

    @property
    def recall(self) -> float:
        return self.hits / max(self.hits + self.missed, 1)

    @property
    def f1(self) -> float:
        return 2 * self.hits / max(2 * self.hits + self.false + self.missed, 1)


@dataclass(frozen=True, slots=True)
class RowTally(Tally):
    """Of rows. calm: rightly said to be normal."""

    calm: int = 0

    @property
    def false_alarm_rate(self) -> float:
        """Of the normal rows, as SKAB has it."""
        return self.false / max(self.false + self.calm, 1)

    @property
    def missed_alarm_rate(self) -> float:
        """Of the labelled rows."""
        return self.missed / max(self.missed + self.hits, 1)


def overlap(a: Interval, b: Interval) -> bool:
    return a[0] <= b[1] and a[1] >= b[0]


def telemanom(predicted: Sequence[Interval], true: Sequence[Interval]) -> Tally:
    """A prediction credits the first true interval that it overlaps, each true one once; one that
    overlaps none is a false alarm (khundman/telemanom, detector.py)."""
    credited, false = set(), 0
    for p in predicted:
        hit = next((i for i, t in enumerate(true) if overlap(p, t)), None)
        if hit is None:
            false += 1
        else:
            credited.add(hit)
    return Tally(len(credited), false, len(true) - len(credited))


def orion(predicted: Sequence[Interval], true: Sequence[Interval]) -> Tally:
    """A true interval is found by any prediction that overlaps it (sintel-dev/Orion,
    contextual.py, unweighted)."""
    hits = sum(any(overlap(p, t) for p in predicted) for t in true)
    false = sum(not any(overlap(p, t) for t in true) for p in predicted)
    return Tally(hits, false, len(true) - hits)


class Known(Protocol):
    """A series whose anomalies are labelled."""

    @property
    def true(self) -> Sequence[Interval]: ...


K = TypeVar("K", bound=Known)


@dataclass(frozen=True, slots=True)
class Scored(Generic[K]):
    """A series with its predicted intervals."""

    series: K
    predicted: list[Interval]

    @property
    def telemanom(self) -> Tally:
        return telemanom(self.predicted, self.series.true)

    @property
    def orion(self) -> Tally:
        return orion(self.predicted, self.series.true)


def pooled(scored: Iterable[Scored[K]]) -> dict[str, Tally]:
    """By rule, over all of them."""
    kept = [*scored]
    return {
        "telemanom": sum((s.telemanom for s in kept), Tally()),
        "Orion": sum((s.orion for s in kept), Tally()),
    }


def intervals(odd: NDArray[np.bool_], gap: int = 0) -> list[Interval]:
    """Runs of odd rows; runs with `gap` rows between them, or fewer, are one."""
    edges = np.diff(np.concatenate([[0], odd.astype(np.int8), [0]]))
    made: list[Interval] = []
    ends = np.flatnonzero(edges == -1) - 1
    for first, last in zip(np.flatnonzero(edges == 1).tolist(), ends.tolist(), strict=True):
        if made and first - made[-1][1] - 1 <= gap:
            made[-1] = (made[-1][0], last)
        else:
            made.append((first, last))
    return made
