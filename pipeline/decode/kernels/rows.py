"""The kernel of decoding: values of every column of every packet."""

from __future__ import annotations

import numpy as np

from pipeline.decode.definitions.plans import FIRST_TIME, PlanTables
from pipeline.decode.definitions.runs import FLOATS, WORDS, Runs
from pipeline.decode.definitions.tables import (
    BINARY,
    BITS,
    BYTE,
    CALIBRATOR,
    DROP,
    KIND,
    LABEL,
    LABEL_N,
    LITTLE,
    POLY,
    POLY_N,
    SHIFT,
    STRING,
    WIDE_BINARY,
    Tables,
)
from pipeline.decode.kernels.classify import REFUSED_OF
from pipeline.decode.kernels.numbers import bits_of, number, swap
from pipeline.decode.kernels.program import Work, follow
from pipeline.decode.kernels.texts import copy_bits
from pipeline.decode.kernels.times import MISSING, correlated, time_of
from pipeline.decode.kernels.values import holds, polynomial, raw_number, spline, unlabelled
from pipeline.kernel import inline, kernel, load_be32, load_be64, part
from schemas.columns import ABSENT, F8, I4, I8, NEVER, U1, U8, Quality, Reason

_INVALID = np.uint8(Quality.INVALID)
_ABSENT = np.uint8(ABSENT)
_TRAILING = np.uint8(Reason.TRAILING_BYTES)
_BAD_TIME = np.uint8(Reason.BAD_TIME)
_FAR = float(2**62)
_EXPONENT = np.uint32(0x7F800000)  # of a float of 32 bits


@kernel
def decode(
    data: U1,
    start: I8,
    length: I4,
    reception_ns: I8,
    time_offset_ns: I8,
    duplicate: U1,
    plan: I4,
    reason: U1,
    p: PlanTables,
    t: Tables,
    w: Work,
    allow_trailing: bool,
    next_row: I8,
    next_value: I8,
    value_at: I8,
    row_at: I8,
    packet: I8,
    time_ns: I8,
    raw: U8,
    eng: F8,
    quality: U1,
    choice: U1,
) -> None:
    """Decode the values of every packet; each plan has its own region of the flat columns.

    `next_row`, `next_value` (per plan) come in as the start of its region and go out as its end;
    `row_at` and `value_at` (per packet) go out as the places of its row and of its first value.
    A refused packet takes no row: its plan becomes REFUSED_OF minus its container, and its reason
    is set.
    """
    for k in range(len(start)):
        c = plan[k]
        if c < 0:
            continue
        at = start[k]
        row, v = next_row[c], next_value[c]
        value = v
        twin = duplicate[k] << np.uint8(7)
        bad = np.uint8(0)
        if p.static[c]:
            for i in range(v, v + p.columns[c]):
                quality[i] = twin
            _in_runs(data, at, t, p.runs, c, v, twin, raw, eng, quality)
        else:
            for i in range(v, v + p.columns[c]):
                raw[i], eng[i], quality[i] = np.uint64(0), np.nan, _ABSENT
        v += p.columns[c]
        if p.program_start[c] < p.program_start[c + 1]:
            bits = 8 * np.int64(length[k])
            bad, used = follow(
                data, at, bits, t, p.program, p.program_start[c], p.program_start[c + 1], value,
                twin, w, raw, eng, quality,
            )  # fmt: skip
            if bad == 0 and not p.static[c] and bits - used >= 8 and not allow_trailing:
                bad = _TRAILING
        now = reception_ns[k] - time_offset_ns[k]
        if bad == 0:
            now, bad = _times(data, t, p, c, value, now, reception_ns[k], raw, eng, quality)
        if bad == 0:
            shifted = np.float64(now) + np.float64(time_offset_ns[k])
            if not (-_FAR < shifted < _FAR):
                bad = _BAD_TIME
        if bad != 0:
            plan[k], reason[k] = REFUSED_OF - c, bad
            continue
        packet[row], time_ns[row] = k, now + time_offset_ns[k]
        row_at[k], value_at[k] = row, value
        if p.published_start[c] < p.published_start[c + 1]:
            _publish(data, t, p, c, value, w, raw, eng, quality)
        if p.choices_start[c] < p.choices_start[c + 1]:
            _choose(data, t, p, c, value, w, raw, eng, quality, choice[row])
        next_row[c], next_value[c] = row + 1, v


@part
def _in_runs(
    data: U1, at: int, t: Tables, runs: Runs, c: int, v: int, twin: int, raw: U8, eng: F8,
    quality: U1,
) -> None:  # fmt: skip
    """Every column of a container whose places are known."""
    for k in range(runs.start[c], runs.start[c + 1]):
        kind, i, n = runs.table[k, 0], runs.table[k, 1], runs.table[k, 2]
        if kind == WORDS:
            _words(data, at, runs, i, n, v, raw, eng)
        elif kind == FLOATS:
            _floats(data, at + runs.byte[i], n, v, raw, eng, quality)
        else:
            for f in range(n):
                _any(data, at, t, i + f, v + f, twin, raw, eng, quality)
        v += n


@part
def _words(data: U1, at: int, runs: Runs, i: int, n: int, v: int, raw: U8, eng: F8) -> None:
    """Plain unsigned numbers, each within eight bytes."""
    for f in range(n):
        word = load_be64(data, at + runs.byte[i + f]) << runs.shift[i + f] >> runs.drop[i + f]
        raw[v + f], eng[v + f] = word, np.float64(word)


@part
def _floats(data: U1, at: int, n: int, v: int, raw: U8, eng: F8, quality: U1) -> None:
    """Big-endian floats one behind the other. All bits of the exponent are set where a value is
    not finite (IEEE 754-2008, 3.4)."""
    odd = np.uint32(0)
    for f in range(n):
        word = load_be32(data, at + 4 * f)
        raw[v + f], eng[v + f] = np.uint64(word), np.float64(np.uint32(word).view(np.float32))
        odd |= np.uint32((word & _EXPONENT) == _EXPONENT)
    if odd:
        for f in range(n):
            if not np.isfinite(eng[v + f]):
                quality[v + f] |= _INVALID


@part
def _any(
    data: U1, at: int, t: Tables, i: int, v: int, twin: int, raw: U8, eng: F8, quality: U1
) -> None:
    """Any field at a known place."""
    fields = t.fields
    kind, drop = fields[i, KIND], fields[i, DROP]
    if kind >= WIDE_BINARY or fields[i, CALIBRATOR] >= 0:
        _rare(data, at, t, i, v, twin, raw, eng, quality)
        return
    word = bits_of(data, at + fields[i, BYTE], fields[i, SHIFT], drop)
    if fields[i, LITTLE]:
        word = swap(word, fields[i, BITS])
    x = number(word, kind, drop)
    flag = twin
    if fields[i, LABEL_N]:
        flag |= unlabelled(np.int64(x), t.labels, fields[i, LABEL], fields[i, LABEL_N])
    if fields[i, POLY_N]:
        x = polynomial(x, t.coefficients, fields[i, POLY], fields[i, POLY_N])
    if not np.isfinite(x):
        flag |= _INVALID
    raw[v], eng[v], quality[v] = word, x, flag


@inline
def _rare(
    data: U1, at: int, t: Tables, i: int, v: int, twin: bool, raw: U8, eng: F8, quality: U1
) -> None:
    """Decode a column at a known place that is not a number, or that has a spline."""
    f = t.fields[i]
    if f[KIND] == BINARY:
        raw[v] = bits_of(data, at + f[BYTE], f[SHIFT], f[DROP])
        eng[v], quality[v] = np.nan, twin
        return
    if f[KIND] >= WIDE_BINARY:
        place = 8 * (at + f[BYTE]) + f[SHIFT]
        raw[v] = (np.uint64(place) << np.uint64(20)) | np.uint64(f[BITS])
        eng[v], quality[v] = np.nan, twin
        return
    word = bits_of(data, at + f[BYTE], f[SHIFT], f[DROP])
    if f[LITTLE]:
        word = swap(word, f[BITS])
    x, flag = spline(t, f[CALIBRATOR], number(word, f[KIND], f[DROP]))
    raw[v], eng[v] = word, x
    quality[v] = twin | flag | (np.uint8(0) if np.isfinite(x) else _INVALID)


@part
def _times(
    data: U1,
    t: Tables,
    p: PlanTables,
    c: int,
    value: int,
    now: int,
    received: int,
    raw: U8,
    eng: F8,
    quality: U1,
) -> tuple[int, bool]:
    """(generation time, reason or 0); fills the columns that are absolute times."""
    clock = np.int64(NEVER)  # the time that the packet itself gives
    bad, found = np.uint8(0), p.time[c] != FIRST_TIME
    first = p.start[c]
    for i in range(p.times_start[c], p.times_start[c + 1]):
        column, which = value + p.times[i, 0], p.times[i, 1]
        ns = time_of(data, t, which, value, first, raw, quality)
        if ns == NEVER:
            eng[column] = np.nan
            quality[column] |= _INVALID
        elif ns != MISSING:
            eng[column] = np.float64(ns) / 1e9
        if not found and ns != MISSING:
            found = True
            clock, bad = ns, (_BAD_TIME if ns == NEVER else np.uint8(0))
    if p.time[c] >= 0:
        ns = time_of(data, t, p.time[c], value, first, raw, quality)
        if ns == NEVER:
            bad = _BAD_TIME
        elif ns != MISSING:
            clock = ns
    if clock != NEVER:
        now = correlated(clock, received, t) if len(t.clock_runs) else clock
        bad = _BAD_TIME if now == NEVER else bad
    return now, bad


@part
def _choose(
    data: U1,
    t: Tables,
    p: PlanTables,
    c: int,
    value: int,
    w: Work,
    raw: U8,
    eng: F8,
    quality: U1,
    out: U1,
) -> None:
    """For each choice of the plan, the first of its criteria to hold: 1, 2, …; 0 if none does."""
    for i in range(p.choices_start[c], p.choices_start[c + 1]):
        first, n = t.choices[p.choices[i], 0], t.choices[p.choices[i], 1]
        found = 0
        for j in range(first, first + n):
            if holds(data, t, t.lookups[j, 0], t.lookups[j, 1], value, raw, eng, quality,
                     w.latest, w.word, w.has, w.text):  # fmt: skip
                found = t.lookups[j, 2]
                break
        out[i - p.choices_start[c]] = found


@inline
def _publish(
    data: U1, t: Tables, p: PlanTables, c: int, value: int, w: Work, raw: U8, eng: F8, quality: U1
) -> None:
    """Keep the newest values of parameters that other packets refer to."""
    for i in range(p.published_start[c], p.published_start[c + 1]):
        column, slot = value + p.published[i, 0], p.published[i, 1]
        if quality[column] == _ABSENT:
            continue
        f = t.fields[p.start[c] + p.published[i, 0]]
        w.has[slot] = 1
        w.latest[slot, 1] = eng[column]
        if f[KIND] == STRING:
            bit = np.int64(raw[column] >> np.uint64(20))
            bits = np.int64(raw[column] & np.uint64(0xFFFFF))
            w.word[slot] = np.uint64(bits)
            copy_bits(data, bit, bits, w.text[slot])
        else:
            w.word[slot] = raw[column]
            w.latest[slot, 0] = raw_number(data, f, raw[column])
