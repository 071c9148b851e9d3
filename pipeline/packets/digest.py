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

    def __init__(self, records: Records, before: bytes, tail: bytes) -> None:
        """before: the digest before the first block; tail: what earlier feeds had of that block."""
        self._records, self._tail = records, tail
        # last record of each whole block; of each, and of the rest, where it begins in the data,
        # and the digest before it
        self._ends: list[int] = []
        self._begin, self._before = [int(records.start[0])], [before]
        self._known: dict[int, bytes] = {}

    def end_block(self, last: int) -> None:
        """The block ends with this record."""
        self._before.append(self[last])
        self._ends.append(last)
        self._begin.append(int(self._records.start[last + 1]))

    @property
    def rest(self) -> tuple[bytes, bytes]:
        """The digest of the last whole block, and the bytes since."""
        data, start = self._records.data, self._records.start
        begun = b"" if self._ends else self._tail
        return self._before[-1], begun + data[self._begin[-1] : start[-1]].tobytes()

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
        digests = Digests(records, s["digest"].tobytes(), tail)
        # where a block begins, as if the tail stood in the data before the first value
        begin = int(start[0]) - filled
        while (last := int(np.searchsorted(start[1:], begin + BLOCK_BYTES))) < len(records):
            digests.end_block(last)
            begin = int(start[last + 1])
        before, rest = digests.rest
        s["digest"][:] = np.frombuffer(before, np.uint8)
        s["digest_tail"][: len(rest)] = np.frombuffer(rest, np.uint8)
        s["digest_filled"][0] = len(rest)
        return digests
