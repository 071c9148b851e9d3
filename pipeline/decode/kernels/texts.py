"""Where the content of a string is within its bits (XTCE 1.2, StringDataEncoding)."""

from __future__ import annotations

import numpy as np

from pipeline.decode.definitions.tables import Tables
from pipeline.decode.kernels.numbers import some_bits
from pipeline.kernel import inline
from schemas.columns import F8, U1


@inline
def byte_at(data: U1, bit: int) -> int:
    """Eight bits from any bit on."""
    at, shift = bit >> 3, bit & 7
    return ((np.int64(data[at]) << shift) | (np.int64(data[at + 1]) >> (8 - shift))) & 255


@inline
def content(
    data: U1, t: Tables, which: int, first: int, box: int, end: int
) -> tuple[bool, int, int, int]:
    """(good, first bit, bits, occupied bits) of a string.

    which: row of the strings table, or -1: the content is the box. first: where it begins; box: its
    bits, or below 0 if only the content gives the size; end: of the packet. The string is not good
    if its size tag is wrong, or if it needs a terminator that the packet does not hold.
    """
    if which < 0:
        return True, first, box, box
    leading, start, n, step = (
        t.strings[which, 0], t.strings[which, 1], t.strings[which, 2], t.strings[which, 3],
    )  # fmt: skip
    room = box if box >= 0 else end - first
    if leading:
        if leading > room:
            return False, first, 0, 0
        tag = np.int64(some_bits(data, first, leading))
        if tag > room - leading or tag & 7:
            return False, first, 0, 0
        return True, first + leading, tag, box if box >= 0 else leading + tag
    if n:
        at = first
        while at + 8 * n <= first + room:
            same = True
            for i in range(n):
                if byte_at(data, at + 8 * i) != t.texts[start + i]:
                    same = False
                    break
            if same:
                return True, first, at - first, box if box >= 0 else at - first + 8 * n
            at += 8 * step
        if box < 0:
            return False, first, 0, 0
    return True, first, room, room


@inline
def copy_bits(data: U1, bit: int, bits: int, out: F8) -> None:
    """Copy bits to `out` as aligned bytes, as many as fit."""
    for i in range(min((bits + 7) >> 3, len(out) - 2)):
        out[i] = np.uint8(byte_at(data, bit + 8 * i))
