"""A check of alarms from outside, in one file: a value that has doubled since the last one."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from pipeline.alarms.check import Check, Sample, Variants
from schemas.columns import I8, NO_VERDICT, Rows, Scores
from schemas.mission import Level


class Doubled(Check):
    word = "doubled"
    schema: ClassVar = {"times": {"type": "number"}}

    def __init__(self, columns: I8) -> None:
        self._columns = columns
        self.state = {"last": np.full(len(columns), np.nan)}
        self._times = np.empty((0, len(columns)))

    @classmethod
    def of(cls, all_of: Variants) -> Doubled:
        return cls(all_of.columns)

    def begin(self) -> None:
        self.state["last"][:] = np.nan

    def feed(self, rows: Rows, time_ns: I8, variant: I8, scores: Scores) -> None:  # noqa: ARG002
        self._times = np.full((len(rows.packet), len(self._columns)), np.nan)
        for i in range(len(rows.packet)):
            for j, column in enumerate(self._columns):
                x, before = rows.eng[i, column], self.state["last"][j]
                if scores.enter[i, j] == NO_VERDICT or not np.isfinite(x):
                    continue
                self._times[i, j] = x / before if before else np.nan
                self.state["last"][j] = x
                if self._times[i, j] >= 2:
                    scores.enter[i, j] = max(scores.enter[i, j], np.uint8(Level.WATCH))
                    scores.leave[i, j] = max(scores.leave[i, j], np.uint8(Level.WATCH))

    def reason(self, sample: Sample) -> dict[str, Any] | None:
        for j in range(len(self._columns)):
            times = float(self._times[sample.row, j])
            if times >= 2 and sample.rows.eng[sample.row, self._columns[j]] == sample.observed:
                return {"check": self.word, "level": Level.WATCH.word, "times": times}
        return None

    @staticmethod
    def words(reason: dict[str, Any], unit: str) -> str:  # noqa: ARG004
        return f"{reason['times']:.1f} times what it was"
