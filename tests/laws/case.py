"""The shape of a law's case, and the arrays that cases are fed with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.models.shared.contract import GroupParameter
from schemas.columns import (
    Grid,
    Ordered,
    PacketBatch,
    Rows,
)
from schemas.mission import IntegerEncoding, ParameterType

SECOND = 1_000_000_000


F = 5  # parameters of the streams of numbers


N = 600  # items of a stream


LONG = 3000


Rng = np.random.Generator


@dataclass(frozen=True)
class Case:
    name: str
    make: Callable[[], Any]
    stream: Callable[[Rng], Any]
    feed: Callable[[Any, Any, int, int], bytes]
    length: int = N


def as_bytes(*arrays: Any) -> bytes:
    return b"".join(np.ascontiguousarray(a).tobytes() for a in arrays)


def batch_of(n: int, reception: Any) -> PacketBatch:
    z = np.zeros(n, np.int64)
    return PacketBatch(
        np.zeros(16, np.uint8), z, np.ones(n, np.int32), np.zeros(n, np.uint16),
        np.zeros(n, np.uint16), reception, z, np.arange(n), np.zeros(n, np.uint8),
        np.arange(n, dtype=np.int32), z, digests=(bytes(32),) * n,
    )  # fmt: skip


def rows_of(time: Any, value: Any, quality: Any) -> Rows:
    n = len(time)
    raw = np.zeros((n, F), np.uint64)
    choice = np.stack([time // 1000 % 2, time // 3000 % 2], 1).astype(np.uint8)
    return Rows(
        0, np.arange(n), time, raw, value.copy(), quality.copy(), choice, np.zeros(0, np.uint8)
    )


def ordered_of(stream: Any, a: int, b: int) -> Ordered:
    time, value, quality = (s[a:b] for s in stream)
    k = b - a
    gaps = np.flatnonzero(np.diff(time, prepend=time[:1]) > 10 * SECOND)
    gaps = gaps[gaps > 0]
    marks = time[gaps] - 4 * SECOND
    return Ordered(time, np.arange(k), value, quality, gaps, marks, gaps)


def grid_of(stream: Any, a: int, b: int) -> Grid:
    time, value, quality = (s[a:b] for s in stream)
    none = np.zeros(0, np.int64)
    return Grid(time, np.arange(b - a), value, quality, np.zeros(b - a, np.int64), none, none, none)


def parameters() -> list[GroupParameter]:
    kind = ParameterType("T", "float", IntegerEncoding(16))
    inf = float("inf")
    return [
        GroupParameter(f"P{i}", kind, (-inf, -10.0, -inf, -20.0, -inf), (inf, 40.0, inf, 60.0, inf))
        for i in range(F)
    ]


def ones_of(value: int) -> Any:
    return np.full(F, value, np.int64)
