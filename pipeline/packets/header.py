"""Fields of the packet primary header (CCSDS 133.0-B-2, 4.1.3)."""

from __future__ import annotations

import numpy as np

from pipeline.kernel import inline
from schemas.columns import U1


@inline
def version(data: U1, at: int) -> int:
    return np.int64(data[at]) >> 5


@inline
def apid(data: U1, at: int) -> int:
    return ((np.int64(data[at]) & 7) << 8) | np.int64(data[at + 1])


@inline
def sequence_flags(data: U1, at: int) -> int:
    return np.int64(data[at + 2]) >> 6


@inline
def sequence_count(data: U1, at: int) -> int:
    return ((np.int64(data[at + 2]) & 63) << 8) | np.int64(data[at + 3])


@inline
def packet_length(data: U1, at: int) -> int:
    """Whole length in bytes: header, and the packet data length field plus one."""
    return ((np.int64(data[at + 4]) << 8) | np.int64(data[at + 5])) + 7
