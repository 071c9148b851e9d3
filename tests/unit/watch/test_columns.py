"""Statistics in columns on the screen: as their JSON records, whatever comes first."""

from __future__ import annotations

import hashlib

import numpy as np
import orjson
import pytest

from agents.watch.board import Board
from pipeline.outputs.closings import Closings
from pipeline.outputs.definitions import STATISTICS
from pipeline.outputs.statistics import GroupName, StatisticsForm
from schemas import topics
from schemas.columns import FIGURES, WindowBatch
from schemas.settings import WindowSettings
from tests.watching import NOW, S

Rng = np.random.Generator
GROUPS = [GroupName("/S/A", ("/S/A/P", "/S/A/Q")), GroupName("/S/B", ("/S/B/R",))]
WINDOW = WindowSettings(60, 10)


@pytest.fixture
def form() -> StatisticsForm:
    return StatisticsForm("hl1", GROUPS, [WINDOW], (0.5,))


@pytest.fixture
def pool(form: StatisticsForm, rng: Rng) -> Closings:
    """One closing of each group; what is no number is no figure."""
    made = Closings(form.widths, 1)
    for group, one in enumerate(GROUPS):
        f = len(one.parameters)
        figures = rng.normal(0, 1, (1, len(FIGURES) + 2, f))
        figures[0, 0], figures[0, 2, 0] = 60, np.nan
        quality = np.zeros((1, 8, f), np.uint32)
        quality[0, 3, 0] = 2 * group
        end, panes = np.array([NOW - S]), np.array([6], np.int32)
        made.add(group, 0, WindowBatch(end, np.array([0]), panes, figures, quality))
    return made


def shown(board: Board) -> list[tuple[str, ...]]:
    rows = [board.figure_row(key, NOW) for key in board.figures]
    return [tuple(str(getattr(row, name)) for name in row.__slots__) for row in rows]


def by_json(form: StatisticsForm, pool: Closings) -> list[tuple[str, ...]]:
    board = Board()
    for i in pool.order().tolist():
        record = orjson.loads(form.json(pool.one(i), "x").value)
        # the widths of columns: what is f4 there is the same here
        record["std"] = [None if x is None else float(np.float32(x)) for x in record["std"]]
        board.take(topics.STATISTICS, b"hl1", orjson.dumps(record), NOW)
    return shown(board)


@pytest.mark.parametrize("early", [False, True], ids=["defined before", "defined after"])
def test_as_json(form: StatisticsForm, pool: Closings, early: bool) -> None:
    (record,) = form.records([0, 2], pool.order(), pool)
    definition, name = form.form.definition, form.form.sha256
    board = Board()
    if early:
        board.take(topics.STATISTICS, b"hl1", record, NOW, named=name)
        assert not board.figures
    board.take(topics.DEFINITIONS, name.encode(), definition, NOW, named=STATISTICS)
    if not early:
        board.take(topics.STATISTICS, b"hl1", record, NOW, named=name)
    assert board.not_understood == 0
    assert shown(board) == by_json(form, pool)
    assert len(shown(board)) == 3


def test_an_early_record_that_is_not_ours_takes_no_other_along(
    form: StatisticsForm, pool: Closings
) -> None:
    (record,) = form.records([0, 2], pool.order(), pool)
    board = Board()
    for value in (record[:90], record, b"", record[:90]):
        board.take(topics.STATISTICS, b"hl1", value, NOW, named=form.form.sha256)
    name = form.form.sha256.encode()
    board.take(topics.DEFINITIONS, name, form.form.definition, NOW, named=STATISTICS)
    assert board.not_understood == 3
    assert len(shown(board)) == 3


def test_what_is_none_of_ours_is_counted(form: StatisticsForm, pool: Closings, rng: Rng) -> None:
    (record,) = form.records([0, 2], pool.order(), pool)
    definition, name = form.form.definition, form.form.sha256
    board = Board()
    board.take(topics.DEFINITIONS, b"another", definition, NOW, named=STATISTICS)
    assert board.not_understood == 1
    other = b"no stream at all"
    key = hashlib.sha256(other).hexdigest()
    board.take(topics.DEFINITIONS, key.encode(), other, NOW, named=STATISTICS)
    board.take(topics.STATISTICS, b"hl1", record, NOW, named=key)
    assert board.not_understood == 2
    board.take(topics.DEFINITIONS, name.encode(), definition, NOW, named=STATISTICS)
    for _ in range(300):
        broken = bytearray(record)
        for at in rng.integers(0, len(record), 3).tolist():
            broken[at] ^= 1 << int(rng.integers(0, 8))
        board.take(
            topics.STATISTICS,
            b"hl1",
            bytes(broken[: int(rng.integers(0, len(broken)))]),
            NOW,
            named=name,
        )
        board.take(topics.STATISTICS, b"hl1", bytes(broken), NOW, named=name)
    assert board.not_understood > 300
