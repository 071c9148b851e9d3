"""Kernels of the samples: packets to rows, and rows to the bytes of Arrow record batches."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pipeline.kernel import kernel, load_le, part, store_le
from pipeline.outputs.arrow_kernels import WORD, Lists, lists, pad, pair
from pipeline.outputs.sample_columns import FLOAT32, FLOAT64, QUALITY, SIGNED
from schemas.columns import ABSENT, F8, I4, I8, U1, U8

_ABSENT = np.uint8(ABSENT)
_U4, _U8 = np.uint32(0), np.uint64(0)  # types of what is loaded


class Given(NamedTuple):
    """Packets as the decoder gives them (`pipeline.decode.decoder.Flat`)."""

    length: I4
    reception_ns: I8
    plan: I4
    row_at: I8
    value_at: I8
    time_ns: I8
    raw: U8
    eng: F8
    quality: U1


class RowPlan(NamedTuple):
    """How a row of each container lies in memory; row_bytes 0: it has no samples.

    runs: made, first field, how many, place in the row, width, bits. columns: place in the row,
    width, place among the qualities, nullable. quality: its place in the row, how many.
    """

    row_bytes: I8
    capacity: I8  # rows of a full batch
    base: I8  # place of the first row in `Open.content`
    runs: I8
    run_start: I8
    columns: I8
    column_start: I8
    quality: I8


class Heads(NamedTuple):
    """Heads of the records of each container (`pipeline.outputs.arrow.Form`).

    places: of the rows, the body's length, the field nodes, the buffers. most: bytes of the largest
    record of all.
    """

    content: U1
    start: I8
    places: I8
    most: int


class Open(NamedTuple):
    """rows: of each container. period: number of the last tick's. content: the rows."""

    rows: I8
    period: I8
    content: U1


class Closed(NamedTuple):
    """table: packet, container, first byte and end of each record in `out`."""

    table: I8
    out: U1


@kernel
def collect(
    packet: int,
    container: int,
    period_ns: int,
    g: Given,
    p: RowPlan,
    h: Heads,
    o: Open,
    z: Closed,
) -> tuple[int, int, int]:
    """Append packets from `packet` on: (next packet, next container to close, closed records).

    It stops where there may be no room for another record; a tick that closes several goes on from
    the container given.
    """
    n, used = 0, 0
    while packet < len(g.length):
        if n == len(z.table) or used + h.most > len(z.out):
            return packet, container, n
        cause = packet
        if g.length[packet] == 0:
            now = g.reception_ns[packet] // period_ns
            c = _next_open(container, o.rows) if now != o.period[0] else len(o.rows)
            container = c + 1
            if c == len(o.rows):
                o.period[0], container, packet = now, 0, packet + 1
                continue
        else:
            c, packet = g.plan[packet], packet + 1
            if c < 0 or p.row_bytes[c] == 0:
                continue
            _append(c, cause, g, p, o)
            if o.rows[c] < p.capacity[c]:
                continue
        end = _close(c, used, o.rows[c], p, h, o, z.out)
        row = z.table[n]
        row[0], row[1], row[2], row[3] = cause, c, used, end
        o.rows[c], used, n = 0, end, n + 1
    return packet, container, n


@part
def _next_open(container: int, rows: I8) -> int:
    """The first container from one on that has rows; behind the last: none has."""
    while container < len(rows) and rows[container] == 0:
        container += 1
    return container


@part
def _append(c: int, packet: int, g: Given, p: RowPlan, o: Open) -> None:
    at = p.base[c] + o.rows[c] * p.row_bytes[c]
    value = g.value_at[packet]
    store_le(o.content, at, g.time_ns[g.row_at[packet]])
    for k in range(p.run_start[c], p.run_start[c + 1]):
        made, first, count = p.runs[k, 0], value + p.runs[k, 1], p.runs[k, 2]
        to, width = at + p.runs[k, 3], p.runs[k, 4]
        if made == QUALITY:
            for i in range(count):
                o.content[to + i] = g.quality[first + i]
        elif made == FLOAT64:
            for i in range(count):
                store_le(o.content, to + 8 * i, g.eng[first + i])
        elif made == FLOAT32:
            for i in range(count):
                store_le(o.content, to + 4 * i, np.float32(g.eng[first + i]))
        elif made == SIGNED:
            away = np.uint64(64 - p.runs[k, 5])
            for i in range(count):
                word = np.int64(g.raw[first + i] << away) >> np.int64(away)
                _narrow(o.content, to + width * i, np.uint64(word), width)
        elif width == 4:
            for i in range(count):
                store_le(o.content, to + 4 * i, np.uint32(g.raw[first + i]))
        else:
            for i in range(count):
                _narrow(o.content, to + width * i, g.raw[first + i], width)
    o.rows[c] += 1


@part
def _narrow(out: U1, at: int, word: np.uint64, width: int) -> None:
    if width == 1:
        out[at] = np.uint8(word)
    elif width == 2:
        store_le(out, at, np.uint16(word))
    elif width == 4:
        store_le(out, at, np.uint32(word))
    else:
        store_le(out, at, word)


@part
def _close(c: int, at: int, rows: int, p: RowPlan, h: Heads, o: Open, out: U1) -> int:
    """Columns, of which the time is the first, and the list of qualities: buffers of the body, and
    their numbers in the head."""
    first, size = h.start[c], h.start[c + 1] - h.start[c]
    for i in range(size):
        out[at + i] = h.content[first + i]
    node, buffer = at + h.places[c, 2], at + h.places[c, 3]
    body, begin, step = at + size, p.base[c], p.row_bytes[c]
    quality, fields, used = p.quality[c, 0], p.quality[c, 1], body
    for k in range(p.column_start[c], p.column_start[c + 1]):
        nulls, judged = 0, begin + quality + p.columns[k, 2]
        if p.columns[k, 3]:
            for r in range(rows):
                nulls += o.content[judged + r * step] == _ABSENT
        if nulls:
            end, _ = _bits(o.content, judged, step, rows, 0, out, used)
            buffer = pair(out, buffer, used - body, (rows + 7) // 8)
            used = end
        else:
            buffer = pair(out, buffer, used - body, 0)
        node = pair(out, node, rows, nulls)
        width = p.columns[k, 1]
        buffer = pair(out, buffer, used - body, width * rows)
        used = _gather(o.content, begin + p.columns[k, 0], step, rows, width, out, used)
    used, column = _qualities(o.content, begin + quality, step, rows, fields, body, out, used)
    lists(out, node, buffer, column)
    store_le(out, at + h.places[c, 0], np.int64(rows))
    store_le(out, at + h.places[c, 1], np.int64(used - body))
    return used


@part
def _qualities(
    content: U1, first: int, step: int, rows: int, fields: int, body: int, out: U1, used: int
) -> tuple[int, Lists]:
    """A list a row of the qualities of its parameters; null where all are good, or absent."""
    bits = used
    ends, flagged = _bits(content, first, step, rows, fields, out, used)
    values, total = pad(out, ends + 4 * (rows + 1), body), 0
    store_le(out, ends, np.int32(0))
    for r in range(rows):
        if (out[bits + r // 8] >> np.uint8(r % 8)) & 1:
            for i in range(fields):
                q = content[first + r * step + i]
                out[values + total + i] = q if q != _ABSENT else np.uint8(0)
            total += fields
        store_le(out, ends + 4 * (r + 1), np.int32(total))
    column = Lists(
        rows, rows - flagged, (rows + 7) // 8, total, total, bits - body, ends - body,
        values - body,
    )  # fmt: skip
    return pad(out, values + total, body), column


@part
def _is_flagged(content: U1, at: int, fields: int) -> bool:
    """Whether any quality is neither good nor that of an absent value."""
    words, i = _U8, 0
    while i + WORD <= fields:
        words |= load_le(content, at + i, _U8)
        i += WORD
    while i < fields:
        words |= np.uint64(content[at + i])
        i += 1
    if words == 0:  # nearly always
        return False
    found = np.uint8(0)
    for i in range(fields):
        q = content[at + i]
        found |= q if q != _ABSENT else np.uint8(0)
    return found != 0


@part
def _bits(
    content: U1, first: int, step: int, rows: int, fields: int, out: U1, used: int
) -> tuple[int, int]:
    """A bitmap of rows: those whose value is not absent; with `fields`, those that are flagged.

    Returns its end, and how many bits are set.
    """
    for i in range((rows + 7) // 8):
        out[used + i] = 0
    n = 0
    for r in range(rows):
        at = first + r * step
        good = content[at] != _ABSENT if fields == 0 else _is_flagged(content, at, fields)
        out[used + r // 8] |= np.uint8(good) << np.uint8(r % 8)
        n += good
    return pad(out, used + (rows + 7) // 8, used), n


@part
def _gather(content: U1, at: int, step: int, rows: int, width: int, out: U1, used: int) -> int:
    """A column of rows, one after the other."""
    if width == 8:
        for r in range(rows):
            store_le(out, used + 8 * r, load_le(content, at + r * step, _U8))
    elif width == 4:
        for r in range(rows):
            store_le(out, used + 4 * r, load_le(content, at + r * step, _U4))
    else:
        for r in range(rows):
            for i in range(width):
                out[used + r * width + i] = content[at + r * step + i]
    return pad(out, used + rows * width, used)
