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
        # between them nothing is to be said, not even in a deadband
        self._calm_low, self._calm_high = low.max(axis=0) + deadband, high.min(axis=0) - deadband
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
            self._calm_low, self._calm_high, self._enter, self._leave,
        )  # fmt: skip
        none = self._nothing
        return Scores(self._enter[:k], self._leave[:k], none, none, none)

    def crossed(self, column: int, level: int, value: float) -> float | None:
        """The bound of `level` that the value lies beyond; None where it does not."""
        if level == 0:
            return None
        low, high = self.low[level - 1, column], self.high[level - 1, column]
        if not beyond(value, low, high):
            return None
        return float(high) if value > high else float(low)


def beyond(value: float, low: float, high: float) -> bool:
    return value < low or value > high


@kernel
def levels(
    eng: F8,
    quality: U1,
    columns: I8,
    low: F8,
    high: F8,
    deadband: F8,
    calm_low: F8,
    calm_high: F8,
    enter: U1,
    leave: U1,
) -> None:
    """Most rows are calm: what their values are worth is looked at only where one is not."""
    for i in range(len(eng)):
        stirred = np.uint8(0)
        for j in range(len(columns)):
            x = eng[i, columns[j]]
            bad = ((quality[i, columns[j]] & _BAD) != 0) | (x != x)
            stirred |= np.uint8((x < calm_low[j]) | (x > calm_high[j]))
            word = _NO_WORD if bad else np.uint8(0)
            enter[i, j] = word
            leave[i, j] = word
        if stirred:
            for j in range(len(columns)):
                x, d = eng[i, columns[j]], deadband[j]
                if enter[i, j] != _NO_WORD:
                    for v in range(5):
                        if x < low[v, j] or x > high[v, j]:
                            enter[i, j] = np.uint8(v + 1)
                        if x < low[v, j] + d or x > high[v, j] - d:
                            leave[i, j] = np.uint8(v + 1)
