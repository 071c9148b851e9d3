"""Times of packets in whole ns: scaled counts, CUC and CDS (CCSDS 301.0-B-4), leap seconds."""

from __future__ import annotations

import numpy as np

from pipeline.decode.definitions.tables import CUC, DROP, KIND, SCALED, SIGNED, UNSIGNED, Tables
from pipeline.decode.kernels.numbers import number, some_bits
from pipeline.kernel import inline, part
from schemas.columns import ABSENT, I8, NEVER, SECOND, U1, U8

_FAR = float(2**62)
_SECOND = np.int64(SECOND)
_DAY = np.int64(86400 * SECOND)
_END = np.int64(2**62)
_MOST_DAYS = 2**62 // (86400 * SECOND)  # i8 still holds them plus the milliseconds, at most 49 days
_MS = np.int64(10**6)
_ABSENT = np.uint8(ABSENT)
MISSING = NEVER + 1  # a term that the packet does not hold


@part
def time_of(data: U1, t: Tables, which: int, v: int, first_field: int, raw: U8, quality: U1) -> int:
    """ns since 1970 UTC of a time row; NEVER if it is not a valid time, MISSING if it is absent."""
    total, continuous = t.times[which, 0], t.times[which, 1]
    for k in range(t.times[which, 2], t.times[which, 2] + t.times[which, 3]):
        term = t.terms[k]
        column = v + term[0]
        if quality[column] == _ABSENT:
            return np.int64(MISSING)
        if term[1] == SCALED:
            field = t.fields[first_field + term[0]]
            ns = _ns(raw[column], field[KIND], field[DROP], term[2], term[3])
        else:
            ns = _segmented(data, np.int64(raw[column] >> np.uint64(20)), t, term)
        if ns == NEVER:
            return np.int64(NEVER)
        total += ns
        if not -_END < total < _END:
            return np.int64(NEVER)
    return _utc(total, t.leap_tai, t.leap_offset) if continuous else total


@inline
def correlated(ns: int, received: int, t: Tables) -> int:
    """UTC of an on-board time, by the run of the clock in which the packet was received.

    NEVER if the result is not a valid time.
    """
    run = len(t.clock_runs) - 1
    while run > 0 and t.clock_runs[run, 0] > received:
        run -= 1
    first = t.clock_runs[run, 1]
    low, high = first, first + t.clock_runs[run, 2] - 1  # the last pair at or before it
    while low < high:
        middle = (low + high + 1) >> 1
        if t.clock_pairs[middle, 0] <= ns:
            low = middle
        else:
            high = middle - 1
    since = ns - t.clock_pairs[low, 0]
    if not (-_FAR < np.float64(t.clock_pairs[low, 1]) + 1.01 * np.float64(since) < _FAR):
        return np.int64(NEVER)
    return t.clock_pairs[low, 1] + since + np.int64(np.rint(np.float64(since) * t.clock_drift[low]))


@inline
def _ns(word: np.uint64, kind: int, drop: int, up: int, down: int) -> int:
    """`word * up / down` in ns, to the nearest; exact for integers. NEVER: not a valid time."""
    x = number(word, kind, drop) * (np.float64(up) / np.float64(down))
    if not (-_FAR < x < _FAR):
        return np.int64(NEVER)
    if kind != UNSIGNED and kind != SIGNED:
        return np.int64(np.round(x))
    count = np.int64(word)
    if kind == SIGNED:
        count = np.int64(word << np.uint64(drop)) >> np.int64(drop)
    if down == 1:
        return count * up
    if kind == UNSIGNED and word >= np.uint64(2**63):  # a count that i8 does not hold
        whole = np.int64(word // np.uint64(down))
        rest = np.int64(word - np.uint64(whole) * np.uint64(down))
        return whole * up + (rest * up + (down >> 1)) // down
    whole = count // down  # the product of the rest fits: `scaled_term` has checked it
    return whole * up + ((count - whole * down) * up + (down >> 1)) // down


@inline
def _segmented(data: U1, bit: int, t: Tables, term: I8) -> int:
    """T-field of a CCSDS time code in ns from its epoch; NEVER if its P-field is another one."""
    for i in range(term[5]):
        if some_bits(data, bit + 8 * i, 8) != np.uint64(t.texts[term[4] + i]):
            return np.int64(NEVER)
    bit += 8 * term[5]
    if term[1] == CUC:  # 3.2.2: seconds, and their fraction in powers of 1/256
        seconds = np.int64(some_bits(data, bit, 8 * term[2]))
        ns = np.int64(0)
        if term[3]:
            n = 8 * term[3]
            ns = _fraction(some_bits(data, bit + 8 * term[2], n), n)
        return seconds * _SECOND + ns
    days = np.int64(some_bits(data, bit, 8 * term[2]))  # 3.3.2
    if days > _MOST_DAYS:
        return np.int64(NEVER)
    bit += 8 * term[2]
    ns = np.int64(some_bits(data, bit, 32)) * _MS
    if term[3] == 2:
        ns += np.int64(some_bits(data, bit + 32, 16)) * 1000
    elif term[3] == 4:
        ns += (np.int64(some_bits(data, bit + 32, 32)) + 500) // 1000
    ns += days * _DAY
    return ns if ns < _END else np.int64(NEVER)


@inline
def _fraction(word: np.uint64, n: int) -> int:
    """Binary fraction of n bits of a second, to the nearest ns, halves up."""
    high = np.int64(word >> np.uint64(n - 16)) if n >= 16 else np.int64(word) << np.int64(16 - n)
    low_bits = max(n - 16, 0)
    low = np.int64(word & ((np.uint64(1) << np.uint64(low_bits)) - np.uint64(1)))
    # high * 1e9 / 2^16, with its remainder carried to the part below
    product = high * _SECOND
    whole, rest = product >> 16, product & 65535
    # (rest + low * 1e9 / 2^low_bits) / 2^16
    part = (rest << np.int64(low_bits)) + low * _SECOND
    return whole + ((part + (np.int64(1) << np.int64(low_bits + 15))) >> np.int64(low_bits + 16))


@inline
def _utc(tai: int, leap_tai: I8, leap_offset: I8) -> int:
    """UTC of a moment on TAI's scale. An inserted second is the first moment of the next day."""
    i = len(leap_tai)
    while i > 0 and leap_tai[i - 1] > tai:
        i -= 1
    if i == 0:
        return tai - leap_offset[0]
    utc = tai - leap_offset[i - 1]
    if i < len(leap_tai):
        midnight = leap_tai[i] - leap_offset[i]
        if utc > midnight:
            return midnight
    return utc
