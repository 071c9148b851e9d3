"""The kernel that writes closings as one Arrow record batch (`pipeline.outputs.statistics`)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pipeline.kernel import kernel, load_le, part, store_le
from pipeline.outputs.arrow_kernels import WORD, Lists, lists, pad, pair
from pipeline.outputs.closings import BITS, END, GROUP, PANES, PLACE, WINDOW
from schemas.columns import F8, I4, I8, U1, U4

WHOLE, SINGLE, DOUBLE = range(3)  # how a figure is written: u4, f4, f8
_I4 = np.int32(0)


class StatisticsPlan(NamedTuple):
    """container, name_start, names: of each group, in the dictionaries. window: seconds of the
    window and its panes. kinds: of each figure. head, places: as in `sample_rows.Heads`."""

    container: I4
    name_start: I8
    names: I4
    window: F8
    kinds: I8
    head: U1
    places: I8


@kernel
def write(
    first: I8,
    order: I8,
    heads: I8,
    figures: F8,
    quality: U4,
    p: StatisticsPlan,
    out: U1,
    ends: I8,
) -> None:
    """Records of closings into `out`: the k-th of those from first[k] to first[k + 1] in this
    order; ends[k + 1]: its end."""
    ends[0] = 0
    for k in range(len(first) - 1):
        mine = order[first[k] : first[k + 1]]
        ends[k + 1] = _record(mine, heads, figures, quality, p, out, ends[k])


@part
def _record(
    order: I8, heads: I8, figures: F8, quality: U4, p: StatisticsPlan, out: U1, at: int
) -> int:
    n, body = len(order), at + len(p.head)
    for i in range(len(p.head)):
        out[at + i] = p.head[i]
    node, buffer = at + p.places[2], at + p.places[3]
    used = body
    for number in range(5):
        node = pair(out, node, n, 0)
        buffer = pair(out, buffer, 0, 0)
        width = 4 if number == 0 or number == 4 else 8
        buffer = pair(out, buffer, used - body, width * n)
        for i in range(n):
            head = heads[order[i]]
            if number == 0:
                store_le(out, used + 4 * i, p.container[head[GROUP]])
            elif number == 3:
                store_le(out, used + 8 * i, head[END])
            elif number == 4:
                store_le(out, used + 4 * i, np.int32(head[PANES]))
            else:
                store_le(out, used + 8 * i, p.window[head[WINDOW], number - 1])
        used = pad(out, used + width * n, body)
    ends, total = used, 0
    for i in range(n):
        store_le(out, ends + 4 * i, np.int32(total))
        total += _width(heads[order[i]], p)
    store_le(out, ends + 4 * n, np.int32(total))
    for row in range(-1, len(p.kinds)):  # the names, then the figures
        kind = p.kinds[row] if row >= 0 else WHOLE
        mine = used
        for i in range(n + 1):  # the same ends, of which the first are here
            store_le(out, mine + 4 * i, load_le(out, ends + 4 * i, _I4))
        used = pad(out, mine + 4 * (n + 1), body)
        size = (8 if kind == DOUBLE else 4) * total
        column = Lists(n, 0, 0, total, size, 0, mine - body, used - body)
        node, buffer = lists(out, node, buffer, column)
        for i in range(n):
            head = heads[order[i]]
            used = _values(head, row, kind, _width(head, p), figures, p, out, used)
        used = pad(out, used, body)
    for bit in range(BITS):
        used, column = _flags(bit, order, heads, quality, p, body, out, used)
        node, buffer = lists(out, node, buffer, column)
    store_le(out, at + p.places[0], np.int64(n))
    store_le(out, at + p.places[1], np.int64(used - body))
    return used


@part
def _width(head: I8, p: StatisticsPlan) -> int:
    return int(p.name_start[head[GROUP] + 1] - p.name_start[head[GROUP]])


@part
def _values(
    head: I8, row: int, kind: int, f: int, figures: F8, p: StatisticsPlan, out: U1, used: int
) -> int:
    """The names (row -1) or one figure of a closing; returns the end."""
    if row < 0:
        first = p.name_start[head[GROUP]]
        for j in range(f):
            store_le(out, used + 4 * j, p.names[first + j])
        return used + 4 * f
    first = len(p.kinds) * head[PLACE] + row * f
    if kind == DOUBLE:
        for j in range(f):
            store_le(out, used + 8 * j, figures[first + j])
        return used + 8 * f
    for j in range(f):
        if kind == SINGLE:
            store_le(out, used + 4 * j, np.float32(figures[first + j]))
        else:
            store_le(out, used + 4 * j, np.uint32(figures[first + j]))
    return used + 4 * f


@part
def _flags(
    bit: int,
    order: I8,
    heads: I8,
    quality: U4,
    p: StatisticsPlan,
    body: int,
    out: U1,
    used: int,
) -> tuple[int, Lists]:
    """Counts of one quality bit: a list where a closing has any, else null."""
    n, some, total, bits = len(order), 0, 0, used
    ends = used + ((n + 7) // 8 + WORD - 1) // WORD * WORD
    values = pad(out, ends + 4 * (n + 1), body)
    for i in range(bits, values):
        out[i] = 0
    for i in range(n):
        head = heads[order[i]]
        f = _width(head, p)
        first, found = BITS * head[PLACE] + bit * f, np.uint32(0)
        for j in range(f):
            found |= quality[first + j]
        if found:
            for j in range(f):
                store_le(out, values + 4 * (total + j), quality[first + j])
            out[bits + i // 8] |= np.uint8(1) << np.uint8(i % 8)
            some, total = some + 1, total + f
        store_le(out, ends + 4 * (i + 1), np.int32(total))
    column = Lists(
        n, n - some, (n + 7) // 8, total, 4 * total, bits - body, ends - body, values - body
    )
    return pad(out, values + 4 * total, body), column
