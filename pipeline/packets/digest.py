"""The digest of the input that an alert carries (docs/audit.md).

The values of a source's records, one after the other, are cut into blocks, each at the end of the
record that brings it to 16 KiB. The digest of a block is SHA-256 (FIPS 180-4) over the digest of
the block before, 32 zero bytes at first, and the block's bytes. That of a record is the same over
its block, as far as the end of its value: it identifies every byte up to there.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left

import numpy as np

from schemas.records import Records
from schemas.state import Stateful

BLOCK_BYTES = 16384


class Digests:
    """Of the records of one feed, each computed when it is asked for."""

    def __init__(
        self, ends: list[int], before: list[bytes], begin: list[int], tail: bytes, records: Records
    ) -> None:
        """ends: last record of each whole block. before, begin: of each block, and of the rest, the
        digest before it, and where it begins in the data. tail: what earlier feeds had of the
        first."""
        self._ends, self._before, self._begin, self._tail = ends, before, begin, tail
        self._records = records
        self._known: dict[int, bytes] = {}

    def __getitem__(self, record: int) -> bytes:
        record = int(record)
        if record not in self._known:
            block = bisect_left(self._ends, record)
            whole = hashlib.sha256(self._before[block])
            if block == 0:
                whole.update(self._tail)
            end = int(self._records.start[record + 1])
            whole.update(self._records.data[self._begin[block] : end].data)
            self._known[record] = whole.digest()
        return self._known[record]


class InputDigest(Stateful):
    """State: the digest of the last whole block, and the bytes since."""

    def __init__(self) -> None:
        self.state = {
            "digest": np.zeros(32, np.uint8),
            "digest_tail": np.zeros(BLOCK_BYTES, np.uint8),
            "digest_filled": np.zeros(1, np.int64),
        }

    def feed(self, records: Records) -> Digests:
        s, start = self.state, records.start
        filled = int(s["digest_filled"][0])
        tail = s["digest_tail"][:filled].tobytes()
        digests = Digests([], [s["digest"].tobytes()], [int(start[0])], tail, records)
        # where a block begins, as if the tail stood in the data before the first value
        begin = int(start[0]) - filled
        while True:
            last = int(np.searchsorted(start[1:], begin + BLOCK_BYTES))
            if last == len(records):
                break
            digests._before.append(digests[last])
            digests._ends.append(last)
            begin = int(start[last + 1])
            digests._begin.append(begin)
        rest = records.data[max(begin, int(start[0])) : start[-1]]
        kept = filled if begin < start[0] else 0
        s["digest"][:] = np.frombuffer(digests._before[-1], np.uint8)
        s["digest_tail"][kept : kept + len(rest)] = rest
        s["digest_filled"][0] = kept + len(rest)
        return digests
