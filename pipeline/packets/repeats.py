"""Drops records that a writer sends again because it cannot know whether the first arrived.

`ingest` numbers the records it writes (header `ingest`, docs/raw.md). The last WINDOW numbers of
each writer are remembered: a repeated record is dropped, a late one is accepted.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from schemas.columns import I8, NEVER, U8
from schemas.records import Numbered
from schemas.state import Stateful

WRITERS = 8  # of one source at once; the least recently seen is forgotten
WINDOW = 4096  # numbers, more than a writer has on the way at once


class Repeats(Stateful):
    """State: writer u8[w], newest number i8[w], which of the last were seen u1[w, WINDOW / 8]."""

    def __init__(self) -> None:
        self.state = {
            "writer": np.zeros(WRITERS, np.uint64),
            "newest": np.full(WRITERS, NEVER, np.int64),
            "heard": np.zeros(WRITERS, np.int64),
            "seen": np.zeros((WRITERS, WINDOW // 8), np.uint8),
            "count": np.zeros(1, np.int64),
        }

    def are(self, writer: U8, number: I8) -> NDArray[np.bool_]:
        """Of each record, whether it was received before; all others are remembered."""
        found = np.zeros(len(number), bool)
        if self._follow(writer, number):
            return found
        for i, one in enumerate(zip(writer.tolist(), number.tolist(), strict=True)):
            found[i] = self.is_repeat(Numbered(*one))
        return found

    def _follow(self, writer: U8, number: I8) -> bool:
        """Whether they are the next records of one known writer, each behind the other: then they
        are remembered at once."""
        s, n = self.state, len(number)
        slot = self._slot(int(writer[0]))
        newest = int(s["newest"][slot])
        if newest == NEVER or n >= WINDOW or (writer != writer[0]).any():
            return False
        if number[0] != newest + 1 or (np.diff(number) != 1).any():
            return False
        bits = np.unpackbits(s["seen"][slot], bitorder="little")
        bits[number % WINDOW] = 1
        s["seen"][slot] = np.packbits(bits, bitorder="little")
        s["newest"][slot], s["count"][0] = number[-1], s["count"][0] + n
        s["heard"][slot] = s["count"][0]
        return True

    def is_repeat(self, of: Numbered) -> bool:
        """Whether this record was received before; if not, it is remembered."""
        s = self.state
        s["count"][0] += 1
        slot = self._slot(of.writer)
        s["heard"][slot] = s["count"][0]
        newest, seen = int(s["newest"][slot]), s["seen"][slot]
        if newest == NEVER:
            newest = of.number
        if of.number > newest:
            if of.number - newest >= WINDOW:
                seen[:] = 0
            else:
                for number in range(newest + 1, of.number + 1):
                    seen[number % WINDOW >> 3] &= 255 ^ (1 << (number & 7))
            newest = of.number
        s["newest"][slot] = newest
        if newest - of.number >= WINDOW:
            return True  # so far back that it must have been received
        place, bit = of.number % WINDOW >> 3, np.uint8(1 << (of.number & 7))
        if seen[place] & bit:
            return True
        seen[place] |= bit
        return False

    def _slot(self, writer: int) -> int:
        s = self.state
        found = np.flatnonzero((s["writer"] == writer) & (s["newest"] != NEVER))
        if len(found):
            return int(found[0])
        slot = int(np.argmin(s["heard"]))
        s["writer"][slot], s["newest"][slot], s["seen"][slot] = writer, NEVER, 0
        return slot
