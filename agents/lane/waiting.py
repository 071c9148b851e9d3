"""Records that wait for their lane: as they were fetched, and cut when they are taken."""

from __future__ import annotations

import asyncio
from collections import deque

import numpy as np

from agents.lane.chunk import Chunk


class Waiting:
    """Fetched records in order. `bytes`: the work that waits (`Chunk.work`)."""

    def __init__(self) -> None:
        self._fetched: deque[Chunk] = deque()
        self._there = asyncio.Event()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._fetched)

    def put(self, fetched: Chunk) -> None:
        if len(fetched):
            self._fetched.append(fetched)
            self.bytes += int(fetched.work[-1])
            self._there.set()

    async def some(self) -> None:
        """Wait until there is something to take, or nobody will take more."""
        await self._there.wait()

    def close(self) -> None:
        """End the wait."""
        self._there.set()

    def take(self, most: int, border: int) -> Chunk:
        """The next records, of `most` bytes of work unless the first one alone has more.

        border: an offset; records from it on are never given together with those below.
        """
        fetched = self._fetched.popleft()
        offsets, work = fetched.records.offset, fetched.work
        below = int(np.searchsorted(offsets, border))  # it may fall into a gap between offsets
        fit = max(1, int(np.searchsorted(work, most, "right")))
        end = min(fit, below or len(fetched))
        self.bytes -= int(work[-1])
        if end < len(fetched):
            rest = fetched.part(end, len(fetched))
            self._fetched.appendleft(rest)
            self.bytes += int(rest.work[-1])
        elif not self._fetched:
            self._there.clear()
        return fetched.part(0, end)
