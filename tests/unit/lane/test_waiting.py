"""What is re-read says nothing again, and what is new says all: whatever offsets the log lacks."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from agents.lane.chunk import RECORD_BYTES, Chunk
from agents.lane.waiting import Waiting
from schemas.records import RawRecord
from tests.chunks import chunk_of

MOST = 512 * 1024


def taken(waiting: Waiting, most: int = MOST, border: int = 0) -> list[Chunk]:
    """All that waits."""
    found = []
    while waiting:
        found.append(waiting.take(most, border))
    return found


def offsets_of(chunks: list[Chunk]) -> list[list[int]]:
    return [c.records.offset.tolist() for c in chunks]


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
    waiting = Waiting()
    waiting.put(chunk_of([("s", RawRecord(o, b"", ())) for o in offsets]))
    assert offsets_of(taken(waiting, border=border)) == chunks


def test_a_chunk_is_of_bounded_work(rng: np.random.Generator) -> None:
    """Every record once, in order; none but a single large one is beyond the bound."""
    waiting = Waiting()
    sizes = rng.choice([0, 10, 1000, 100_000, 2 * MOST], 400, p=[0.2, 0.3, 0.3, 0.19, 0.01])
    given = chunk_of([("s", RawRecord(i, bytes(int(n)), ())) for i, n in enumerate(sizes)])
    waiting.put(given.part(0, 100))
    waiting.put(given.part(100, 400))
    got = taken(waiting)
    assert [o for c in offsets_of(got) for o in c] == list(range(400))
    for one in got:
        assert len(one) == 1 or one.work[-1] <= MOST
    assert waiting.bytes == 0


def test_chunks_are_cut_when_they_are_taken() -> None:
    """One fetch, and chunks that grow meanwhile."""
    waiting = Waiting()
    waiting.put(chunk_of([("s", RawRecord(i, b"", ())) for i in range(10)]))
    assert len(waiting.take(2 * RECORD_BYTES, 0)) == 2
    assert waiting.bytes == 8 * RECORD_BYTES
    assert len(waiting.take(5 * RECORD_BYTES, 0)) == 5
    assert len(waiting.take(1, 0)) == 1  # never none
    assert len(waiting.take(100 * RECORD_BYTES, 0)) == 2
    assert not waiting


def test_one_waits_until_there_is_something() -> None:
    async def given(close: bool) -> bool:
        waiting = Waiting()
        waits = asyncio.create_task(waiting.some())
        await asyncio.sleep(0)
        assert not waits.done()
        if close:
            waiting.close()
        else:
            waiting.put(chunk_of([("s", RawRecord(0, b"", ()))]))
        await waits
        if not close:
            waiting.take(MOST, 0)
            again = asyncio.create_task(waiting.some())
            await asyncio.sleep(0)
            assert not again.done()
            again.cancel()
        return True

    assert asyncio.run(given(close=True))
    assert asyncio.run(given(close=False))
