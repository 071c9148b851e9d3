"""A kernel over many sites does at each what a call from Python does."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from pipeline.across import Across, Scratch, starts
from pipeline.kernel import kernel
from schemas.columns import F8, I8, U1


class Inner(NamedTuple):
    scale: F8
    shift: int


class Outer(NamedTuple):
    table: U1
    inner: Inner


@kernel
def work(x: F8, o: Outer, add: int, out: F8) -> tuple[int, bool]:
    """Arrays of one and two axes, tuples in tuples, numbers."""
    total = 0
    for i in range(o.table.shape[0]):
        for j in range(o.table.shape[1]):
            total += np.int64(o.table[i, j])
    for i in range(len(x)):
        out[i] = x[i] * o.inner.scale[0] + o.inner.shift + add
    return total, len(x) > 2


@kernel
def silent(x: F8) -> None:
    for i in range(len(x)):
        x[i] += 1.0


Site = tuple[F8, Outer, int, F8]


def sites(rng: np.random.Generator) -> list[Site]:
    made = []
    for n in range(5):
        table = rng.integers(0, 200, (n, 3)).astype(np.uint8)
        outer = Outer(table, Inner(rng.normal(0, 1, 1), n))
        made.append((rng.normal(0, 1, n), outer, 10 * n, np.zeros(n)))
    return made


def test_it_does_what_a_call_does(rng: np.random.Generator) -> None:
    given = sites(rng)
    chosen = np.array([4, 0, 2, 3])
    told = Across(work, given).run(chosen).tolist()
    got = [given[i][3].copy() for i in chosen]
    assert (given[1][3] == 0).all()  # it was not asked for
    for n, i in enumerate(chosen):
        assert told[n] == [int(x) for x in work(*given[i])]
        np.testing.assert_array_equal(got[n], given[i][3])


def test_what_comes_with_a_batch(rng: np.random.Generator) -> None:
    """Parts of one array, a number, an array that all share, an axis that grows."""
    run = Across(work, sites(rng))
    size = np.array([3, 0, 2, 1, 4])
    first = starts(size)
    x, out = rng.normal(0, 1, int(first[-1])), np.zeros(int(first[-1]))
    run.part("x", x, first[:-1], size)
    run.part("out", out, first[:-1], size)
    run.share("o.inner.scale", np.array([2.0]))
    run.put("o.inner.shift", 0)
    run.put("add", np.arange(5))
    assert run.has("o.table")
    assert not run.has("table")
    run.lengthen("o.table", 0)
    assert run.run(np.arange(5)).tolist() == [[0, n > 2] for n in size]
    np.testing.assert_array_equal(out, 2.0 * x + np.repeat(np.arange(5), size))


def test_a_kernel_that_returns_nothing() -> None:
    given = [(np.zeros(n),) for n in range(3)]
    Across(silent, given).run(np.array([2, 2]))
    assert [a.tolist() for (a,) in given] == [[], [0.0], [2.0, 2.0]]


def test_what_is_no_site(rng: np.random.Generator) -> None:
    given = sites(rng)
    wrong: list[tuple[object, ...]] = [(*given[0][:3], np.zeros(2, np.float32))]
    with pytest.raises(TypeError, match="differ in type"):
        Across(work, [*given, *wrong])
    with pytest.raises(TypeError, match="x is not contiguous"):
        Across(work, [(np.zeros(8)[::2], *given[1][1:])])


def test_an_array_of_another_kind(rng: np.random.Generator) -> None:
    """Its bytes would be read as something else."""
    run = Across(work, sites(rng))
    for array in (np.zeros(9, np.float32), np.zeros(9)[::2]):
        with pytest.raises(TypeError, match="x is not of its type"):
            run.part("x", array, 0, 1)
    every = np.arange(8.0)
    run.share("x", every[::2])
    run.share("out", got := np.zeros(4))
    run.share("o.inner.scale", np.array([1], np.int32))
    run.put("o.inner.shift", 0)
    run.put("add", 0)
    run.run(np.array([0]))
    np.testing.assert_array_equal(got, every[::2])


def test_scratch_grows_and_stays() -> None:
    scratch = Scratch()
    first = scratch.room("a", np.int64, 4)
    first[:] = 7
    assert scratch.room("a", np.int64, 5) is first
    assert len(scratch.room("a", np.int64, 100)) >= 100
    i8: I8 = scratch.room("b", np.int64, 0)
    assert starts(i8).tolist() == [0]
