"""What is re-read says nothing again, and what is new says all: whatever offsets the log lacks."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from agents.lane.chains import Chains
from agents.lane.lane import CHUNK_BYTES, Lane, Timing
from agents.lane.metrics import Metrics
from schemas.records import RawRecord
from tests.chunks import chunk_of


def a_lane() -> Lane:
    """Without a broker: only what it does with fetched records counts."""
    nothing: Any = SimpleNamespace()
    with ThreadPoolExecutor(1) as compute:
        return Lane(
            0, Chains({}, 0), nothing, nothing, compute, Metrics(CollectorRegistry(), 0),
            Timing(1.0, 1.0), lambda: None,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("offsets", "border", "chunks"),
    [
        ([7, 8, 9, 10, 11], 10, [[7, 8, 9], [10, 11]]),
        ([7, 8, 9, 11, 12], 10, [[7, 8, 9], [11, 12]]),  # 10 is a transaction's marker
        ([7, 20], 10, [[7], [20]]),
        ([10, 11], 10, [[10, 11]]),
        ([11, 12], 10, [[11, 12]]),
        ([7, 8], 10, [[7, 8]]),
    ],
)
def test_no_chunk_is_both(offsets: list[int], border: int, chunks: list[list[int]]) -> None:
    lane = a_lane()
    lane.silent_until = border
    lane.put(chunk_of([("s", RawRecord(o, b"", ())) for o in offsets]))
    got = [lane._queue.get_nowait().records.offset.tolist() for _ in range(lane._queue.qsize())]
    assert got == chunks


def test_a_chunk_is_of_bounded_work(rng: np.random.Generator) -> None:
    """Every record once, in order; none but a single large one is beyond the bound."""
    lane = a_lane()
    sizes = rng.choice([0, 10, 1000, 100_000, 2 * CHUNK_BYTES], 400, p=[0.2, 0.3, 0.3, 0.19, 0.01])
    given = chunk_of([("s", RawRecord(i, bytes(int(n)), ())) for i, n in enumerate(sizes)])
    lane.put(given.part(0, 100))
    lane.put(given.part(100, 400))
    got = [lane._queue.get_nowait() for _ in range(lane._queue.qsize())]
    assert [o for c in got for o in c.records.offset.tolist()] == list(range(400))
    for one in got:
        work = sum(len(one.records.value(i)) + 64 for i in range(len(one) - 1))
        assert work < CHUNK_BYTES
