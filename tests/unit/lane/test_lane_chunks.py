"""What is re-read says nothing again, and what is new says all: whatever offsets the log lacks."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from agents.lane.chains import Chains
from agents.lane.lane import Lane, Timing
from agents.lane.metrics import Metrics


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
    nothing: Any = SimpleNamespace()
    with ThreadPoolExecutor(1) as compute:
        lane = Lane(
            0, Chains({}, 0), nothing, nothing, compute, Metrics(CollectorRegistry(), 0),
            Timing(1.0, 1.0), lambda: None,
        )  # fmt: skip
    lane.silent_until = border
    lane.put([SimpleNamespace(offset=o, value=b"") for o in offsets])  # type: ignore[misc]
    got = [[r.offset for r in lane._queue.get_nowait()] for _ in range(lane._queue.qsize())]
    assert got == chunks
