"""Snapshots on telemetry.state (docs/snapshots.md): blocks under 1 MB, the last one a trailer.

    block    header {first, index, count}                              bytes of the content
    trailer  header {…, offset S, sha256, fingerprint, topic_id, seal} the last block

Restoring reads from the partition's end: it uses the newest complete snapshot with S ≤ C whose
hash and seal are valid and which belongs to this topic; if that does not fit, the one before.
Content: a JSON table of arrays (name, type, shape), then the arrays' bytes. Never pickle.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import orjson

from schemas.columns import State

BLOCK_BYTES = 900_000
HEADER = "snapshot"
MAX_BLOCKS = 4096  # 3.7 GB
_LENGTH = struct.Struct(">I")
_KIND = re.compile(r"[<>|=]?(b1|[iu][1248]|f[48])")  # numpy's `dtype.str` of arrays in a state
_NUMBERS, _TEXTS = ("index", "count", "offset"), ("first", "sha256", "fingerprint", "topic_id")


@dataclass(slots=True)
class Block:
    """One record of telemetry.state."""

    header: dict[str, Any]
    value: bytes

    @property
    def headers(self) -> list[tuple[str, bytes]]:
        return [(HEADER, orjson.dumps(self.header))]

    @property
    def is_trailer(self) -> bool:
        return "sha256" in self.header


def read_block(header: bytes, value: bytes) -> Block | None:
    """The block in a record of telemetry.state; None if it is not ours (anyone may write there)."""
    try:
        told = orjson.loads(header)
    except ValueError:
        return None
    if not isinstance(told, dict) or not {"first", "index", "count"} <= told.keys():
        return None
    trailer = told.keys() & {"offset", "sha256", "fingerprint"}
    whole = len(trailer) in (0, 3)
    numbers = all(type(told[k]) is int and 0 <= told[k] < 2**62 for k in _NUMBERS if k in told)
    texts = all(isinstance(told[k], str) for k in (*_TEXTS, "seal") if k in told)
    return Block(told, value) if whole and numbers and texts else None


class SnapshotError(Exception):
    """A snapshot that cannot be used, and why."""


@dataclass(frozen=True, slots=True)
class Marks:
    """What a snapshot belongs to. place: the lane's topic and partition. topic_id: id of
    telemetry.raw, if the broker reports one. key: seals it (HMAC); empty: it is not sealed."""

    place: str
    fingerprint: str
    topic_id: str = ""
    key: bytes = field(default=b"", repr=False)

    def seal(self, offset: int, sha256: str) -> str:
        told = (self.place, self.topic_id, str(offset), self.fingerprint, sha256)
        return hmac.new(self.key, orjson.dumps(told), hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A complete snapshot. refused: why it must not be used; empty: it may be."""

    offset: int
    content: bytes
    refused: str = ""


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
            if not (isinstance(name, str) and isinstance(kind, str) and _KIND.fullmatch(kind)):
                raise SnapshotError(f"{name!r} is no array of numbers: {str(kind)[:40]!r}")
            dtype = np.dtype(kind)
            if not all(type(x) is int and x >= 0 for x in shape):
                raise SnapshotError(f"{name} has no shape")
            n = math.prod(shape) * dtype.itemsize  # Python integers: no overflow
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


def blocks(content: bytes, offset: int, marks: Marks, first: str) -> list[Block]:
    """Blocks of one snapshot taken at `offset`; `first` names it (unique to the attempt)."""
    count = max(1, -(-len(content) // BLOCK_BYTES))
    made = []
    for i in range(count):
        header: dict[str, Any] = {"first": first, "index": i, "count": count}
        if i == count - 1:
            sha256 = hashlib.sha256(content).hexdigest()
            header |= {
                "offset": offset,
                "sha256": sha256,
                "fingerprint": marks.fingerprint,
                "topic_id": marks.topic_id,
            }
            if marks.key:
                header["seal"] = marks.seal(offset, sha256)
        made.append(Block(header, content[i * BLOCK_BYTES : (i + 1) * BLOCK_BYTES]))
    return made


def newest_first(
    found: list[Block], at_most: int, marks: Marks, other: str = "refuse"
) -> Iterator[Snapshot]:
    """The snapshots with S ≤ at_most in these blocks, the newest first.

    other: what to do with one taken by other code, mission or weights: refuse (SnapshotError),
    accept, or reread (skip it).
    """
    for i in range(len(found) - 1, -1, -1):
        trailer = found[i].header
        if not found[i].is_trailer or trailer["offset"] > at_most:
            continue
        content = _content(found[: i + 1], trailer)
        if content is None:
            continue  # a zombie's blocks stand in between, or it was cut off
        refused = _refused(trailer, marks, other)
        yield Snapshot(trailer["offset"], content, refused)


def _content(found: list[Block], trailer: dict[str, Any]) -> bytes | None:
    """Content of the snapshot whose trailer is the last block; None if it is not complete."""
    count = trailer["count"]
    if not 0 < count <= MAX_BLOCKS:
        return None
    mine = [b for b in found if b.header["first"] == trailer["first"]][-count:]
    if [b.header["index"] for b in mine] != list(range(count)):
        return None
    content = b"".join(b.value for b in mine)
    return content if hashlib.sha256(content).hexdigest() == trailer["sha256"] else None


def _refused(trailer: dict[str, Any], marks: Marks, other: str) -> str:
    its = replace(marks, fingerprint=trailer["fingerprint"], topic_id=trailer.get("topic_id", ""))
    if marks.key:
        seal = its.seal(trailer["offset"], trailer["sha256"])
        if not hmac.compare_digest(seal, trailer.get("seal", "")):
            return "is not sealed with this deployment's key (docs/security.md)"
    if marks.topic_id and its.topic_id != marks.topic_id:
        return "is of a telemetry.raw that was deleted"
    if its.fingerprint == marks.fingerprint or other == "accept":
        return ""
    if other == "reread":
        return "was taken by other code, mission or settings"
    raise SnapshotError(
        "the newest snapshot was taken by other code, mission or settings. Say "
        "--other-state reread (the state is computed anew from the log, silently) or "
        "accept (it goes on as it is, if it still fits)"
    )
