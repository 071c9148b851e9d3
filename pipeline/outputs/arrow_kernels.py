"""Parts of kernels that write Arrow record batches: pairs of the head, padding of the body."""

from __future__ import annotations

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


@part
def pad(out: U1, used: int, begin: int) -> int:
    """Zeros up to the next whole word from `begin` on, which is at one."""
    while (used - begin) % WORD:
        out[used] = 0
        used += 1
    return used
