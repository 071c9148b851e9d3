"""Chunks of a lane, made by tests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from agents.lane.chunk import Chunk
from schemas.records import RawRecord, Records


def chunk_of(given: Sequence[tuple[str, RawRecord]], partition: int = 0) -> Chunk:
    """Records with the sources that sent them."""
    keys = list(dict.fromkeys(source.encode() for source, _ in given))
    key = np.array([keys.index(source.encode()) for source, _ in given], np.int32)
    stamps = np.array([r.timestamp_ns // 1_000_000 for _, r in given], np.int64)
    return Chunk(partition, Records.of([r for _, r in given]), tuple(keys), key, stamps)
