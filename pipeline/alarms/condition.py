"""Conditions that are an alarm (XTCE 1.2, AlarmConditions and StringAlarmList): the first of a list
that holds gives its level."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pipeline.alarms.check import Check, Sample, Variants, places_of
from pipeline.kernel import kernel
from schemas.columns import I8, NO_VERDICT, U1, Rows, Scores
from schemas.mission import Level


class Asked(NamedTuple):
    """Of c variants with conditions: slot, variant i8[c]; choice i8[c]: column of Rows.choice with
    the condition that holds, from 1; first i8[c + 1]: where the levels u1 of each begin."""

    slot: I8
    variant: I8
    choice: I8
    first: I8
    level: U1


class Conditions(Check):
    word = "condition"

    def __init__(self, asked: Asked) -> None:
        self._asked, self._places = asked, places_of(asked.variant)
        self.state = {}

    @classmethod
    def of(cls, all_of: Variants) -> Conditions:
        columns, slot, variant = all_of.of("conditions")
        found = [all_of.alarms[v].conditions for v in variant]
        asked = [all_of.asked(int(i), c) for i, c in zip(columns, found, strict=True)]
        levels = [level for conditions in found for _, level in conditions]
        first = np.cumsum([0, *map(len, found)])
        choice = np.array(asked, np.int64)
        return cls(Asked(slot, variant, choice, first, np.array(levels, np.uint8)))

    @property
    def is_idle(self) -> bool:
        return not len(self._asked.variant)

    def feed(self, rows: Rows, time_ns: I8, variant: I8, scores: Scores) -> None:  # noqa: ARG002
        if not self.is_idle:
            conditions(rows.choice, self._asked, variant, scores.enter, scores.leave)

    def reason(self, sample: Sample) -> dict[str, Any] | None:
        a = self._asked
        for c in self._places.get(sample.variant, ()):
            held = int(sample.rows.choice[sample.row, a.choice[c]])
            level = Level(int(a.level[a.first[c] + held - 1])) if held else Level.NORMAL
            if level:  # a text may be listed as normal
                return {"check": self.word, "level": level.word}
        return None

    @staticmethod
    def words(reason: dict[str, Any], unit: str) -> str:  # noqa: ARG004
        return f"which meets a condition of its {reason['level']} alarm"


@kernel
def conditions(choice: U1, a: Asked, in_force: I8, enter: U1, leave: U1) -> None:
    for i in range(len(choice)):
        for c in range(len(a.slot)):
            j, held = a.slot[c], choice[i, a.choice[c]]
            if held == 0 or enter[i, j] == NO_VERDICT or in_force[i, j] != a.variant[c]:
                continue
            word = a.level[a.first[c] + held - 1]
            enter[i, j] = max(enter[i, j], word)
            leave[i, j] = max(leave[i, j], word)
