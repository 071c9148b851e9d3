"""Kernels of decoding: which container a packet is, and the values of its fields."""

from __future__ import annotations

import numpy as np

from pipeline.decode.plan import (
    BITS,
    BY_HEAD,
    BYTE,
    CALIBRATED,
    CHILD,
    CHILD_N,
    COMPARE,
    COMPARE_N,
    DROP,
    FLOAT32,
    FLOAT64,
    KIND,
    LABEL,
    LABEL_N,
    LITTLE,
    OPERATOR,
    PLAIN,
    PLAN,
    POLY,
    POLY_N,
    SHIFT,
    SIGNED,
    UNSIGNED,
)
from pipeline.kernel import inline, kernel, load_be64, macro
from schemas.columns import F8, I4, I8, NEVER, U1, U8, Quality, Reason

_INVALID = np.uint8(Quality.INVALID)
_NO_CONTAINER = np.uint8(Reason.NO_CONTAINER)
_AMBIGUOUS = np.uint8(Reason.AMBIGUOUS_CONTAINER)
_TOO_SHORT = np.uint8(Reason.TOO_SHORT)
_TRAILING = np.uint8(Reason.TRAILING_BYTES)
TICK = -2
REFUSED = -1
UNSEEN = -3  # a head that no packet has had yet
_FAR = float(2**62)


@macro
def _bits_of(data, at, shift, drop):
    """`64 - drop` bits from bit `shift` of byte `at`, right aligned; the ninth byte is or-ed in."""
    return (
        (load_be64(data, at) << np.uint64(shift))
        | ((np.uint64(data[at + 8]) << np.uint64(shift)) >> np.uint64(8))
    ) >> np.uint64(drop)


@inline
def _swap(word, bits):
    """Bytes of a right-aligned word of `bits` in the other order."""
    swapped = np.uint64(0)
    for _ in range(bits >> 3):
        swapped = (swapped << np.uint64(8)) | (word & np.uint64(255))
        word >>= np.uint64(8)
    return swapped


@inline
def _number(word, kind, drop):
    """Uncalibrated number of a field's bits."""
    if kind == UNSIGNED:
        return np.float64(word)
    if kind == SIGNED:
        return np.float64(np.int64(word << np.uint64(drop)) >> np.int64(drop))
    if kind == FLOAT32:
        return np.float64(np.uint32(word).view(np.float32))
    if kind == FLOAT64:
        return np.uint64(word).view(np.float64)
    return np.float64(word != np.uint64(0))


@inline
def _calibrated(x, polynomials, first, n):
    """Polynomial calibrator by Horner's rule (XTCE PolynomialCalibrator)."""
    y = polynomials[first + n - 1]
    for i in range(n - 2, -1, -1):
        y = y * x + polynomials[first + i]
    return y


@inline
def _holds(data, start, bits, field, compare, want_bits, want, polynomials):
    """One Comparison on a packet that has `bits` bits."""
    if 8 * field[BYTE] + field[SHIFT] + field[BITS] > bits:
        return False
    word = _bits_of(data, start + field[BYTE], field[SHIFT], field[DROP])
    if field[LITTLE]:
        word = _swap(word, field[BITS])
    x = _number(word, field[KIND], field[DROP])
    operator = compare[OPERATOR]
    if field[KIND] <= SIGNED and compare[CALIBRATED] == 0 and operator <= 1:
        # whole 64 bits, which a float would round
        same = word == (want_bits << np.uint64(field[DROP])) >> np.uint64(field[DROP])
        in_range = field[KIND] == SIGNED or want >= 0.0
        return (same and in_range and want == np.floor(want)) == (operator == 0)
    if compare[CALIBRATED] and field[POLY_N]:
        x = _calibrated(x, polynomials, field[POLY], field[POLY_N])
    if operator == 0:
        return x == want
    if operator == 1:
        return x != want
    if operator == 2:
        return x < want
    if operator == 3:
        return x <= want
    if operator == 4:
        return x > want
    return x >= want


@kernel
def classify(
    data: U1,
    start: I8,
    length: I4,
    nodes: I8,
    compares: I8,
    compare_fields: I8,
    compare_bits: U8,
    compare_values: F8,
    polynomials: F8,
    plan_bits: I8,
    allow_trailing: bool,
    head_cache: I4,
    plan: I4,
    reason: U1,
    rows: I8,
) -> None:
    """Walk each packet down the inheritance tree to its container.

    `plan[p]` becomes the plan, TICK or REFUSED (then `reason[p]`); `rows[c]` counts packets.
    `head_cache i4[65536]` remembers how far the first word alone leads.
    """
    rows[:] = 0
    for p in range(len(start)):
        reason[p] = 0
        if length[p] == 0:
            plan[p] = TICK
            continue
        at, bits = start[p], 8 * np.int64(length[p])
        head = (np.int64(data[at]) << 8) | np.int64(data[at + 1])
        node = np.int64(head_cache[head])
        by_head = node == UNSEEN
        if by_head:
            node = np.int64(0)
        plan[p] = REFUSED
        while True:
            if by_head and not nodes[node, BY_HEAD]:
                head_cache[head] = node
                by_head = False
            matched, matches = node, 0
            first = nodes[node, CHILD]
            for child in range(first, first + nodes[node, CHILD_N]):
                ok = True
                for c in range(
                    nodes[child, COMPARE], nodes[child, COMPARE] + nodes[child, COMPARE_N]
                ):
                    if not _holds(
                        data,
                        at,
                        bits,
                        compare_fields[c],
                        compares[c],
                        compare_bits[c],
                        compare_values[c],
                        polynomials,
                    ):
                        ok = False
                        break
                if ok:
                    matched = child
                    matches += 1
            if matches > 1:
                reason[p] = _AMBIGUOUS
                break
            if matches == 0:
                if by_head:
                    head_cache[head] = node
                which = nodes[node, PLAN]
                if which < 0:
                    reason[p] = _NO_CONTAINER
                elif bits < plan_bits[which]:
                    reason[p] = _TOO_SHORT
                elif bits - plan_bits[which] >= 8 and not allow_trailing:
                    reason[p] = _TRAILING
                else:
                    plan[p] = which
                    rows[which] += 1
                break
            node = matched


@kernel
def decode(
    data: U1,
    start: I8,
    reception_ns: I8,
    time_offset_ns: I8,
    duplicate: U1,
    plan: I4,
    plan_start: I8,
    fields: I8,
    polynomials: F8,
    labels: I8,
    times: I8,
    time_start: I8,
    epoch_ns: I8,
    next_row: I8,
    next_value: I8,
    next_wide: I8,
    value_at: I8,
    row_at: I8,
    packet: I8,
    time_ns: I8,
    raw: U8,
    eng: F8,
    quality: U1,
    wide: U1,
) -> None:
    """Values of every field of every packet, each plan into its own region of the flat columns.

    `next_row`, `next_value`, `next_wide` (a plan) come in as the start of its region; `row_at`
    and `value_at` (a packet) go out as the places of its row and of its first value.
    """
    for p in range(len(start)):
        c = plan[p]
        if c < 0:
            continue
        at = start[p]
        row, v, w = next_row[c], next_value[c], next_wide[c]
        first = v
        twin = duplicate[p] << np.uint8(7)
        for i in range(plan_start[c], plan_start[c + 1]):
            kind, drop = fields[i, KIND], fields[i, DROP]
            if fields[i, PLAIN]:
                word = _bits_of(data, at + fields[i, BYTE], fields[i, SHIFT], drop)
                if kind == UNSIGNED:
                    raw[v], eng[v], quality[v] = word, np.float64(word), twin
                else:
                    single = np.uint32(word).view(np.float32)
                    bad = _INVALID if not np.isfinite(single) else np.uint8(0)
                    raw[v], eng[v], quality[v] = word, np.float64(single), twin | bad
                v += 1
                continue
            if drop < 0:  # wider than 64 bits
                w = _copy_bits(
                    data, at + fields[i, BYTE], fields[i, SHIFT], fields[i, BITS], wide, w
                )
                raw[v], eng[v], quality[v] = np.uint64(0), np.nan, twin
                v += 1
                continue
            word = _bits_of(data, at + fields[i, BYTE], fields[i, SHIFT], drop)
            if fields[i, LITTLE]:
                word = _swap(word, fields[i, BITS])
            x = _number(word, kind, drop)
            flag = twin
            if fields[i, LABEL_N]:
                flag |= _unlabelled(np.int64(x), labels, fields[i, LABEL], fields[i, LABEL_N])
            if fields[i, POLY_N]:
                x = _calibrated(x, polynomials, fields[i, POLY], fields[i, POLY_N])
            if not np.isfinite(x):
                flag |= _INVALID
            raw[v], eng[v], quality[v] = word, x, flag
            v += 1
        packet[row] = p
        row_at[p], value_at[p] = row, first
        # generation time: epoch + terms rounded to ns; the reception time where there is no term
        t0, t1 = time_start[c], time_start[c + 1]
        total = epoch_ns[c] if t1 > t0 else reception_ns[p] - time_offset_ns[p]
        for t in range(t0, t1):
            i, up, down = plan_start[c] + times[t, 0], times[t, 1], times[t, 2]
            term = _ns(raw[first + times[t, 0]], fields[i, KIND], fields[i, DROP], up, down)
            total = total + term if term != NEVER and total != NEVER else NEVER
            if not (-_FAR < np.float64(total) < _FAR):
                total = NEVER
        shifted = np.float64(total) + np.float64(time_offset_ns[p])
        far = total == NEVER or not (-_FAR < shifted < _FAR)
        time_ns[row] = NEVER if far else total + time_offset_ns[p]
        next_row[c], next_value[c], next_wide[c] = row + 1, v, w


@inline
def _unlabelled(value, labels, first, n):
    """INVALID where an enumeration has no label for the value."""
    for i in range(first, first + n):
        if labels[i] == value:
            return np.uint8(0)
    return _INVALID


@inline
def _copy_bits(data, at, shift, bits, wide, w):
    """Bytes of a wide field, left aligned as they stand in the packet; returns the next place."""
    for k in range((bits + 7) >> 3):
        byte = (np.int64(data[at + k]) << shift) | (np.int64(data[at + k + 1]) >> (8 - shift))
        left = bits - 8 * k
        mask = 255 if left >= 8 else (255 << (8 - left)) & 255
        wide[w] = np.uint8(byte & mask)
        w += 1
    return w


@inline
def _ns(word, kind, drop, up, down):
    """`word * up / down` in ns, rounded; whole numbers exactly. NEVER where it is no time."""
    x = _number(word, kind, drop) * (np.float64(up) / np.float64(down))
    if not (-_FAR < x < _FAR):
        return NEVER
    if kind in (FLOAT32, FLOAT64):
        return np.int64(np.round(x))
    count = np.int64(word)
    if kind == SIGNED:
        count = np.int64(word << np.uint64(drop)) >> np.int64(drop)
    if down == 1:
        return count * up
    whole = count // down  # the product of the rest fits: the plan has seen to it
    return whole * up + ((count - whole * down) * up + (down >> 1)) // down
