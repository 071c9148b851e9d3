"""The interface of an alarm check: it raises the levels of rows, and gives the reasons.

A check is one file of this package and its line in `alarms.checks.CHECKS`. All checks of a
parameter raise the same levels, which one monitor evaluates: the most severe counts, and an alert
lists all their reasons.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from pipeline.decode import Plan
from schemas.columns import F8, I8, Rows, Scores
from schemas.mission import AlarmRanges, Criteria, Five
from schemas.state import Stateful

NO_CHOICE = -1


@dataclass(frozen=True, slots=True)
class Variants:
    """Every variant of every alarm of a container, in the order of the columns they belong to.

    columns i8[a]; slot i8[v]: place of a variant's column among those.
    """

    plan: Plan
    columns: I8
    slot: I8
    alarms: list[AlarmRanges]

    def of(self, key: str) -> tuple[I8, I8, I8]:
        """(columns, slots, variants) of the variants whose alarm has the part `key`."""
        variant = np.array([v for v, a in enumerate(self.alarms) if getattr(a, key)], np.int64)
        return self.columns[self.slot[variant]], self.slot[variant], variant

    def asked(self, column: int, choices: Sequence[tuple[Criteria, object]]) -> int:
        """Column of Rows.choice that gives the choice that holds; NO_CHOICE: no choices."""
        return self.plan.choice(column, tuple(c for c, _ in choices)) if choices else NO_CHOICE


class Sample(NamedTuple):
    """One value of the last feed, for which an alert is emitted."""

    rows: Rows
    row: int
    variant: int
    observed: float
    labels: Mapping[int, str]


class Check(Stateful):
    """word: its name in reasons. schema: of the keys of its reasons beside check and level."""

    word: ClassVar[str]
    schema: ClassVar[dict[str, Any]] = {}

    @classmethod
    def of(cls, all_of: Variants) -> Check:
        raise NotImplementedError

    @property
    def is_idle(self) -> bool:
        """Whether it judges no column."""
        return False

    def begin(self) -> None:
        """Reset, as if no row had come before."""

    def feed(self, rows: Rows, time_ns: I8, variant: I8, scores: Scores) -> None:
        """Raise levels of scores [k, a]. time_ns i8[k]: time at which each row is judged; variant
        i8[k, a]: the variant in force. Invalid values have NO_VERDICT already."""
        raise NotImplementedError

    def reason(self, sample: Sample) -> dict[str, Any] | None:
        """Why a sample is in alarm by this check; None: it is not."""
        raise NotImplementedError

    @staticmethod
    def words(reason: dict[str, Any], unit: str) -> str:
        """A reason as a part of a sentence about the value."""
        raise NotImplementedError


def places_of(variants: I8) -> dict[int, list[int]]:
    """The places of each variant in a list of them."""
    found: dict[int, list[int]] = {}
    for place, variant in enumerate(variants.tolist()):
        found.setdefault(variant, []).append(place)
    return found


def bounds_of(sides: Sequence[Five]) -> F8:
    """f8[5, n]: one row per level."""
    return np.array(sides, np.float64).reshape(len(sides), 5).T.copy()


def beyond(value: float, low: float, high: float) -> bool:
    return value < low or value > high
