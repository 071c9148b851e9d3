"""Snapshots on telemetry.state (docs/snapshots.md): blocks under 1 MB, the last one a trailer.

    block    header {first, index, count}                              bytes of the content
    trailer  header {…, offset S, sha256, fingerprint}                 the last block

Restoring looks at the end of the partition: the newest whole snapshot with S ≤ C whose hash holds.
Content: a JSON table of arrays (name, type, shape), then the arrays' bytes. Never pickle.
"""

from __future__ import annotations

import hashlib
import math
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from schemas.columns import State

BLOCK_BYTES = 900_000
HEADER = "snapshot"
MAX_BLOCKS = 4096  # 3.7 GB
_LENGTH = struct.Struct(">I")


@dataclass(slots=True)
class Block:
    """One record of telemetry.state."""

    header: dict[str, Any]
    value: bytes

    @property
    def headers(self) -> list[tuple[str, bytes]]:
        return [(HEADER, orjson.dumps(self.header))]


class SnapshotError(Exception):
    """A snapshot that cannot be used, and why."""


def encode_state(state: State) -> bytes:
    """Arrays as one run of bytes, names sorted."""
    table, parts = [], []
    for name in sorted(state):
        array = np.ascontiguousarray(state[name])
        table.append([name, array.dtype.str, array.shape])
        parts.append(array.tobytes())
    head = orjson.dumps(table)
    return b"".join([_LENGTH.pack(len(head)), head, *parts])


def decode_state(content: bytes) -> State:
    """Inverse of `encode_state`, bounds checked. SnapshotError when lengths do not agree."""
    try:
        (size,) = _LENGTH.unpack_from(content)
        table = orjson.loads(content[4 : 4 + size])
        at, state = 4 + size, {}
        for name, kind, shape in table:
            dtype = np.dtype(kind)
            if dtype.hasobject:
                raise SnapshotError(f"{name} holds objects")
            n = math.prod(shape) * dtype.itemsize
            if at + n > len(content):
                raise SnapshotError(f"{name} ends outside the snapshot")
            array = np.frombuffer(content, dtype, math.prod(shape), at)
            state[name] = array.reshape(shape).copy()
            at += n
    except (struct.error, ValueError, TypeError) as error:
        raise SnapshotError(f"not a snapshot: {error}") from None
    if at != len(content):
        raise SnapshotError("bytes left over behind the last array")
    return state


def blocks(content: bytes, offset: int, fingerprint: str, first: str) -> list[Block]:
    """Blocks of one snapshot taken at `offset`; `first` names it (unique to the attempt)."""
    count = max(1, -(-len(content) // BLOCK_BYTES))
    made = []
    for i in range(count):
        header: dict[str, Any] = {"first": first, "index": i, "count": count}
        if i == count - 1:
            header |= {
                "offset": offset,
                "sha256": hashlib.sha256(content).hexdigest(),
                "fingerprint": fingerprint,
            }
        made.append(Block(header, content[i * BLOCK_BYTES : (i + 1) * BLOCK_BYTES]))
    return made


def newest(
    found: list[Block], at_most: int, fingerprint: str, other: str = "refuse"
) -> tuple[int, bytes] | None:
    """(S, content) of the newest whole snapshot with S ≤ at_most whose hash holds.

    other: what to do with one that other code, mission or weights took: refuse (SnapshotError),
    accept, or reread (pass it over).
    """
    for i in range(len(found) - 1, -1, -1):
        trailer = found[i].header
        if "sha256" not in trailer or trailer["offset"] > at_most:
            continue
        count = trailer["count"]
        if not 0 < count <= MAX_BLOCKS:
            continue
        mine = [b for b in found[: i + 1] if b.header["first"] == trailer["first"]][-count:]
        if [b.header["index"] for b in mine] != list(range(count)):
            continue
        content = b"".join(b.value for b in mine)
        if hashlib.sha256(content).hexdigest() != trailer["sha256"]:
            continue
        if trailer["fingerprint"] != fingerprint and other == "reread":
            continue
        if trailer["fingerprint"] != fingerprint and other == "refuse":
            raise SnapshotError(
                "the newest snapshot was taken by other code, mission or settings. Say "
                "--other-state reread (the state is computed anew from the log, silently) or "
                "accept (it goes on as it is, if it still fits)"
            )
        return trailer["offset"], content
    return None
