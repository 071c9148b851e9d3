"""Static alarm ranges of one container, on rows as they arrive (XTCE 1.2, NumericAlarmType).

A monitored column has one variant of its alarm, or several by context (ContextAlarmList); each row
is judged by the variant in force there. Variants of all columns stand in one table.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from pipeline.alarms.check import NO_CHOICE, Check, Sample, beyond
from pipeline.kernel import kernel
from pipeline.outputs.alerts import number_or_none
from schemas.columns import F8, I8, NO_VERDICT, U1, Quality, Rows, Scores, State
from schemas.mission import ALARM_LEVELS, Five, Level

_BAD = np.uint8(Quality.INVALID)


class Ranges(NamedTuple):
    """Of v variants. low, high f8[5, v]: inclusive bounds of each level (form "outside").

    Bands (form "inside") band_first[v] to band_first[v + 1] have level, low and high, inclusive.
    """

    low: F8
    high: F8
    band_first: I8
    band_level: U1
    band_low: F8
    band_high: F8


class Judged(NamedTuple):
    """The columns that have alarms.

    columns i8[a] of the rows. first i8[a]: variant of each column without a context; context i8[a]:
    column of Rows.choice with the number to add to `first` for the variant in force, or NO_CHOICE.
    text u1[a]: whether its values are not numbers. deadband f8[a] in engineering units, by which
    a value must come back inside a bound before the level counts as left.
    """

    columns: I8
    first: I8
    context: I8
    text: U1
    deadband: F8


class Calm(NamedTuple):
    """f8[a] each: a value between them has no level, and is in no deadband."""

    low: F8
    high: F8


class _Bound(NamedTuple):
    """What one level of one variant is judged by; bands: low and high of each."""

    level: Level
    low: float
    high: float
    bands: tuple[tuple[float, float], ...]

    def crossed(self, value: float) -> float | None:
        """The bound that the value lies beyond, or the nearer end of the band it is in."""
        if beyond(value, self.low, self.high):
            return self.high if value > self.high else self.low
        for low, high in self.bands:
            if low <= value <= high:
                return low if value - low <= high - value else high
        return None


class _Known(NamedTuple):
    """One variant in plain numbers, and as alerts have it. by_level: those that have a bound or a
    band, the most severe first."""

    by_level: dict[int, _Bound]
    told: dict[str, Any]


class Limits(Check):
    """Instantaneous levels of the columns that have alarms. State: their bounds, which a control
    record may change.
    """

    word = "static"

    def __init__(self, judged: Judged, ranges: Ranges) -> None:
        self.columns, self._judged, self.ranges = judged.columns, judged, ranges
        self.state = {"low": ranges.low, "high": ranges.high}
        self._calm = Calm(np.empty(len(judged.first)), np.empty(len(judged.first)))
        self._set_calm()
        # whether rows may be judged by more than the bounds of one variant
        bands = np.diff(ranges.band_first) > 0
        self._always = bool(bands.any() or (judged.context != NO_CHOICE).any())
        self.is_plain = not self._always
        self.first = judged.first[None, :].copy()
        self._room(0)

    def site(self) -> tuple[Any, ...]:
        """Arguments of its kernel where it is plain; what comes with a batch is empty."""
        words = np.zeros((0, 0), np.uint8)
        return (
            np.zeros((0, 0)), words, self._judged, self.first, self.ranges, self._calm, False,
            words, words,
        )  # fmt: skip

    def variants(self, rows: int) -> I8:
        """The variant in force in each of so many rows, where it is plain."""
        if rows > len(self.variant):
            self._room(rows)
        return self.variant

    def _set_calm(self) -> None:
        first, deadband = self._judged.first, self._judged.deadband
        self._calm.low[:] = self.ranges.low.max(axis=0)[first] + deadband
        self._calm.high[:] = self.ranges.high.min(axis=0)[first] - deadband
        self._known: dict[int, _Known] = {}

    def restore(self, state: State) -> None:
        super().restore(state)
        self._set_calm()

    def set(self, column: int, low: Five, high: Five) -> None:
        """Set other bounds for a column, in every context."""
        first = self._judged.first
        last = first[column + 1] if column + 1 < len(first) else self.ranges.low.shape[1]
        for variant in range(first[column], last):
            self.ranges.low[:, variant], self.ranges.high[:, variant] = low, high
        self._set_calm()

    def usual(self, column: int) -> tuple[F8, F8]:
        """Bounds of a column outside every context, a value a level."""
        variant = self._judged.first[column]
        return self.ranges.low[:, variant], self.ranges.high[:, variant]

    def _room(self, n: int) -> None:
        a = len(self.columns)
        self._enter, self._leave = np.empty((n, a), np.uint8), np.empty((n, a), np.uint8)
        self.variant = np.tile(self._judged.first, (n, 1))
        self._nothing = np.empty((0, a))

    def levels(self, rows: Rows) -> Scores:
        """Levels of [k, a], without predictions. Views, valid until the next feed.

        Afterwards `variant` i8[k, a] holds the variant in force in each row.
        """
        k = len(rows.packet)
        if k > len(self._enter):
            self._room(k)
        if self._always:
            in_force(rows.choice, self._judged, self.variant)
        static_levels(
            rows.eng, rows.quality, self._judged, self.variant, self.ranges, self._calm,
            self._always, self._enter, self._leave,
        )  # fmt: skip
        none = self._nothing
        return Scores(self._enter[:k], self._leave[:k], none, none, none)

    def crossed(self, variant: int, level: int, value: float) -> float | None:
        """The bound of `level` that the value lies beyond, or the nearer end of the band it is in.

        None if neither applies.
        """
        bound = self._of(variant).by_level.get(level)
        return bound.crossed(value) if bound else None

    def ranges_in_force(self, variant: int) -> dict[str, Any]:
        """The ranges and bands of a variant, as alerts have them."""
        return self._of(variant).told

    def reason(self, sample: Sample) -> dict[str, Any] | None:
        for bound in self._of(sample.variant).by_level.values():
            limit = bound.crossed(sample.observed)
            if limit is not None:
                return {"check": self.word, "level": bound.level.word, "limit": limit}
        return None

    def _of(self, variant: int) -> _Known:
        known = self._known.get(variant)
        if known is None:
            known = self._known[variant] = self._read(variant)
        return known

    def _read(self, variant: int) -> _Known:
        r = self.ranges
        bands = [
            (int(r.band_level[i]), float(r.band_low[i]), float(r.band_high[i]))
            for i in range(*r.band_first[variant : variant + 2])
        ]
        every = [
            _Bound(level, low, high, tuple((a, b) for of, a, b in bands if of == level))
            for level, low, high in zip(
                ALARM_LEVELS, r.low[:, variant].tolist(), r.high[:, variant].tolist(), strict=True
            )
        ]
        outside = {
            b.level.word: [number_or_none(b.low), number_or_none(b.high)]
            for b in every
            if math.isfinite(b.low) or math.isfinite(b.high)
        }
        inside = [[Level(v).word, number_or_none(a), number_or_none(b)] for v, a, b in bands]
        found = {"ranges": outside, "bands": inside}
        by_level = {int(b.level): b for b in reversed(every) if b.level.word in outside or b.bands}
        return _Known(by_level, {name: value for name, value in found.items() if value})

    @staticmethod
    def words(reason: dict[str, Any], unit: str) -> str:
        return f"beyond its {reason['level']} limit {reason['limit']:g}{unit}"


@kernel
def in_force(choice: U1, a: Judged, variant: I8) -> None:
    for i in range(len(choice)):
        for j in range(len(a.first)):
            further = choice[i, a.context[j]] if a.context[j] != NO_CHOICE else np.uint8(0)
            variant[i, j] = a.first[j] + further


@kernel
def static_levels(
    eng: F8,
    quality: U1,
    a: Judged,
    variant: I8,
    r: Ranges,
    calm: Calm,
    always: bool,
    enter: U1,
    leave: U1,
) -> None:
    """Most rows are calm: levels are determined only in rows where some value is not."""
    columns = a.columns
    for i in range(len(eng)):
        stirred = np.uint8(always)
        for j in range(len(columns)):
            x = eng[i, columns[j]]
            bad = ((quality[i, columns[j]] & _BAD) != 0) | ((x != x) & (a.text[j] == 0))
            stirred |= np.uint8((x < calm.low[j]) | (x > calm.high[j]))
            word = NO_VERDICT if bad else np.uint8(0)
            enter[i, j] = word
            leave[i, j] = word
        if stirred:
            for j in range(len(columns)):
                x, d = eng[i, columns[j]], a.deadband[j]
                v = variant[min(i, len(variant) - 1), j]
                if enter[i, j] == NO_VERDICT:
                    continue
                for n in range(5):
                    if x < r.low[n, v] or x > r.high[n, v]:
                        enter[i, j] = np.uint8(n + 1)
                    if x < r.low[n, v] + d or x > r.high[n, v] - d:
                        leave[i, j] = np.uint8(n + 1)
                for n in range(r.band_first[v], r.band_first[v + 1]):
                    if r.band_low[n] <= x <= r.band_high[n]:
                        enter[i, j] = max(enter[i, j], r.band_level[n])
                    if r.band_low[n] - d <= x <= r.band_high[n] + d:
                        leave[i, j] = max(leave[i, j], r.band_level[n])
