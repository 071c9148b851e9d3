"""A figure that joins by its row, in the middle: the others and the quantiles stay what they are."""

from __future__ import annotations

import sys
from typing import Any

from tests.contracts.edited import Line, edit

edit(
    Line("schemas.columns", "ROW = {", 'FIGURES = (*FIGURES[:2], "span", *FIGURES[2:])'),
    Line(
        "pipeline.statistics.moments",
        "        moved = ",
        "        out[_SPAN, j] = w.high[j] - w.low[j] if some else np.nan",
    ),
    Line("pipeline.statistics.moments", "_MAX, _RMS, _RATE = ", '_SPAN = ROW["span"]'),
)

import numpy as np  # noqa: E402
import orjson  # noqa: E402

from pipeline.outputs.closings import Closings  # noqa: E402
from pipeline.outputs.statistics import (  # noqa: E402
    GroupName,
    StatisticsForm,
    read_statistics,
)
from pipeline.statistics import Statistics  # noqa: E402
from schemas.columns import FIGURES, Grid  # noqa: E402
from schemas.settings import WindowSettings  # noqa: E402

SECOND = 1_000_000_000
RANKS = (0.05, 0.5, 0.95)


def test_it() -> None:
    assert FIGURES[2] == "span"
    value = np.random.default_rng(3).normal(0, 1, (61, 2))
    time, none = np.arange(61) * SECOND, np.zeros(0, np.int64)
    grid = Grid(time, np.arange(61), value, np.zeros((61, 2), np.uint8), none, none, none, none)
    window = WindowSettings(60, 60)
    (closed,) = Statistics(2, window, RANKS).feed(grid)
    form = StatisticsForm("s", [GroupName("/S/A", ("/S/P", "/S/Q"))], [window], RANKS)
    pool = Closings(form.widths, len(RANKS))
    pool.add(0, 0, closed)
    (record,) = form.records([0, 1], pool.order(), pool)
    (columns,) = read_statistics(form.form.definition, record, "s")
    for told in (columns, orjson.loads(form.json(pool.one(0), "x").value)):
        check(told, value[:60])


def check(told: dict[str, Any], x: np.ndarray[Any, Any]) -> None:
    np.testing.assert_allclose(told["span"], np.ptp(x, axis=0))
    np.testing.assert_allclose(told["min"], x.min(axis=0))
    np.testing.assert_allclose(told["max"], x.max(axis=0))
    np.testing.assert_allclose(told["std"], x.std(axis=0, ddof=1), rtol=1e-6)
    error = np.array(told["quantile_error"])
    for rank in RANKS:
        off = np.abs(np.array(told["quantiles"][f"{rank:g}"]) - np.quantile(x, rank, axis=0))
        assert (off <= error + 0.2).all(), (rank, off, error)


if __name__ == "__main__":
    test_it()
    sys.stdout.write("it is counted\n")
