"""The laws of docs/design.md, over every stage and the whole chain."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from pipeline.models.corridor import Corridor
from pipeline.models.coupled import Coupled
from pipeline.models.departure import Departure
from pipeline.models.families import FAMILIES
from pipeline.models.forecaster import Forecaster
from pipeline.models.residual import HUGE, Residual
from pipeline.models.seasonal import Seasonal
from pipeline.models.shared.family import Family
from pipeline.models.time_to_limit import TimeToLimit
from pipeline.outputs.sample_columns import MOST_BYTES
from tests.laws.case import Case, grid_of
from tests.laws.cases import CASES
from tests.laws.of_models import family_case

every_case = pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
with_state = pytest.mark.parametrize(
    "case", [c for c in CASES if hasattr(c.make(), "snapshot")], ids=lambda c: c.name
)


def cuts(rng: np.random.Generator, length: int, pieces: int) -> list[tuple[int, int]]:
    """[a, b) of a random split, empty pieces among them."""
    at = sorted([0, length, *rng.integers(0, length + 1, pieces).tolist()])
    return list(pairwise(at))


def run(case: Case, stage: Any, stream: Any, parts: list[tuple[int, int]]) -> bytes:
    return b"".join(case.feed(stage, stream, a, b) for a, b in parts)


@every_case
def test_chunk_invariance(case: Case, rng: np.random.Generator) -> None:
    stream = case.stream(rng)
    whole = run(case, case.make(), stream, [(0, case.length)])
    assert whole, "a law about nothing"
    for pieces in (1, 7, 60):
        assert run(case, case.make(), stream, cuts(rng, case.length, pieces)) == whole
    one_by_one = [(i, i + 1) for i in range(case.length)]
    assert run(case, case.make(), stream, one_by_one) == whole


@every_case
def test_causality(case: Case, rng: np.random.Generator) -> None:
    """A longer input has the same beginning of output."""
    stream = case.stream(rng)
    whole = run(case, case.make(), stream, [(0, case.length)])
    for end in rng.integers(1, case.length, 5):
        assert whole.startswith(run(case, case.make(), stream, [(0, int(end))]))


@with_state
def test_resume(case: Case, rng: np.random.Generator) -> None:
    """Snapshot anywhere, restore elsewhere: the same output as the uninterrupted run."""
    stream = case.stream(rng)
    whole = run(case, case.make(), stream, [(0, case.length)])
    for cut in rng.integers(0, case.length, 5):
        first, second = case.make(), case.make()
        before = case.feed(first, stream, 0, int(cut))
        second.restore(first.snapshot())
        case.feed(first, stream, int(cut), case.length)  # must not affect the other stage
        assert before + case.feed(second, stream, int(cut), case.length) == whole


def size_of(state: Any) -> int:
    if isinstance(state, tuple):
        return sum(size_of(s) for s in state)
    return sum(len(v) if isinstance(v, bytes) else getattr(v, "nbytes", 8) for v in state.values())


@with_state
def test_bounded_memory(case: Case, rng: np.random.Generator) -> None:
    """State after ten times the input stays within a bound that one input can reach."""
    stage, sizes = case.make(), []
    for _ in range(10):
        stream = case.stream(rng)
        run(case, stage, stream, cuts(rng, case.length, 5))
        sizes.append(size_of(stage.snapshot()))
    # open batches of samples and a pending packet come and go; they never pile up
    open_rows = 8 * MOST_BYTES + 70_000
    assert max(sizes) <= sizes[0] + open_rows
    assert max(sizes[5:]) <= max(sizes[:5]) + open_rows


@every_case
def test_total(case: Case, rng: np.random.Generator) -> None:
    """No input raises an exception: here the pieces of a stream come in random order."""
    stage = case.make()
    for _ in range(4):
        stream = case.stream(rng)
        order = rng.permutation(30)
        edges = np.linspace(0, case.length, 31).astype(int)
        for i in order:
            case.feed(stage, stream, int(edges[i]), int(edges[i + 1]))


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.name)
def test_score_before_learn(family: type[Family], rng: np.random.Generator) -> None:
    """What a family predicts of a sample does not depend on that sample, however far off it is."""
    case = family_case(family)
    time, value, quality = case.stream(rng)
    value[0] = 1.0  # a family takes its first prediction from the first sample
    told = 0
    for row in rng.integers(case.length // 3, case.length, 8).tolist():
        quality[row] = 0
        parameter = int(rng.integers(0, value.shape[1]))
        if not np.abs(value[row, parameter]) < HUGE:
            continue  # what is not a sample gets no prediction
        said = []
        for by in (0.0, rng.normal(0, 1e3)):
            other = value.copy()
            other[row, parameter] += by
            scores = case.make().feed(grid_of((time, other, quality), 0, row + 1))
            said.append(scores.predicted[row, parameter])
        np.testing.assert_array_equal(said[0], said[1])
        told += bool(said[0] == said[0])
    if family in PREDICT:
        assert told, "a law about nothing"


PREDICT = (Residual, TimeToLimit, Forecaster, Departure, Seasonal, Coupled, Corridor)


def test_models_do_not_touch_their_input(rng: np.random.Generator) -> None:
    for name in ("family residual", "family time_to_limit", "statistics", "resample last"):
        case = next(c for c in CASES if c.name == name)
        stream = case.stream(rng)
        before = [s.copy() for s in stream]
        case.feed(case.make(), stream, 0, case.length)
        for was, now in zip(before, stream, strict=True):
            np.testing.assert_array_equal(was, now)
