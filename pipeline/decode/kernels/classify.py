"""Finds the container of a packet: down the inheritance tree, by restriction criteria."""

from __future__ import annotations

import numpy as np

from pipeline.decode.definitions.plans import (
    BY_HEAD,
    CHILD,
    CHILD_N,
    CRITERIA,
    CRITERIA_N,
    PLAN,
    PlanTables,
)
from pipeline.decode.definitions.tables import (
    BITS,
    BYTE,
    CALIBRATOR,
    COMPARE,
    DROP,
    EXACT,
    FORMULA,
    KIND,
    LITERAL,
    LITTLE,
    OTHER,
    POLY,
    POLY_N,
    SHIFT,
    SIGNED,
    TEXT,
    Tables,
)
from pipeline.decode.kernels.numbers import bits_of, number, swap
from pipeline.decode.kernels.texts import content
from pipeline.decode.kernels.values import (
    compare,
    compare_text,
    compare_words,
    fold,
    polynomial,
    spline,
)
from pipeline.kernel import inline, kernel
from schemas.columns import I4, I8, U1, Reason

_NO_CONTAINER = np.uint8(Reason.NO_CONTAINER)
_AMBIGUOUS = np.uint8(Reason.AMBIGUOUS_CONTAINER)
_TOO_SHORT = np.uint8(Reason.TOO_SHORT)
_TRAILING = np.uint8(Reason.TRAILING_BYTES)
TICK = -2
REFUSED = -1
REFUSED_OF = -16  # REFUSED_OF - c: a packet of container c that was refused
UNSEEN = -3  # a head that no packet has had yet


@inline
def _word(data: U1, at: int, field: I8) -> np.uint64:
    word = bits_of(data, at + field[BYTE], field[SHIFT], field[DROP])
    return swap(word, field[BITS]) if field[LITTLE] else word


@inline
def _inside(field: I8, bits: int) -> bool:
    return 8 * field[BYTE] + field[SHIFT] + field[BITS] <= bits


@inline
def _value(data: U1, at: int, bits: int, t: Tables, ref: int) -> float:
    """A field at a known place, as a number; NaN if the packet is too short for it."""
    field = t.fields[t.references[ref, 1]]
    if not _inside(field, bits):
        return np.nan
    x = number(_word(data, at, field), field[KIND], field[DROP])
    if t.references[ref, 3] == 0:
        return x
    if field[POLY_N]:
        return polynomial(x, t.coefficients, field[POLY], field[POLY_N])
    if field[CALIBRATOR] >= 0 and t.calibrators[field[CALIBRATOR], 0] != FORMULA:
        return spline(t, field[CALIBRATOR], x)[0]
    return x


@inline
def _text_is(data: U1, at: int, bits: int, t: Tables, field: I8, c: I8) -> bool:
    """Whether the comparison of a string at a known place with a literal holds."""
    if not _inside(field, bits):
        return False
    first = 8 * at + 8 * field[BYTE] + field[SHIFT]
    ok, start, n, _ = content(data, t, field[TEXT], first, field[BITS], 8 * at + bits)
    return ok and compare_text(data, start, n, c[1], t.texts, c[3], c[4])


@inline
def _holds(data: U1, at: int, bits: int, t: Tables, first: int, n: int) -> bool:
    """Whether restriction criteria hold for a packet of `bits` bits."""
    stack = np.uint64(0)
    for i in range(first, first + n):
        if t.criteria[i, 0] != COMPARE:
            stack = fold(t.criteria[i, 0], t.criteria[i, 1], stack)
            continue
        which = t.criteria[i, 1]
        c = t.comparisons[which]
        field = t.fields[t.references[c[0], 1]]
        if c[2] == LITERAL:
            held = _text_is(data, at, bits, t, field, c)
        elif c[2] == EXACT:
            held = _inside(field, bits)
            if held:
                word = _word(data, at, field)
                if field[KIND] == SIGNED:
                    drop = field[DROP]
                    word = np.uint64(np.int64(word << np.uint64(drop)) >> np.int64(drop))
                held = compare_words(word, c[1], t.bits[which], field[KIND] == SIGNED)
        else:
            right = t.numbers[which]
            if c[2] == OTHER:
                right = _value(data, at, bits, t, c[3])
            held = compare(_value(data, at, bits, t, c[0]), c[1], right)
        stack = (stack << np.uint64(1)) | np.uint64(held)
    return (stack & np.uint64(1)) == np.uint64(1)


@kernel
def classify(
    data: U1,
    start: I8,
    length: I4,
    p: PlanTables,
    t: Tables,
    allow_trailing: bool,
    head_cache: I4,
    plan: I4,
    reason: U1,
    rows: I8,
) -> None:
    """Walk each packet down the inheritance tree to its container.

    `plan[k]` becomes the plan c, TICK, REFUSED or REFUSED_OF - c (the last two with `reason[k]`);
    `rows[c]` counts packets.
    `head_cache i4[65536]` holds the node down to which the first word alone leads.
    """
    rows[:] = 0
    nodes = p.nodes
    for k in range(len(start)):
        reason[k] = 0
        if length[k] == 0:
            plan[k] = TICK
            continue
        at, bits = start[k], 8 * np.int64(length[k])
        head = (np.int64(data[at]) << 8) | np.int64(data[at + 1])
        node = np.int64(head_cache[head])
        by_head = node == UNSEEN
        if by_head:
            node = np.int64(0)
        plan[k] = REFUSED
        while True:
            if by_head and not nodes[node, BY_HEAD]:
                head_cache[head] = node
                by_head = False
            matched, matches = node, 0
            first = nodes[node, CHILD]
            for child in range(first, first + nodes[node, CHILD_N]):
                if _holds(data, at, bits, t, nodes[child, CRITERIA], nodes[child, CRITERIA_N]):
                    matched = child
                    matches += 1
            if matches > 1:
                reason[k] = _AMBIGUOUS
                break
            if matches == 0:
                if by_head:
                    head_cache[head] = node
                which = nodes[node, PLAN]
                if which < 0:
                    reason[k] = _NO_CONTAINER
                elif p.static[which] and bits < p.bits[which]:
                    plan[k], reason[k] = REFUSED_OF - which, _TOO_SHORT
                elif p.static[which] and bits - p.bits[which] >= 8 and not allow_trailing:
                    plan[k], reason[k] = REFUSED_OF - which, _TRAILING
                else:
                    plan[k] = which
                    rows[which] += 1
                break
            node = matched
