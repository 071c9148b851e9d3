"""Bits of a packet to numbers: one helper an encoding (XTCE 1.2, DataEncodingType)."""

from __future__ import annotations

import numpy as np

from pipeline.decode.definitions.tables import (
    BCD,
    BOOLEAN,
    FLOAT16,
    FLOAT32,
    FLOAT64,
    MAGNITUDE,
    MIL32,
    MIL48,
    ONES,
    PACKED,
    SIGNED,
    UNSIGNED,
    WIDE_SIGNED,
)
from pipeline.kernel import inline, load_be64, macro
from schemas.columns import U1


@macro
def bits_of(data: U1, at: int, shift: int, drop: int) -> np.uint64:
    """`64 - drop` bits from bit `shift` of byte `at`, right aligned; the ninth byte is or-ed in."""
    return (
        (load_be64(data, at) << np.uint64(shift))
        | ((np.uint64(data[at + 8]) << np.uint64(shift)) >> np.uint64(8))
    ) >> np.uint64(drop)


@inline
def some_bits(data: U1, bit: int, n: int) -> np.uint64:
    """`n` bits, 1 to 64, from bit `bit` of the data on, right aligned."""
    return bits_of(data, bit >> 3, bit & 7, 64 - n)


@inline
def swap(word: np.uint64, bits: int) -> np.uint64:
    """A right-aligned word of `bits`, with its bytes in reverse order."""
    swapped = np.uint64(0)
    for _ in range(bits >> 3):
        swapped = (swapped << np.uint64(8)) | (word & np.uint64(255))
        word >>= np.uint64(8)
    return swapped


@inline
def number(word: np.uint64, kind: int, drop: int) -> float:
    """Uncalibrated number of a field's bits; NaN if they are not a number (a BCD digit above 9)."""
    if kind == UNSIGNED:
        return np.float64(word)
    if kind == SIGNED:
        return np.float64(np.int64(word << np.uint64(drop)) >> np.int64(drop))
    if kind == FLOAT32:
        return np.float64(np.uint32(word).view(np.float32))
    if kind == FLOAT64:
        return np.uint64(word).view(np.float64)
    if kind == BOOLEAN:
        return np.float64(word != np.uint64(0))
    return _uncommon(word, kind, drop)


@inline
def _uncommon(word: np.uint64, kind: int, drop: int) -> float:
    sign = (word >> np.uint64(63 - drop)) & np.uint64(1)
    if kind == ONES:
        mask = np.uint64(0xFFFFFFFFFFFFFFFF) >> np.uint64(drop)
        return 0.0 - np.float64(~word & mask) if sign else np.float64(word)
    if kind == MAGNITUDE:
        size = word & (np.uint64(0x7FFFFFFFFFFFFFFF) >> np.uint64(drop))
        return 0.0 - np.float64(size) if sign else np.float64(size)
    if kind == BCD:
        return _decimal(word, np.uint64(8))
    if kind == PACKED:
        return _decimal(word, np.uint64(4))
    if kind == FLOAT16:
        return _half(word)
    if kind == MIL32:  # 24 bits of two's complement fraction, 8 bits of exponent (4.1.4.2)
        fraction = np.int64(word << np.uint64(32)) >> np.int64(40)
        return _scaled(np.float64(fraction), _signed8(word) - 23)
    if kind == MIL48:  # the fraction's last 16 bits stand behind the exponent (4.1.4.3)
        high = np.int64(word << np.uint64(16)) >> np.int64(40)
        fraction = (high << np.int64(16)) | np.int64(word & np.uint64(0xFFFF))
        return _scaled(np.float64(fraction), _signed8(word >> np.uint64(16)) - 39)
    return np.nan


@inline
def _signed8(word: np.uint64) -> int:
    return np.int64(word << np.uint64(56)) >> np.int64(56)


@inline
def _decimal(word: np.uint64, width: np.uint64) -> float:
    """Decimal digits of `width` bits each, the most significant first."""
    value, scale = np.uint64(0), np.uint64(1)
    mask = (np.uint64(1) << width) - np.uint64(1)
    while word != np.uint64(0):
        digit = word & mask
        if digit > np.uint64(9):
            return np.nan
        value += digit * scale
        scale *= np.uint64(10)
        word >>= width
    return np.float64(value)


@inline
def _half(word: np.uint64) -> float:
    """IEEE 754 binary16."""
    exponent = np.int64((word >> np.uint64(10)) & np.uint64(31))
    fraction = np.float64(word & np.uint64(1023))
    if exponent == 31:
        x = np.nan if fraction else np.inf
    elif exponent == 0:
        x = _scaled(fraction, -24)
    else:
        x = _scaled(fraction + 1024.0, exponent - 25)
    return -x if word & np.uint64(0x8000) else x


@inline
def _scaled(x: float, e: int) -> float:
    """x * 2^e, exactly; e from -1022 to 1023."""
    return x * np.uint64((np.int64(1023) + e) << np.int64(52)).view(np.float64)


@inline
def wide_number(data: U1, bit: int, bits: int, kind: int, little: bool) -> float:
    """An integer of 65 to 1,024 bits as the nearest float64 (ties to even).

    The leading 64 significant bits are rounded once. All bits after them are folded into the last
    one, which is all that rounding needs to know of them.
    """
    lead = np.int64(0)  # where the last of the leading bits stands
    negative = kind == WIDE_SIGNED and _bit_at(data, bit, bits, 0, little) == 1
    word, taken, sticky, carry_from = np.uint64(0), 0, False, -1
    if negative:  # magnitude = complement plus one: bits above the lowest set bit are inverted
        carry_from = bits - 1
        while carry_from > 0 and _bit_at(data, bit, bits, carry_from, little) == 0:
            carry_from -= 1
    for i in range(bits):
        b = _bit_at(data, bit, bits, i, little)
        if negative and i < carry_from:
            b = 1 - b
        if taken == 64:
            sticky = sticky or b == 1
        elif taken or b:
            word = (word << np.uint64(1)) | np.uint64(b)
            taken += 1
            if taken == 64:
                lead = i
    if taken < 64:
        x = np.float64(word)
    else:
        x = np.float64(word | np.uint64(1) if sticky else word)
        e = bits - 1 - lead
        while e > 1000:
            x = _scaled(x, 1000)
            e -= 1000
        x = _scaled(x, e)
    return -x if negative else x


@inline
def _bit_at(data: U1, bit: int, bits: int, i: int, little: bool) -> int:
    """Bit i, counted from the most significant one, of a wide integer."""
    if little:  # whole bytes, the last one first
        i = bits - 8 - (i & ~7) + (i & 7)
    at = bit + i
    return np.int64(data[at >> 3] >> np.uint8(7 - (at & 7))) & 1
