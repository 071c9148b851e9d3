"""All containers of a batch at once give what each gives by itself, in no more calls for many."""

from __future__ import annotations

import sys
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from benchmarks.chain import mission, records, tables
from pipeline.chain import Chain
from schemas.records import RawRecord
from tests.laws.case import Case, N
from tests.laws.of_chain import CASES

CHAINS = [case for case in CASES if isinstance(case.make(), Chain)]


def fed(chain: Chain, stream: list[RawRecord], cuts: list[int]) -> list[tuple[int, str, bytes]]:
    return [
        (a + i, output.id, output.value)
        for a, b in pairwise(cuts)
        for i, output in chain.feed(stream[a:b]).outputs
    ]


@pytest.mark.parametrize("case", CHAINS, ids=lambda case: case.name)
def test_it_gives_what_the_stages_give(case: Case, rng: np.random.Generator) -> None:
    """Outputs and state, byte for byte, in any cut; also when one goes on from the other."""
    assert len(CHAINS) >= 4
    together, apart = case.make(), case.make()
    assert together.together
    apart.together = False
    stream = case.stream(rng)
    cuts = [0, *np.sort(rng.integers(0, N, 12)).tolist(), N]
    half = len(cuts) // 2
    first = fed(together, stream, cuts[: half + 1])
    assert first == fed(apart, stream, cuts[: half + 1])
    later = case.make()
    later.restore(apart.snapshot())
    rest = fed(apart, stream, cuts[half:])
    assert fed(together, stream, cuts[half:]) == rest
    assert fed(later, stream, cuts[half:]) == rest
    for chain in (together, later):
        mine, other = chain.snapshot(), apart.snapshot()
        assert mine.keys() == other.keys()
        assert [k for k in mine if mine[k].tobytes() != other[k].tobytes()] == []


def calls(containers: int) -> list[int]:
    """Python and C calls of each feed of a packet a container and a tick, but for those with an
    output a container: samples of a period, which all end at once."""
    found = tables(4 * containers, 4)
    chain, given, counts = Chain(mission(found)), records(found, 45), list[int]()
    for i in range(0, 60, 2):
        chain.feed(given[i : i + 2])

    def note(frame: Any, event: str, argument: Any) -> None:  # noqa: ARG001
        counts[-1] += event in ("call", "c_call")

    for i in range(60, 90, 2):
        counts.append(0)
        sys.setprofile(note)
        try:
            made = chain.feed(given[i : i + 2]).outputs
        finally:
            sys.setprofile(None)
        if len(made) > 1:
            counts.pop()
    return counts


def test_calls_do_not_grow_with_containers() -> None:
    """Also where panes end: what windows give is one record of columns."""
    few, many = calls(20), calls(200)
    assert len(few) > 10
    assert max(many) <= max(few) + 20, f"calls a feed: {few} of 20 containers, {many} of 200"
