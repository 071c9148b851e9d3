"""Unwraps counters, so that a wrap is no step for a model or a rate (`counter = true`).

A value that falls by more than half of its range has wrapped. A counter that falls by less (a
reboot near its beginning) has been set back, and that remains a step.
"""

from __future__ import annotations

import numpy as np

from pipeline.kernel import kernel
from schemas.columns import F8, I8, U1, Quality
from schemas.mission import IntegerEncoding, ParameterType, Polynomial
from schemas.state import Stateful

_INVALID = np.uint8(Quality.INVALID)


def span(kind: ParameterType) -> float:
    """Engineering units from one wrap to the next. ValueError where it is no such counter."""
    e, c = kind.encoding, kind.calibrator
    straight = c is None or (isinstance(c, Polynomial) and len(c.coefficients) == 2)
    if not isinstance(e, IntegerEncoding) or e.coding != "unsigned" or kind.labels or not straight:
        raise ValueError("counter = true is for unsigned integers, calibrated by a line if at all")
    if kind.context_calibrators or e.bits > 53:
        raise ValueError("counter = true is for counters of 53 bits at most, without a context")
    slope = 1.0 if c is None else c.coefficients[1]  # type: ignore[union-attr]
    if not slope > 0:
        raise ValueError("counter = true is for counters that rise")
    return float(slope) * float(2**e.bits)


class Unwrap(Stateful):
    """columns i8[f] of the ordered ones; span f8[f] of each."""

    def __init__(self, columns: I8, span: F8) -> None:
        self._columns, self._span = columns, span
        f = len(columns)
        self.state = {"last": np.full(f, np.nan), "turns": np.zeros(f)}

    def feed(self, eng: F8, quality: U1) -> None:
        """Overwrites its columns of eng [k, c]."""
        s = self.state
        unwrap(eng, quality, self._columns, self._span, s["last"], s["turns"])


@kernel
def unwrap(eng: F8, quality: U1, columns: I8, span: F8, last: F8, turns: F8) -> None:
    for i in range(len(eng)):
        for j in range(len(columns)):
            x = eng[i, columns[j]]
            if (quality[i, columns[j]] & _INVALID) != 0 or x != x:
                continue
            if last[j] - x > 0.5 * span[j]:  # false for the first value
                turns[j] += 1.0
            last[j] = x
            eng[i, columns[j]] = x + turns[j] * span[j]
