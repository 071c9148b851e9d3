"""Statistics against a slow reference that keeps every sample."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pipeline.statistics import Statistics
from pipeline.statistics.panes import FILLED
from schemas.columns import FIGURES, Grid, Quality
from schemas.settings import WindowSettings

SECOND = 1_000_000_000
RANKS = (0.05, 0.5, 0.95)


def run(time: np.ndarray, value: np.ndarray, quality: np.ndarray | None = None) -> list[dict]:  # type: ignore[type-arg]
    none = np.zeros(0, np.int64)
    quality = np.zeros(value.shape, np.uint8) if quality is None else quality
    grid = Grid(time, np.arange(len(time)), value, quality, none, none, none, none)
    stage = Statistics(value.shape[1], WindowSettings(60, 10), RANKS)
    return [
        {"end": int(w.end_ns[e]), "panes": int(w.panes[e]), "figures": w.figures[e].copy(),
         "quality": w.quality[e].copy()}
        for w in stage.feed(grid)
        for e in range(len(w.end_ns))
    ]  # fmt: skip


def reference(time: np.ndarray, x: np.ndarray, end: int) -> dict[str, float]:  # type: ignore[type-arg]
    inside = (time >= end - 60 * SECOND) & (time < end) & ~np.isnan(x)
    t, v = time[inside], x[inside]
    if not len(v):
        return {"count": 0}
    spread = v - v.mean()
    return {
        "count": len(v),
        "mean": float(np.mean(v)),
        "std": float(np.sqrt((spread**2).sum() / (len(v) - 1))) if len(v) > 1 else math.nan,
        "min": float(v.min()),
        "max": float(v.max()),
        "rms": float(np.sqrt(v.mean() ** 2 + (spread**2).mean())),
        "rate": (v[-1] - v[0]) / ((t[-1] - t[0]) / 1e9) if len(v) > 1 else math.nan,
    }


def streams(rng: np.random.Generator, n: int) -> np.ndarray:  # type: ignore[type-arg]
    """A column a kind: noise, offset 1e9, constant, denormals, drift, mostly absent, wide."""
    columns = [
        rng.normal(0, 1, n),
        1e9 + rng.normal(0, 1, n),
        np.full(n, -3.25),
        rng.integers(0, 40, n) * 5e-324,
        np.linspace(-1e6, 1e6, n),
        np.where(rng.random(n) < 0.9, np.nan, rng.normal(5, 2, n)),
        rng.normal(0, 1, n) * 10.0 ** rng.integers(-100, 100, n),
    ]
    return np.array(columns).T.copy()


def test_against_reference(rng: np.random.Generator) -> None:
    n = 2000
    time = 1_700_000_003 * SECOND + np.cumsum(rng.integers(SECOND // 10, SECOND, n))
    value = streams(rng, n)
    windows = run(time, value)
    assert len(windows) > 50
    for w in windows:
        for j in range(value.shape[1]):
            want = reference(time, value[:, j], w["end"])
            got = dict(zip(FIGURES, w["figures"][:7, j], strict=True))
            assert got["count"] == want["count"]
            if not want["count"]:
                assert np.isnan(w["figures"][1:, j]).all()
                continue
            # denormals are 5e-324 apart: a sum of 60 of them rounds by a few
            scale = max(abs(want["min"]), abs(want["max"]), 5e-311)
            for name in ("mean", "min", "max", "rms"):
                assert got[name] == pytest.approx(want[name], rel=1e-12, abs=1e-12 * scale)
            if want["count"] > 1:
                spread = want["max"] - want["min"]
                assert got["std"] == pytest.approx(want["std"], rel=1e-6, abs=1e-9 * spread)
                assert got["rate"] == pytest.approx(want["rate"], rel=1e-6, abs=1e-300)


def test_std_at_an_offset(rng: np.random.Generator) -> None:
    """Unit variance at 1e9, where a sum of squares would say anything."""
    n = 600
    time = 1_700_000_000 * SECOND + np.arange(n) * SECOND // 10
    value = 1e9 + rng.normal(0, 1, (n, 1))
    last = run(time, value)[-1]["figures"]
    assert 0.85 < last[2, 0] < 1.15


def test_quantiles_within_the_stated_error(rng: np.random.Generator) -> None:
    n = 3000
    time = 1_700_000_000 * SECOND + np.cumsum(rng.integers(SECOND // 10, SECOND // 2, n))
    value = streams(rng, n)[:, [0, 1, 2, 4]]
    for w in run(time, value):
        for j in range(value.shape[1]):
            inside = (time >= w["end"] - 60 * SECOND) & (time < w["end"])
            v = np.sort(value[inside, j])
            allowed = w["figures"][-1, j]
            two_windows = (time >= w["end"] - 120 * SECOND) & (time < w["end"])
            assert allowed <= 2 / FILLED * np.ptp(value[two_windows, j])
            for r, rank in enumerate(RANKS):
                at = rank * len(v)
                low = v[max(0, math.ceil(at) - 1)]
                high = v[min(len(v) - 1, math.floor(at))]
                got = w["figures"][7 + r, j]
                assert min(low, high) - allowed <= got <= max(low, high) + allowed


def test_one_sample() -> None:
    time = np.array([0, 70]) * SECOND + 1_700_000_000 * SECOND
    w = run(time, np.array([[4.0], [5.0]]))[0]
    count, mean, std, low, high, rms, rate = w["figures"][:7, 0]
    assert (count, mean, low, high, rms) == (1, 4, 4, 4, 4)
    assert np.isnan(std)
    assert np.isnan(rate)
    assert (w["figures"][7:-1, 0] == 4).all()
    assert w["figures"][-1, 0] == 0


def test_a_gap_closes_windows_until_they_are_empty() -> None:
    """Six panes after the last sample nothing is left to say; a year later it goes on."""
    begin = 1_700_000_000 * SECOND
    time = np.array([begin, begin + 365 * 86400 * SECOND])
    windows = run(time, np.ones((2, 1)))
    ends = [(w["end"] - begin) // SECOND for w in windows]
    assert ends == [10, 20, 30, 40, 50, 60]
    assert all(w["panes"] == 1 for w in windows)


def test_quality_is_counted() -> None:
    time = 1_700_000_000 * SECOND + np.arange(12) * SECOND
    quality = np.zeros((12, 1), np.uint8)
    quality[2:5] = int(Quality.HELD)
    quality[4] |= int(Quality.AFTER_GAP)
    w = run(time, np.ones((12, 1)), quality)[0]
    assert w["quality"][3, 0] == 3
    assert w["quality"][5, 0] == 1


def test_far_values_gaps_and_resume(rng: np.random.Generator) -> None:
    """Values from 1e-300 to 1e300, infinities, silences: found in a conversion that overflowed."""
    n = 400
    gap = rng.random(n) < 0.03
    step = np.where(gap, rng.integers(0, 200 * SECOND, n), rng.integers(1, 2 * SECOND, n))
    time = 1_700_000_000 * SECOND + np.cumsum(step)
    value = streams(rng, n)
    value[:, 0] *= 10.0 ** rng.integers(-300, 300, n)
    value[rng.random(value.shape) < 0.05] = np.inf
    none = np.zeros(0, np.int64)

    def feed(stage: Statistics, part: slice) -> list[bytes]:
        zero = np.zeros(value[part].shape, np.uint8)
        grid = Grid(time[part], np.arange(n)[part], value[part], zero, none, none, none, none)
        return [
            w.end_ns[e].tobytes() + w.figures[e].tobytes()
            for w in stage.feed(grid)
            for e in range(len(w.end_ns))
        ]

    def make() -> Statistics:
        return Statistics(value.shape[1], WindowSettings(60, 10), RANKS)

    whole = feed(make(), slice(0, n))
    assert whole
    for cut in rng.integers(1, n, 5):
        first, second = make(), make()
        before = feed(first, slice(0, cut))
        second.restore(first.snapshot())
        assert before + feed(second, slice(cut, n)) == whole


def quantiles_of(value: np.ndarray) -> list[np.ndarray]:  # type: ignore[type-arg]
    time = 1_700_000_000 * SECOND + np.arange(len(value)) * SECOND
    return [w["figures"][7:, 0] for w in run(time, value[:, None])]


def test_a_constant_after_a_spike_does_not_blur_what_follows(rng: np.random.Generator) -> None:
    value = np.concatenate([[1e6], np.full(1200, 20.0), 20 + rng.normal(0, 0.01, 120)])
    for figures in quantiles_of(value)[-10:]:
        assert figures[-1] < 0.02


def test_tiny_values_beside_a_huge_one_keep_their_place() -> None:
    value = np.full(70, -1e-20)
    value[30] = 1e308
    low, middle, high, error = quantiles_of(value)[5]
    assert abs(low) <= error
    assert abs(middle) <= error
    assert low <= middle <= high <= 1e308
    assert middle < 1e307
