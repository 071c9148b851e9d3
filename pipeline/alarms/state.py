"""Alarms of enumerations: a level for some of their values (XTCE 1.2, EnumerationAlarmList)."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import numpy as np

from pipeline.alarms.check import Check, Sample, Variants, places_of
from pipeline.kernel import kernel
from schemas.columns import F8, I8, NO_VERDICT, U1, Rows, Scores
from schemas.mission import Level


class Listed(NamedTuple):
    """columns, slot, variant as `change.Bounds`.

    default u1[c]: level of a value not listed; of the listed ones column c owns rows first[c] to
    first[c + 1] of value i8[v] and level u1[v].
    """

    columns: I8
    slot: I8
    variant: I8
    default: U1
    first: I8
    value: I8
    level: U1


class StateLimits(Check):
    """Levels of values that are listed. Stateless."""

    word = "state"
    schema: ClassVar = {"label": {"type": ["string", "null"]}}

    @classmethod
    def of(cls, all_of: Variants) -> StateLimits:
        columns, slot, variant = all_of.of("states")
        found = [s for v in variant if (s := all_of.alarms[v].states)]
        levels = [pair for s in found for pair in s.levels]
        listed = Listed(
            columns,
            slot,
            variant,
            default=np.array([s.default for s in found], np.uint8),
            first=np.cumsum([0, *(len(s.levels) for s in found)]),
            value=np.array([value for value, _ in levels], np.int64),
            level=np.array([level for _, level in levels], np.uint8),
        )
        return cls(listed)

    def __init__(self, listed: Listed) -> None:
        self._listed, self._places = listed, places_of(listed.variant)
        self.state = {}

    @property
    def is_idle(self) -> bool:
        return not len(self._listed.columns)

    def feed(self, rows: Rows, time_ns: I8, variant: I8, scores: Scores) -> None:  # noqa: ARG002
        if not self.is_idle:
            states(rows.eng, self._listed, variant, scores.enter, scores.leave)

    def level(self, variant: int, value: int) -> int:
        """Level of a value under a variant; 0 if the variant has no state alarm."""
        a = self._listed
        for c in self._places.get(variant, ()):
            rows = slice(a.first[c], a.first[c + 1])
            levels = a.level[rows][a.value[rows] == value]
            return int(levels[0] if len(levels) else a.default[c])
        return 0

    def reason(self, sample: Sample) -> dict[str, Any] | None:
        if not np.isfinite(sample.observed):
            return None
        level = self.level(sample.variant, int(sample.observed))
        if not level:
            return None
        label = sample.labels.get(int(sample.observed))
        return {"check": self.word, "level": Level(level).word, "label": label}

    @staticmethod
    def words(reason: dict[str, Any], unit: str) -> str:  # noqa: ARG004
        return f"which is {reason['label']} ({reason['level']})"


@kernel
def states(eng: F8, a: Listed, in_force: I8, enter: U1, leave: U1) -> None:
    for i in range(len(eng)):
        for c in range(len(a.columns)):
            j = a.slot[c]
            if enter[i, j] == NO_VERDICT or in_force[i, j] != a.variant[c]:
                continue
            word, x = a.default[c], np.int64(eng[i, a.columns[c]])
            for v in range(a.first[c], a.first[c + 1]):
                if a.value[v] == x:
                    word = a.level[v]
            enter[i, j] = max(enter[i, j], word)
            leave[i, j] = max(leave[i, j], word)
