"""Parts of kernels that write Arrow record batches: pairs of the head, padding of the body."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pipeline.kernel import part, store_le
from schemas.columns import U1

WORD = 8  # buffers of a body begin at multiples of so many bytes (Arrow, Alignment and padding)


@part
def pair(out: U1, at: int, a: int, b: int) -> int:
    """A field node or a buffer of the head; returns the place of the next one."""
    store_le(out, at, np.int64(a))
    store_le(out, at + 8, np.int64(b))
    return at + 16


class Lists(NamedTuple):
    """A column of lists: how many rows, and of them null; bytes of the bitmap (0: none is null);
    how many values, and bytes of them. Places in the body: of the bitmap, the ends, the values."""

    rows: int
    nulls: int
    bitmap: int
    values: int
    value_bytes: int
    bitmap_at: int
    ends_at: int
    values_at: int


@part
def lists(out: U1, node: int, buffer: int, x: Lists) -> tuple[int, int]:
    """Nodes and buffers of a column of lists; returns the places of the next ones."""
    node = pair(out, node, x.rows, x.nulls)
    node = pair(out, node, x.values, 0)
    buffer = pair(out, buffer, x.bitmap_at, x.bitmap)
    buffer = pair(out, buffer, x.ends_at, 4 * (x.rows + 1))
    buffer = pair(out, buffer, x.values_at, 0)
    buffer = pair(out, buffer, x.values_at, x.value_bytes)
    return node, buffer


@part
def pad(out: U1, used: int, begin: int) -> int:
    """Zeros up to the next whole word from `begin` on, which is at one."""
    while (used - begin) % WORD:
        out[used] = 0
        used += 1
    return used
