"""Statistics and a model beside what a notebook would use: pandas' rolling windows, river."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
from river import stats

from benchmarks.timing import compare, seconds
from pipeline.models.residual import Residual, ResidualRule
from pipeline.models.shared.contract import GroupParameter
from pipeline.statistics import Statistics
from schemas.columns import Grid
from schemas.mission import ParameterType
from schemas.settings import WindowSettings

SECOND, ROWS, WIDTH, PANE, WINDOW = 1_000_000_000, 6_000, 25, 10, 60
OPEN = (float("inf"),) * 5
FIGURES = (1, 2, 3, 4)  # mean, std, min, max


def run() -> list[str]:
    rng = np.random.default_rng(1)
    time = 1_700_000_000 * SECOND + SECOND * np.arange(ROWS)
    value = np.cumsum(rng.normal(0, 1, (ROWS, WIDTH)), axis=0)
    none = np.zeros(0, np.int64)
    quality = np.zeros(value.shape, np.uint8)
    grid = Grid(time, np.arange(ROWS), value, quality, none, none, none, none)
    return [*_windows(grid), *_models(grid)]


def _windows(grid: Grid) -> list[str]:
    """Windows of 60 s: ours at every pane's end, theirs at every sample; equal where both are."""
    frame = pd.DataFrame(grid.value)

    def ours() -> Any:
        stage = Statistics(WIDTH, WindowSettings(WINDOW, PANE), (0.05, 0.5, 0.95))
        return np.concatenate([w.figures.copy() for w in stage.feed(grid)])

    def theirs() -> list[Any]:
        rolling = frame.rolling(WINDOW)
        return [
            rolling.mean(), rolling.std(), rolling.min(), rolling.max(),
            *(rolling.quantile(q) for q in (0.05, 0.5, 0.95)),
        ]  # fmt: skip

    mine, other = ours(), theirs()
    full = WINDOW // PANE - 1  # the first window that is whole
    for figure, table in zip(FIGURES, other, strict=False):
        at_ends = table.to_numpy()[WINDOW - 1 :: PANE][: len(mine) - full]
        np.testing.assert_allclose(mine[full:, figure], at_ends, rtol=1e-6, atol=1e-9)
    pair, n = compare(ours, theirs, 3), grid.value.size
    return [
        f"statistics of {WIDTH} parameters at 1 Hz over {WINDOW} s; mean, std, min, max equal",
        f"  heartline, every {PANE} s, 10 figures {n / pair.mine / 1e6:8.2f} M samples/s",
        f"  pandas rolling, every s, 7       {n / pair.other / 1e6:8.2f} M samples/s",
        f"  heartline is {pair.ratio:.0f} × pandas",
    ]


def _models(grid: Grid) -> list[str]:
    """The adaptive residual against river's exponentially weighted mean and variance."""
    kind = ParameterType("T", "float")
    known = [GroupParameter(f"P{i}", kind, tuple(-x for x in OPEN), OPEN) for i in range(WIDTH)]
    model = Residual(known, SECOND, [ResidualRule()] * WIDTH)
    rows = grid.value[:500].tolist()

    def theirs() -> None:
        means = [stats.EWMean(0.1) for _ in range(WIDTH)]
        variances = [stats.EWVar(0.1) for _ in range(WIDTH)]
        for row in rows:
            for x, mean, variance in zip(row, means, variances, strict=True):
                mean.update(x)
                variance.update(x)

    model.feed(grid)
    mine = min(seconds(lambda: model.feed(grid)) for _ in range(5)) / grid.value.size
    other = min(seconds(theirs) for _ in range(3)) / (500 * WIDTH)
    return [
        "a model that follows a mean and a spread (not the same equations)",
        f"  heartline, adaptive residual      {1e-6 / mine:8.1f} M samples/s",
        f"  river, EWMean and EWVar           {1e-6 / other:8.1f} M samples/s",
        f"  heartline is {other / mine:.0f} × river",
    ]
