"""Change alarms of one container: how far a value moved since the sample before (XTCE 1.2,
ChangeAlarmRanges), per sample or per second of generation time.

They raise the levels of the static limits, so that one monitor evaluates both: the more severe
counts. An invalid value is skipped, and the next good one is compared with the last good one.
"""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import numpy as np

from pipeline.alarms.check import Check, Sample, Variants, beyond, bounds_of, places_of
from pipeline.kernel import kernel
from schemas.columns import F8, I8, NEVER, NO_VERDICT, U1, Quality, Rows, Scores
from schemas.mission import Level

_BAD = np.uint8(Quality.INVALID)
_MOST = float(np.finfo(np.float64).max)


class Bounds(NamedTuple):
    """columns i8[c] of the rows; slot i8[c]: their places among the monitored columns; variant
    i8[c]: of the alarm that asks for it.

    low, high f8[5, c] inclusive bounds of the change; per_second u1[c].
    """

    columns: I8
    slot: I8
    variant: I8
    low: F8
    high: F8
    per_second: U1


class Before(NamedTuple):
    """f8[c], i8[c]: the last good sample."""

    value: F8
    time: I8


class ChangeLimits(Check):
    word = "change"
    schema: ClassVar = {"per": {"enum": ["second", "sample"]}}

    @classmethod
    def of(cls, all_of: Variants) -> ChangeLimits:
        columns, slot, variant = all_of.of("change")
        found = [c for v in variant if (c := all_of.alarms[v].change)]
        low, high = (bounds_of([getattr(c, side) for c in found]) for side in ("low", "high"))
        per_second = np.array([c.per_second for c in found], np.uint8)
        return cls(Bounds(columns, slot, variant, low, high, per_second))

    def __init__(self, bounds: Bounds) -> None:
        self.columns, self._bounds, c = bounds.columns, bounds, len(bounds.columns)
        self._places = places_of(bounds.variant)
        self._before = Before(np.zeros(c), np.full(c, NEVER, np.int64))
        self.state = self._before._asdict()
        self._change = np.empty((0, c))

    def begin(self) -> None:
        """Reset, as if no row had come before."""
        self._before.value[:], self._before.time[:] = 0.0, NEVER

    @property
    def is_idle(self) -> bool:
        return not len(self.columns)

    def feed(self, rows: Rows, time_ns: I8, variant: I8, scores: Scores) -> None:
        """Raise levels where a change lies outside its ranges. The last sample is remembered even
        while another variant is in force."""
        if self.is_idle:
            return
        if len(rows.packet) > len(self._change):
            self._change = np.empty((len(rows.packet), len(self.columns)))
        changes(
            rows.eng, rows.quality, time_ns, self._bounds, variant, self._before, self._change,
            scores.enter, scores.leave,
        )  # fmt: skip

    def reason(self, sample: Sample) -> dict[str, Any] | None:
        b = self._bounds
        for c in self._places.get(sample.variant, ()):
            change = float(self._change[sample.row, c])
            low, high = b.low[:, c], b.high[:, c]
            level = max((v + 1 for v in range(5) if beyond(change, low[v], high[v])), default=0)
            if level:
                bound = high[level - 1] if change > high[level - 1] else low[level - 1]
                per = "second" if b.per_second[c] else "sample"
                return {
                    "check": self.word, "level": Level(level).word, "per": per,
                    "observed": change, "limit": float(bound),
                }  # fmt: skip
        return None

    @staticmethod
    def words(reason: dict[str, Any], unit: str) -> str:
        limit = f"{reason['level']} limit {reason['limit']:g}{unit}"
        return f"changing by {reason['observed']:g}{unit} a {reason['per']}, beyond its {limit}"


@kernel
def changes(
    eng: F8,
    quality: U1,
    time: I8,
    b: Bounds,
    in_force: I8,
    before: Before,
    change: F8,
    enter: U1,
    leave: U1,
) -> None:
    columns, per_second, value, last = b.columns, b.per_second, before.value, before.time
    for i in range(len(eng)):
        for c in range(len(columns)):
            x, j = eng[i, columns[c]], b.slot[c]
            change[i, c] = np.nan
            if quality[i, columns[c]] & _BAD or not abs(x) < np.inf:
                continue
            moved, lasted = x - value[c], np.float64(time[i] - last[c]) * 1e-9
            begun = last[c] != NEVER
            value[c], last[c] = x, time[i]
            if not begun or in_force[i, j] != b.variant[c]:
                continue
            if per_second[c] and not lasted > 0.0:  # two samples of one time have no rate
                if enter[i, j] == 0:
                    enter[i, j], leave[i, j] = NO_VERDICT, NO_VERDICT
                continue
            moved = moved / lasted if per_second[c] else moved
            moved = min(max(moved, -_MOST), _MOST)  # the difference of two floats may overflow
            change[i, c] = moved
            word = np.uint8(0)
            for v in range(5):
                if moved < b.low[v, c] or moved > b.high[v, c]:
                    word = np.uint8(v + 1)
            if enter[i, j] != NO_VERDICT:
                enter[i, j] = max(enter[i, j], word)
                leave[i, j] = max(leave[i, j], word)
