"""Static alarm ranges of one container, on rows as they arrive (XTCE 1.2, StaticAlarmRanges)."""

from __future__ import annotations

import numpy as np

from pipeline.kernel import kernel
from schemas.columns import F8, I8, NO_WORD, U1, Quality, Rows, Scores

_BAD = np.uint8(Quality.INVALID)
_NO_WORD = np.uint8(NO_WORD)


class Limits:
    """Instantaneous levels of the columns that have alarm ranges; stateless.

    low, high: f8[5, a] inclusive bounds of each level; deadband: f8[a] in engineering units, by
    which a value must come back inside a bound before the level counts as left.
    """

    def __init__(self, columns: I8, low: F8, high: F8, deadband: F8) -> None:
        self.columns, self.low, self.high = columns, low, high
        self._deadband = deadband
        self._tight_low, self._tight_high = low.max(axis=0), high.min(axis=0)
        self._room(0)

    def _room(self, n: int) -> None:
        a = len(self.columns)
        self._enter, self._leave = np.empty((n, a), np.uint8), np.empty((n, a), np.uint8)
        self._nothing = np.empty((0, a))

    def feed(self, rows: Rows) -> Scores:
        """Levels of [k, a]; a prediction there is none. Views, valid until the next feed."""
        k = len(rows.packet)
        if k > len(self._enter):
            self._room(k)
        levels(
            rows.eng, rows.quality, self.columns, self.low, self.high, self._deadband,
            self._tight_low, self._tight_high, self._enter, self._leave,
        )  # fmt: skip
        none = self._nothing
        return Scores(self._enter[:k], self._leave[:k], none, none, none)

    def crossed(self, column: int, level: int, value: float) -> float | None:
        """The bound of `level` that the value lies beyond; None where it does not."""
        if level == 0:
            return None
        low, high = self.low[level - 1, column], self.high[level - 1, column]
        if value > high:
            return float(high)
        return float(low) if value < low else None


@kernel
def levels(
    eng: F8,
    quality: U1,
    columns: I8,
    low: F8,
    high: F8,
    deadband: F8,
    tight_low: F8,
    tight_high: F8,
    enter: U1,
    leave: U1,
) -> None:
    for i in range(len(eng)):
        for j in range(len(columns)):
            x = eng[i, columns[j]]
            bad = quality[i, columns[j]] & _BAD or x != x
            word = np.uint8(0)
            stay = np.uint8(0)
            d = deadband[j]
            if x < tight_low[j] + d or x > tight_high[j] - d:
                for v in range(5):
                    if x < low[v, j] or x > high[v, j]:
                        word = np.uint8(v + 1)
                    if x < low[v, j] + d or x > high[v, j] - d:
                        stay = np.uint8(v + 1)
            enter[i, j] = _NO_WORD if bad else word
            leave[i, j] = _NO_WORD if bad else stay
