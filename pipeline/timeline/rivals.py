"""Rivals of the accepted clock: rows that do not fit it, kept until later rows decide.

Rows that agree with one another form a rival. A rival that goes on wins, and its rows are used; the
rows of one that does not are refused.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pipeline.kernel import inline
from pipeline.timeline.watermark import (
    ARRIVED,
    LATEST,
    OFFSET,
    RECEIVED,
    STEP,
    WATERMARK,
    Arrived,
    Bounds,
    Come,
    Line,
    Out,
    follow,
    take,
)
from schemas.columns import F8, I8, NEVER, U1, Reason

SUSPECTS = 64  # rows held at most that no clock explains yet
LINES = 4  # rivals at most
AGREE = 3  # rows with which a rival wins
AGREE_APART = 6  # the same, if they lie further apart than the container's rows
SETTLED_NS = 500_000_000  # reception time for which a rival behind the clock must go on
TIGHT_NS = 2_000_000_000
# of a rival
COUNT, TIME, HEARD, FIRST, FIRST_HEARD, OVER, LOOSE = range(7)
LATE = int(Reason.LATE)
JUMP = int(Reason.TIME_JUMP)


class Suspects(NamedTuple):
    """Rows of rivals. line i8[s]: its rival, -1: none; arrival i8[s]: their order; place i8[s, 4]:
    offset, start and length of their packets, and why they would be refused."""

    time: I8
    eng: F8
    quality: U1
    line: I8
    arrival: I8
    place: I8


@inline
def refuse(p: int, come: Arrived, refused: I8, m: int, reason: int) -> int:
    """Refuse the packet of a row because of its own time."""
    record = come.record[p]
    start = come.start[p] - come.record_start[record]
    return _refuse(refused, m, reason, p, record, come.offset[p], start, come.length[p])


@inline
def _refuse(
    refused: I8, m: int, reason: int, packet: int, record: int, offset: int, start: int, length: int
) -> int:
    refused[m, 0], refused[m, 1], refused[m, 2] = reason, packet, record
    refused[m, 3], refused[m, 4], refused[m, 5] = offset, start, length
    return m + 1


@inline
def _refuse_suspect(
    i: int, suspects: Suspects, refused: I8, m: int, packet: int, record: int
) -> int:
    """Refuse a suspect. The reject is emitted with the packet that decided against it."""
    at = suspects.place[i]
    suspects.line[i] = -1
    return _refuse(refused, m, at[3], packet, record, at[0], at[1], at[2])


@inline
def forget(
    line: int, lines: I8, suspects: Suspects, refused: I8, m: int, packet: int, record: int
) -> int:
    """A rival has lost: its rows are refused in the order in which they came."""
    while True:
        i = _oldest(suspects, line)
        if i < 0:
            break
        m = _refuse_suspect(i, suspects, refused, m, packet, record)
    lines[line, COUNT] = 0
    return m


@inline
def _oldest(suspects: Suspects, line: int) -> int:
    """The suspect that arrived first, of a rival or of all (line = -1); -1: there is none."""
    found = -1
    for i in range(len(suspects.time)):
        mine = suspects.line[i] >= 0 and (line < 0 or suspects.line[i] == line)
        if mine and (found < 0 or suspects.arrival[i] < suspects.arrival[found]):
            found = i
    return found


@inline
def earliest(suspects: Suspects, line: int) -> int:
    """The suspect of a rival with the least time, of equal ones the first; -1: there is none."""
    found = -1
    for i in range(len(suspects.time)):
        if suspects.line[i] == line:
            t = suspects.time[i]
            least = suspects.time[found]
            if (
                found < 0
                or t < least
                or (t == least and suspects.arrival[i] < suspects.arrival[found])
            ):
                found = i
    return found


@inline
def adopt(
    rival: int, until: int, heard: int, p: int, lines: I8, suspects: Suspects, every: I8,
    lateness: int, line: Line, n: int, out: Out,
) -> int:  # fmt: skip
    """Use the rows of a rival up to a time after all, except those behind the watermark.

    heard: when the clock showed them.
    """
    while True:
        i = earliest(suspects, rival)
        if i < 0:
            break
        now = suspects.time[i]
        used = line.clock[WATERMARK] <= now <= until
        suspects.line[i] = -1 if used else len(lines)
        if used:
            follow(now, heard, line.clock)
            n = take(now, p, i, suspects.eng, suspects.quality, every, lateness, line, n, out)
    left = 0
    for i in range(len(suspects.time)):
        if suspects.line[i] == len(lines):
            suspects.line[i] = rival
            left += 1
    lines[rival, COUNT] = left
    return n


@inline
def put_aside(
    r: int, rival: int, early: bool, come: Come, arrived: Arrived, clock: I8, suspects: Suspects,
    refused: I8, m: int,
) -> tuple[int, bool]:  # fmt: skip
    """Keep a row back as one of a rival; without room, the oldest suspect of all is refused.
    Returns refusals so far, and whether there was no room."""
    now, p = come.time[r], come.packet[r]
    slot = 0
    while slot < SUSPECTS and suspects.line[slot] >= 0:
        slot += 1
    full = slot == SUSPECTS
    if full:
        slot = _oldest(suspects, -1)
        m = _refuse_suspect(slot, suspects, refused, m, p, arrived.record[p])
    suspects.time[slot], suspects.line[slot] = now, rival
    suspects.arrival[slot] = clock[ARRIVED]
    suspects.place[slot, 0], suspects.place[slot, 2] = arrived.offset[p], arrived.length[p]
    suspects.place[slot, 1] = arrived.start[p] - arrived.record_start[arrived.record[p]]
    suspects.place[slot, 3] = LATE if early else JUMP
    for j in range(len(come.columns)):
        suspects.eng[slot, j] = come.eng[r, come.columns[j]]
        suspects.quality[slot, j] = come.quality[r, come.columns[j]]
    clock[ARRIVED] += 1
    return m, full


@inline
def agreeing(now: int, heard: int, lines: I8, clock: I8, bounds: Bounds) -> int:
    """The nearest rival that a row continues, on the row's side of the clock; -1: none."""
    found, best = -1, np.int64(2**62)
    for i in range(len(lines)):
        side = clock[LATEST] == NEVER or (lines[i, TIME] < clock[LATEST]) == (now < clock[LATEST])
        if lines[i, COUNT] and side:
            apart = now - lines[i, TIME]
            waited = max(heard - lines[i, HEARD], 0)
            near = -max(bounds.lateness, clock[STEP]) <= apart <= bounds.jump + waited
            if lines[i, COUNT] == 1 and clock[LATEST] == NEVER:
                near = -bounds.jump <= apart <= bounds.jump + waited
            if near and abs(apart) < best:
                found, best = i, abs(apart)
    return found


@inline
def free_line(lines: I8) -> int:
    """Place for a rival: a free one, else that of the weakest.
    Of equals, the one last received earlier."""
    found = 0
    for i in range(1, len(lines)):
        if lines[i, COUNT] < lines[found, COUNT] or (
            lines[i, COUNT] == lines[found, COUNT] and lines[i, HEARD] < lines[found, HEARD]
        ):
            found = i
    return found


@inline
def join(now: int, heard: int, line: int, lines: I8, clock: I8) -> None:
    """One more row of a rival."""
    if lines[line, COUNT] == 0:
        lines[line, FIRST], lines[line, FIRST_HEARD], lines[line, TIME] = now, heard, now
        lines[line, LOOSE] = 0
    usual = max(8 * clock[STEP], TIGHT_NS) + 2 * max(heard - lines[line, HEARD], 0)
    if lines[line, COUNT] == 0 or now - lines[line, TIME] <= usual:
        lines[line, COUNT] += 1
        lines[line, TIME] = max(now, lines[line, TIME])
    else:  # it may be of another clock: it counts for less, and does not move TIME
        lines[line, LOOSE] += 1
    lines[line, HEARD], lines[line, OVER] = heard, 0


@inline
def wins(line: int, heard: int, early: int, full: bool, lines: I8, clock: I8) -> bool:
    """Whether a rival takes over as the clock now."""
    count, loose = lines[line, COUNT], lines[line, LOOSE]
    if clock[LATEST] == NEVER:
        return count + loose >= 2
    if count < AGREE and count + loose < AGREE_APART:
        return False
    if not early:
        return True
    if not _paced(line, heard, lines, clock) or lines[line, FIRST_HEARD] < clock[RECEIVED]:
        return False  # recorded data come faster than they were made, or were received before
    for other in range(len(lines)):  # of two, the older is the recorded one
        recent = heard - lines[other, HEARD] <= 4 * clock[STEP] and lines[other, COUNT] >= 2
        newer = lines[other, TIME] > lines[line, TIME]
        if recent and newer and _paced(other, heard, lines, clock):
            return False
    return heard - lines[line, FIRST_HEARD] >= SETTLED_NS or full


@inline
def _paced(line: int, heard: int, lines: I8, clock: I8) -> bool:
    """Whether the stamps of a rival go on about as fast as reception does."""
    shown = lines[line, TIME] - lines[line, FIRST]
    return shown <= 2 * (heard - lines[line, FIRST_HEARD]) + clock[STEP] // 2


@inline
def catches_up(now: int, heard: int, lines: I8, clock: I8) -> int:
    """The rival, a small step back, that a row of the clock continues as well; -1: none."""
    usual = clock[STEP] + clock[STEP] // 2
    for i in range(len(lines)):
        if lines[i, COUNT] and lines[i, TIME] < clock[LATEST]:
            apart, waited = now - lines[i, TIME], heard - lines[i, HEARD]
            even = abs(apart - waited) <= clock[STEP] // 4
            lower = now - heard <= clock[OFFSET] - clock[STEP] // 2
            if 0 < apart <= usual and even and lower and clock[LATEST] - now <= usual:
                return i
    return -1
