"""Rejects: what was refused, why, and those very bytes (schemas/json/reject.schema.json)."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson

from schemas import topics
from schemas.columns import Output, Reason, Rejects

OF_PACKETS = {
    Reason.NO_CONTAINER, Reason.AMBIGUOUS_CONTAINER, Reason.TOO_SHORT, Reason.TRAILING_BYTES,
    Reason.LATE, Reason.TIME_JUMP, Reason.BAD_TIME, Reason.BAD_SIZE, Reason.TOO_MANY,
    Reason.SEGMENT, Reason.SEGMENT_LOST,
}  # fmt: skip
MAX_BYTES = 262144  # of refused bytes in one record; the ranges are always whole


def group(rejects: Rejects) -> list[tuple[int, int, int, list[int]]]:
    """(record, reason, offset, indices) for one output per input record, reason and place."""
    groups: dict[tuple[int, int, int], list[int]] = {}
    for i in range(len(rejects)):
        key = (int(rejects.record[i]), int(rejects.reason[i]), int(rejects.offset[i]))
        groups.setdefault(key, []).append(i)
    return [(*key, found) for key, found in groups.items()]


def reject_output(
    source: str,
    partition: int,
    reason: int,
    offset: int,
    ranges: Sequence[tuple[int, int]],
    value: bytes | None,
    id_: str,
) -> Output:
    """value: the input record that holds the ranges, or None where it is no longer at hand."""
    merged = _merge(ranges)
    content = b"" if value is None else b"".join(value[a : a + n] for a, n in merged)
    record: dict[str, Any] = {
        "id": id_,
        "source": source,
        "reason": Reason(reason).word,
        "topic": topics.RAW,
        "partition": partition,
        "offset": offset,
        "ranges": merged,
        "bytes": len(content) if value is not None else sum(n for _, n in merged),
        "data": base64.b64encode(content[:MAX_BYTES]).decode() if value is not None else None,
    }
    if value is not None and reason in OF_PACKETS:
        record["apids"] = sorted(
            {int.from_bytes(value[a : a + 2], "big") & 2047 for a, _ in ranges}
        )
    return Output(topics.REJECTS, id_, source.encode(), orjson.dumps(record))


def _merge(ranges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, length in sorted(ranges):
        if merged and merged[-1][0] + merged[-1][1] == start:
            merged[-1] = (merged[-1][0], merged[-1][1] + length)
        else:
            merged.append((start, length))
    return merged


def ranges_of(rejects: Rejects, indices: list[int]) -> list[tuple[int, int]]:
    at = np.array(indices)
    return list(zip(rejects.start[at].tolist(), rejects.length[at].tolist(), strict=True))
