"""The accepted clock: rows that fit it are released in event time order, ticks move it on.

A row is held back as long as an earlier one may still arrive. Rows that do not fit are handled in
`timeline.rivals`.
"""

from __future__ import annotations

from typing import NamedTuple

from pipeline.kernel import inline
from schemas.columns import F8, I4, I8, NEVER, SECOND, U1

STEP_MOST = 86_400 * SECOND
DRIFT = 64  # the clock may lose one part in so many against reception and count as the same
_WAIT_MOST = 60 * SECOND

# clock: scalars of the state. OFFSET: generation minus reception time, the recent maximum; STEP:
# usual interval of rows; BEGINS: 1 + the rival that takes over when the rows before it are out;
# DUMPED: stamp of the last row behind the clock; RUN: number of such rows that continued in a row
LATEST, WATERMARK, RECEIVED, OFFSET, STEP, HELD, ARRIVED, BEGINS, DUMPED, RUN = range(10)


class Bounds(NamedTuple):
    """ns: how much out of order rows may come; after how long a silence ticks count; how far a
    stamp may lie from those that it agrees with."""

    lateness: int
    silence: int
    jump: int


class Come(NamedTuple):
    """Rows as they come: time, packet i8[k]; eng f8[k, f]; quality u1[k, f]; columns i8[c]: those
    that go on."""

    time: I8
    packet: I8
    eng: F8
    quality: U1
    columns: I8


class Arrived(NamedTuple):
    """Of the batch, by packet: when it was received, where it is stored; ticks: their indices."""

    ticks: I8
    reception: I8
    offset: I8
    start: I8
    length: I4
    record: I4
    record_start: I8


class Kept(NamedTuple):
    """Rows held back. time i8[s], eng f8[s, c], quality u1[s, c]."""

    time: I8
    eng: F8
    quality: U1


class Line(NamedTuple):
    """The clock, the rows that it holds back, and their slots by time, the free ones last."""

    clock: I8
    kept: Kept
    queue: I4


class Out(NamedTuple):
    """Rows that are out, and advances of the watermark between them (`schemas.columns.Ordered`)."""

    time: I8
    packet: I8
    eng: F8
    quality: U1
    advance_row: I8
    advance_ns: I8
    advance_packet: I8


@inline
def _enqueue(slot: int, line: Line) -> None:
    """Put a filled slot in its place by time; equal times keep their order of arrival."""
    time, queue = line.kept.time, line.queue
    i = line.clock[HELD]
    while i > 0 and time[queue[i - 1]] > time[slot]:
        queue[i] = queue[i - 1]
        i -= 1
    queue[i] = slot
    line.clock[HELD] += 1


@inline
def release(packet: int, line: Line, n: int, out: Out) -> int:
    """Release the oldest row held; its slot is queued behind the others as a free one."""
    kept, queue = line.kept, line.queue
    slot = queue[0]
    out.time[n], out.packet[n] = kept.time[slot], packet
    for j in range(kept.eng.shape[1]):
        out.eng[n, j] = kept.eng[slot, j]
        out.quality[n, j] = kept.quality[slot, j]
    for i in range(line.clock[HELD] - 1):
        queue[i] = queue[i + 1]
    queue[line.clock[HELD] - 1] = slot
    line.clock[HELD] -= 1
    return n + 1


@inline
def follow(now: int, heard: int, clock: I8) -> None:
    """Accept that the clock showed `now` when its row was received at `heard`."""
    if clock[LATEST] != NEVER:
        step = min(max(now - clock[LATEST], 0), STEP_MOST)
        if clock[STEP] == 0:
            clock[STEP] = step
        else:  # a single gap must not change the usual step much
            clock[STEP] = max(clock[STEP] + (min(step, 4 * clock[STEP]) - clock[STEP]) // 8, 1)
    passed = min(max(heard - clock[RECEIVED], 0), _WAIT_MOST)
    clock[OFFSET] = max(now - heard, clock[OFFSET] - passed // DRIFT)
    clock[RECEIVED] = max(clock[RECEIVED], heard)  # a reception time that goes back is no silence
    clock[LATEST] = max(clock[LATEST], now)


@inline
def take(
    now: int, p: int, row: int, eng: F8, quality: U1, columns: I8, lateness: int, line: Line,
    n: int, out: Out,
) -> int:  # fmt: skip
    """Put a row that is not behind the watermark into its order; returns rows released."""
    clock, kept, queue = line.clock, line.kept, line.queue
    if lateness == 0:
        out.time[n], out.packet[n] = now, p
        for j in range(len(columns)):
            out.eng[n, j] = eng[row, columns[j]]
            out.quality[n, j] = quality[row, columns[j]]
        clock[WATERMARK] = max(clock[WATERMARK], clock[LATEST])
        return n + 1
    slot = queue[clock[HELD]]  # from queue[HELD] on they are free
    kept.time[slot] = now
    for j in range(len(columns)):
        kept.eng[slot, j] = eng[row, columns[j]]
        kept.quality[slot, j] = quality[row, columns[j]]
    _enqueue(slot, line)
    if clock[HELD] >= len(queue) - 1:  # the oldest must go out, even if it is this one
        clock[WATERMARK] = max(clock[WATERMARK], kept.time[queue[0]])
        n = release(p, line, n, out)
    clock[WATERMARK] = max(clock[WATERMARK], clock[LATEST] - lateness)
    while clock[HELD] > 0 and kept.time[queue[0]] <= clock[WATERMARK]:
        n = release(p, line, n, out)
    return n


@inline
def tick(
    t: int, come: Arrived, bounds: Bounds, line: Line, n: int, a: int, out: Out
) -> tuple[int, int]:
    """Silence moves the watermark on."""
    clock, at = line.clock, come.ticks[t]
    quiet = come.reception[at] - clock[RECEIVED]
    if clock[LATEST] != NEVER and quiet > bounds.silence:
        mark = clock[LATEST] + quiet - bounds.silence - bounds.lateness
        if mark > clock[WATERMARK]:
            clock[WATERMARK] = mark
            while clock[HELD] > 0 and line.kept.time[line.queue[0]] <= mark:
                n = release(at, line, n, out)
            out.advance_row[a], out.advance_ns[a], out.advance_packet[a] = n, mark, at
            a += 1
    return n, a
