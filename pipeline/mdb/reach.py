"""Which values a parameter can have: by its encoding, its calibrator and its valid range."""

from __future__ import annotations

import math

from schemas.mission import (
    FloatEncoding,
    IntegerEncoding,
    ParameterType,
    Polynomial,
    Spline,
)

HUGE = 1e100  # beyond any quantity of physics
SINGLE = 3.4028234663852886e38


def reach(kind: ParameterType) -> tuple[float, float]:
    """Smallest and largest engineering value; ±HUGE where no narrower bound is known."""
    low, high = _calibrated(kind, *_raw(kind))
    if kind.valid and kind.valid[2]:
        low, high = max(low, kind.valid[0]), min(high, kind.valid[1])
    return max(low, -HUGE), min(high, HUGE)


def _raw(kind: ParameterType) -> tuple[float, float]:
    e = kind.encoding
    if isinstance(e, IntegerEncoding) and e.coding in ("unsigned", "twosComplement"):
        if e.coding == "unsigned":
            return 0.0, float(2**e.bits - 1)
        return -float(2 ** (e.bits - 1)), float(2 ** (e.bits - 1) - 1)
    if isinstance(e, FloatEncoding) and e.coding.startswith("IEEE754") and e.bits <= 32:
        return -SINGLE, SINGLE
    return -math.inf, math.inf


def _calibrated(kind: ParameterType, low: float, high: float) -> tuple[float, float]:
    c = kind.calibrator
    if kind.context_calibrators:
        return -math.inf, math.inf
    if c is None:
        return low, high
    if isinstance(c, Polynomial) and len(c.coefficients) <= 2:
        a, b = (*c.coefficients, 0.0, 0.0)[:2]
        ends = sorted((a + b * low, a + b * high)) if b else [a, a]
        return ends[0], ends[1]
    if isinstance(c, Spline) and not c.extrapolate:
        values = [y for _, y in c.points]
        return min(values), max(values)
    return -math.inf, math.inf


def never_fires(kind: ParameterType, ranges: dict[str, tuple[float | None, float | None]]) -> str:
    """A level whose range no value of the parameter can leave, and why; empty if there is none."""
    low, high = reach(kind)
    for level, (least, most) in ranges.items():
        below = least is not None and least > low
        above = most is not None and most < high
        if not (below or above):
            return f"{level} can never be reached: its values lie between {low:g} and {high:g}"
    return ""
