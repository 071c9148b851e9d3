"""Columns whose places depend on the packet: runs the steps of a layout on each packet."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pipeline.decode.definitions.layout import (
    BELOW,
    COUNT,
    DERIVE,
    FIELD,
    MOVE,
    PRESENT,
    START,
    UNLESS,
)
from pipeline.decode.definitions.tables import (
    BINARY,
    BITS,
    CALIBRATOR,
    CONTEXT,
    CONTEXT_N,
    DROP,
    KIND,
    LABEL,
    LABEL_N,
    LITTLE,
    POLY,
    POLY_N,
    SIZE,
    STRING,
    TEXT,
    VALID,
    WIDE_BINARY,
    WIDE_SIGNED,
    WIDE_UNSIGNED,
    Tables,
)
from pipeline.decode.kernels.numbers import number, some_bits, swap, wide_number
from pipeline.decode.kernels.texts import content
from pipeline.decode.kernels.values import calibrated, formula, holds, polynomial, size, unlabelled
from pipeline.kernel import inline
from schemas.columns import ABSENT, F8, I8, U1, U8, Quality, Reason

_ABSENT = np.uint8(ABSENT)
_INVALID = np.uint8(Quality.INVALID)
_TOO_SHORT = np.uint8(Reason.TOO_SHORT)
_BAD_SIZE = np.uint8(Reason.BAD_SIZE)
_TOO_MANY = np.uint8(Reason.TOO_MANY)
MAX_BITS = 8 * 65542


class Work(NamedTuple):
    """What the decoder keeps: newest values of the parameters that others look at, and scratch.

    latest f8[slots, 2] (uncalibrated number, engineering value), word u8[slots] (raw bits; of a
    string its size), has u1[slots], text u1[slots, n]; stack f8, registers i8, starts i8. excess
    i8[2]: step and number of the last count that was too large.
    """

    latest: F8
    word: U8
    has: U1
    text: U1
    stack: F8
    registers: I8
    starts: I8
    excess: I8


@inline
def follow(
    data: U1,
    at: int,
    bits: int,
    t: Tables,
    program: I8,
    first: int,
    last: int,
    v: int,
    twin: bool,
    w: Work,
    raw: U8,
    eng: F8,
    quality: U1,
) -> tuple[np.uint8, int]:
    """Follow steps [first, last) of one packet of `bits` bits at byte `at`.

    Columns of the row are at `v`. Returns (reason or 0, bits up to the end of the last entry).
    """
    cursor, end, origin = 8 * at, 8 * at, 8 * at
    limit = origin + bits
    w.starts[0] = origin
    pc = first
    while pc < last:
        kind, a, b = program[pc, 0], program[pc, 1], program[pc, 2]
        pc += 1
        if kind == FIELD:
            reason, cursor = _field(data, cursor, limit, t, b, a, v, twin, w, raw, eng, quality)
            if reason != 0:
                return reason, end - origin
            end = max(end, cursor)
        elif kind == MOVE:
            by = size(data, t, b, v, raw, eng, quality, w.latest, w.word, w.has, w.text)
            cursor = (cursor if a < 0 else w.starts[a]) + by
            if not origin <= cursor <= limit + MAX_BITS:
                return _BAD_SIZE, end - origin
        elif kind == START:
            w.starts[a] = cursor
        elif kind == UNLESS:
            if not holds(data, t, a, b, v, raw, eng, quality, w.latest, w.word, w.has, w.text):
                pc = first + program[pc - 1, 4]
        elif kind == COUNT:
            n = size(data, t, b, v, raw, eng, quality, w.latest, w.word, w.has, w.text)
            if n < 0:
                return _BAD_SIZE, end - origin
            if n > program[pc - 1, 3]:
                w.excess[0], w.excess[1] = pc - 1, n
                return _TOO_MANY, end - origin
            w.registers[a] = n
        elif kind == BELOW:
            if b >= w.registers[a]:
                pc = first + program[pc - 1, 4]
        elif kind == DERIVE:
            x = formula(
                data,
                t,
                b,
                program[pc - 1, 3],
                np.nan,
                v,
                raw,
                eng,
                quality,
                w.latest,
                w.has,
                w.stack,
            )
            raw[v + a] = np.float64(x).view(np.uint64)
            eng[v + a] = x
            quality[v + a] = twin if np.isfinite(x) else twin | _INVALID
        elif kind == PRESENT:
            if quality[v + a] != _ABSENT:
                pc = first + program[pc - 1, 4]
        else:
            pc = first + program[pc - 1, 4]
    return np.uint8(0), end - origin


@inline
def _field(
    data: U1,
    cursor: int,
    limit: int,
    t: Tables,
    row: int,
    column: int,
    v: int,
    twin: bool,
    w: Work,
    raw: U8,
    eng: F8,
    quality: U1,
) -> tuple[np.uint8, int]:
    """Read one column at the cursor; returns (reason or 0, the cursor after it)."""
    f = t.fields[row]
    kind, bits = f[KIND], f[BITS]
    if kind == STRING or kind == WIDE_BINARY:
        box = bits
        if bits < 0 and f[SIZE] >= 0:
            box = size(data, t, f[SIZE], v, raw, eng, quality, w.latest, w.word, w.has, w.text)
            if not 0 <= box <= MAX_BITS:
                return _BAD_SIZE, cursor
        if max(box, 0) > limit - cursor:
            return _TOO_SHORT, cursor
        good, start, n, taken = content(data, t, f[TEXT], cursor, box, limit)
        if not good:
            return _BAD_SIZE, cursor
        raw[v + column] = (np.uint64(start) << np.uint64(20)) | np.uint64(n)
        eng[v + column], quality[v + column] = np.nan, twin
        return np.uint8(0), cursor + taken
    if bits > limit - cursor:
        return _TOO_SHORT, cursor
    if kind == WIDE_UNSIGNED or kind == WIDE_SIGNED:
        raw[v + column] = (np.uint64(cursor) << np.uint64(20)) | np.uint64(bits)
        x = wide_number(data, cursor, bits, kind, f[LITTLE] != 0)
    else:
        word = some_bits(data, cursor, bits)
        if f[LITTLE]:
            word = swap(word, bits)
        raw[v + column] = word
        x = number(word, kind, f[DROP])
        if kind == BINARY:
            eng[v + column], quality[v + column] = np.nan, twin
            return np.uint8(0), cursor + bits
    eng[v + column], flag = _engineering(data, t, f, x, v, w, raw, eng, quality)
    quality[v + column] = twin | flag
    return np.uint8(0), cursor + bits


@inline
def _engineering(
    data: U1, t: Tables, f: I8, x: float, v: int, w: Work, raw: U8, eng: F8, quality: U1
) -> tuple[float, np.uint8]:
    """(engineering value, quality) of a number: labels, calibrators by context, valid range."""
    flag = np.uint8(0)
    if f[LABEL_N]:
        flag = unlabelled(np.int64(x), t.labels, f[LABEL], f[LABEL_N])
    y, chosen = x, np.int64(-1)
    for i in range(f[CONTEXT], f[CONTEXT] + f[CONTEXT_N]):
        if holds(
            data, t, t.contexts[i, 0], t.contexts[i, 1], v, raw, eng, quality, w.latest, w.word,
            w.has, w.text,
        ):  # fmt: skip
            chosen = t.contexts[i, 2]
            break
    if chosen < 0 and f[POLY_N]:
        y = polynomial(x, t.coefficients, f[POLY], f[POLY_N])
    else:
        if chosen < 0:
            chosen = f[CALIBRATOR]
        if chosen >= 0:
            y, more = calibrated(data, t, chosen, x, v, raw, eng, quality, w.latest, w.has, w.stack)
            flag |= more
    if f[VALID] >= 0:
        seen = y if t.valid[f[VALID], 2] else x
        if not t.valid[f[VALID], 0] <= seen <= t.valid[f[VALID], 1]:
            flag |= _INVALID
    if not np.isfinite(y):
        flag |= _INVALID
    return y, flag
