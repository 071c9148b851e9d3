"""Several sources in one partition: the same total in 1, 10 and 100 (docs/performance.md)."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from agents.lane.chains import Chains
from agents.lane.chunk import Chunk
from benchmarks.chain import mission, records, tables
from schemas.records import RawRecord, Records

PARAMETERS, SECONDS, ROUNDS = 1000, 600, 3
CHUNKS_S = (1, 20, 100)  # of flight in a chunk: at the head, and behind


def run() -> list[str]:
    lines = [f"several sources in a partition, {PARAMETERS} parameters between them, ns a sample"]
    lines.append(f"  {'sources':>8s}" + "".join(f"{s:9d} s a chunk" for s in CHUNKS_S))
    for sources in (1, 10, 100):
        told = "".join(f"{1e9 * _fly(sources, s):19.0f}" for s in CHUNKS_S)
        lines.append(f"  {sources:8d}{told}")
    return lines


def _fly(sources: int, chunk_s: int) -> float:
    """Seconds a sample, of all but the first chunk."""
    found = tables(PARAMETERS // sources)
    made, given = mission(found), records(found, SECONDS)
    keys = tuple(f"s{i:03d}".encode() for i in range(sources))
    every = [_chunk(keys, given[2 * at : 2 * (at + chunk_s)]) for at in range(0, SECONDS, chunk_s)]
    best = float("inf")
    for _ in range(ROUNDS):
        chains = Chains({key.decode(): made for key in keys}, 0)
        chains.feed(every[0])
        begun = time.perf_counter()
        for chunk in every[1:]:
            chains.feed(chunk)
        best = min(best, time.perf_counter() - begun)
    return best / (PARAMETERS * (SECONDS - chunk_s))


def _chunk(keys: tuple[bytes, ...], records: list[RawRecord]) -> Chunk:
    """The records of every source, in turn."""
    first = records[0].offset * len(keys)
    numbered = [
        replace(record, offset=first + i)
        for i, record in enumerate(r for r in records for _ in keys)
    ]
    key = np.tile(np.arange(len(keys), dtype=np.int32), len(records))
    return Chunk(0, Records.of(numbered), keys, key, np.zeros(len(key), np.int64))


if __name__ == "__main__":
    print("\n".join(run()))
