"""Watermark: rows of one container put in event time order, late ones refused (docs/time.md).

The watermark is the latest generation time believed, less the lateness bound. When a container
falls silent, ticks move it on as reception time passes.

No stamp is believed alone. A row whose time fits neither what came before nor its reception is kept
back, and rows that agree with one another make a line of their own: a rival of the clock that is
believed. What follows decides: a rival that goes on wins, and its rows are used; one that does not
is refused. A rival that lies back is recorded data while rows of the clock go on beside it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pipeline.kernel import inline, kernel
from schemas.columns import (
    F8,
    I4,
    I8,
    NEVER,
    U1,
    Ordered,
    PacketBatch,
    Quality,
    Reason,
    Rejects,
    Rows,
    State,
)
from schemas.settings import TimeSettings
from schemas.state import Stateful

REORDER_ROWS = 256  # rows held back at most; more than that moves the watermark on
SUSPECTS = 64  # rows that no clock explains yet, held at most
LINES = 4  # rivals at most
AGREE = 3  # rows of a rival that win
AGREE_APART = 6  # where they lie further apart than the container's rows do
OVERTAKEN = 3  # rows of the clock, after which a rival that said nothing is forgotten
SETTLED_NS = 500_000_000  # reception time for which a rival that lies back must go on
JITTER_NS = 50_000_000  # of the way from the spacecraft to here
TIGHT_NS = 2_000_000_000
STEP_MOST = 86_400_000_000_000
FAR = 2**62  # no decoder gives a time beyond it
DRIFT = 64  # one part in: what the clock may lose against reception and still be itself

# clock: scalars of the state. OFFSET: generation less reception time, the most of late; STEP:
# usual advance from row to row; BEGINS: 1 + the rival that takes over when the rows before it are
# out; DUMPED: stamp of the last row that lay back; RUN: such rows that went on, one after another
LATEST, WATERMARK, RECEIVED, OFFSET, STEP, HELD, ARRIVED, BEGINS, DUMPED, RUN = range(10)
# of a rival
COUNT, TIME, HEARD, FIRST, FIRST_HEARD, OVER, LOOSE = range(7)
# what a row is to those who judge it as it arrives; ODD: it lies back and goes on with nothing
LIVE, RECORDED, AHEAD, ODD = range(4)
_LATE_BIT = np.uint8(Quality.LATE)
_LATE = int(Reason.LATE)
_JUMP = int(Reason.TIME_JUMP)
_NONE = np.zeros(0, np.int64)


class Kept(NamedTuple):
    """Rows held back. time i8[s], eng f8[s, c], quality u1[s, c]."""

    time: I8
    eng: F8
    quality: U1


class Suspects(NamedTuple):
    """Rows of rivals. line i8[s]: its rival, -1: none; arrival i8[s]: their order; place i8[s, 4]:
    offset, start and length of their packets, and why they would be refused."""

    time: I8
    eng: F8
    quality: U1
    line: I8
    arrival: I8
    place: I8


class Steps(NamedTuple):
    """Changes of clock. packet i8[n]: that decided; before_ns, after_ns: what the clock showed and
    shows; step_ns: by how much it moved against reception; rows: that agreed; usual_ns: from row to
    row, less than which no step is seen."""

    packet: I8
    before_ns: I8
    after_ns: I8
    step_ns: I8
    rows: I8
    usual_ns: I8


class Piece(NamedTuple):
    """Rows of one run of the clock. anew: it begins at a time that lies before the last piece's,
    by step_ns, as `packet` has decided."""

    ordered: Ordered
    anew: bool
    step_ns: int
    packet: int


class Sorted(NamedTuple):
    """Of a batch: pieces in order, refused rows, changes of clock, and what each row is (LIVE,
    RECORDED, AHEAD, ODD) with the time at which it is judged, i8[k]."""

    pieces: list[Piece]
    late: Rejects
    steps: Steps
    kind: U1
    judged_ns: I8


class Order(Stateful):
    """Order stage of one container. columns: which of its fields go on to be resampled."""

    def __init__(self, columns: I8, time: TimeSettings) -> None:
        self.columns = columns
        self._every = np.arange(len(columns))
        self._lateness = round(time.lateness_s * 1e9)
        self._silence = round(time.silence_s * 1e9)
        self._jump = round(time.jump_s * 1e9)
        slots = (REORDER_ROWS if self._lateness else 0) + 1
        c, s = len(columns), SUSPECTS
        self.state = {
            "clock": np.zeros(10, np.int64),
            "slot_time": np.zeros(slots, np.int64),
            "slot_eng": np.zeros((slots, c)),
            "slot_quality": np.zeros((slots, c), np.uint8),
            "queue": np.arange(slots, dtype=np.int32),
            "lines": np.zeros((LINES, 7), np.int64),
            "suspect_time": np.zeros(s, np.int64),
            "suspect_eng": np.zeros((s, c)),
            "suspect_quality": np.zeros((s, c), np.uint8),
            "suspect_line": np.full(s, -1, np.int64),
            "suspect_arrival": np.zeros(s, np.int64),
            "suspect_place": np.zeros((s, 4), np.int64),
        }
        self.state["clock"][[LATEST, WATERMARK, RECEIVED, DUMPED]] = NEVER
        least, most = (np.full(10, x, np.int64) for x in (-(2**63), 2**63 - 1))
        least[[STEP, HELD, ARRIVED, BEGINS]] = 0
        # between feeds no rival is about to begin
        most[[STEP, HELD, BEGINS]] = STEP_MOST, max(slots - 2, 0), 0
        self.bounds = {"clock": (least, most), "suspect_line": (-1, LINES - 1)}

    def check(self, state: State) -> None:
        super().check(state)
        if not np.array_equal(np.sort(state["queue"]), np.arange(len(state["queue"]))):
            raise ValueError("snapshot with impossible values: queue holds no slot once")
        clock = state["clock"][[LATEST, DUMPED]]
        times = np.concatenate([state["slot_time"], state["suspect_time"], clock[clock != NEVER]])
        if ((times < -FAR) | (times > FAR)).any():
            raise ValueError("snapshot with impossible values: a time that is none")
        reasons = state["suspect_place"][state["suspect_line"] >= 0, 3]
        if not np.isin(reasons, (_LATE, _JUMP)).all():
            raise ValueError("snapshot with impossible values: a suspect without a reason")

    @property
    def watermark_ns(self) -> int:
        return int(self.state["clock"][WATERMARK])

    @property
    def held(self) -> int:
        """Rows of which nothing is decided yet."""
        return int(self.state["clock"][HELD]) + int((self.state["suspect_line"] >= 0).sum())

    def feed(self, batch: PacketBatch, rows: Rows, ticks: I8) -> Sorted:
        """Rows released by this batch. Marks LATE in the quality of the rows that lie back."""
        s, k, c = self.state, len(rows.packet), len(self.columns)
        kind, judged = np.zeros(k, np.uint8), rows.time_ns.copy()
        refused = np.empty((k + SUSPECTS + 1, 6), np.int64)
        steps = np.empty((k + 1, 6), np.int64)
        kept = Kept(s["slot_time"], s["slot_eng"], s["slot_quality"])
        suspects = Suspects(*(s[f"suspect_{name}"] for name in Suspects._fields))
        received = batch.heard.received_ns if batch.heard else batch.reception_ns
        pieces: list[Piece] = []
        r = t = m = told = 0
        anew, packet, step = False, -1, 0
        while True:
            room = k - r + len(s["queue"]) + SUSPECTS
            out = Ordered(
                np.empty(room, np.int64), np.empty(room, np.int64), np.empty((room, c)),
                np.empty((room, c), np.uint8), *(np.empty(len(ticks), np.int64) for _ in range(3)),
            )  # fmt: skip
            r, t, n, a, m, told = order(
                rows.time_ns, rows.packet, rows.eng, rows.quality, self.columns, self._every, ticks,
                received, batch.offset, batch.source_start, batch.source_length, batch.record,
                batch.record_start, self._lateness, self._silence, self._jump,
                s["clock"], kept, s["queue"], s["lines"], suspects,
                out.time_ns, out.packet, out.eng, out.quality,
                out.advance_row, out.advance_ns, out.advance_packet,
                refused, steps, kind, judged, r, t, m, told,
            )  # fmt: skip
            ordered = Ordered(
                out.time_ns[:n], out.packet[:n], out.eng[:n], out.quality[:n],
                out.advance_row[:a], out.advance_ns[:a], out.advance_packet[:a],
            )  # fmt: skip
            if n or a or anew:
                pieces.append(Piece(ordered, anew, step, packet))
            anew = bool(s["clock"][BEGINS])
            if not anew:
                break
            packet, step = (int(steps[told - 1, i]) for i in (0, 3))
        return Sorted(pieces, _rejects(refused[:m]), Steps(*steps[:told].T), kind, judged)


def _rejects(rows: I8) -> Rejects:
    reason, packet, record, offset, start, length = rows.T
    return Rejects(reason.astype(np.uint8), packet, record.astype(np.int32), offset, start, length)


@inline
def _enqueue(slot: int, clock: I8, slot_time: I8, queue: I4) -> None:
    """Put a filled slot in its place by time; equal times keep their order of arrival."""
    i = clock[HELD]
    while i > 0 and slot_time[queue[i - 1]] > slot_time[slot]:
        queue[i] = queue[i - 1]
        i -= 1
    queue[i] = slot
    clock[HELD] += 1


@inline
def _release(
    clock: I8,
    queue: I4,
    n: int,
    packet: int,
    kept: Kept,
    time_out: I8,
    packet_out: I8,
    eng_out: F8,
    q_out: U1,
) -> int:
    """Emit the oldest row held; its slot goes behind the others as a free one."""
    slot = queue[0]
    time_out[n], packet_out[n] = kept.time[slot], packet
    for j in range(kept.eng.shape[1]):
        eng_out[n, j] = kept.eng[slot, j]
        q_out[n, j] = kept.quality[slot, j]
    for i in range(clock[HELD] - 1):
        queue[i] = queue[i + 1]
    queue[clock[HELD] - 1] = slot
    clock[HELD] -= 1
    return n + 1


@inline
def _follow(now: int, heard: int, clock: I8) -> None:
    """The clock is believed to have shown `now` when it was heard."""
    if clock[LATEST] != NEVER:
        step = min(max(now - clock[LATEST], 0), STEP_MOST)
        if clock[STEP] == 0:
            clock[STEP] = step
        else:  # one gap is not what is usual
            clock[STEP] = max(clock[STEP] + (min(step, 4 * clock[STEP]) - clock[STEP]) // 8, 1)
    passed = min(max(heard - clock[RECEIVED], 0), 60 * 1_000_000_000)
    clock[OFFSET] = max(now - heard, clock[OFFSET] - passed // DRIFT)
    clock[RECEIVED] = max(clock[RECEIVED], heard)  # one reading back is no silence
    clock[LATEST] = max(clock[LATEST], now)


@inline
def _take(
    now: int,
    p: int,
    row: int,
    eng: F8,
    quality: U1,
    columns: I8,
    lateness: int,
    clock: I8,
    kept: Kept,
    queue: I4,
    n: int,
    time_out: I8,
    packet_out: I8,
    eng_out: F8,
    q_out: U1,
) -> int:
    """A row that is not behind the watermark goes out in its place; returns rows out."""
    if lateness == 0:
        time_out[n], packet_out[n] = now, p
        for j in range(len(columns)):
            eng_out[n, j] = eng[row, columns[j]]
            q_out[n, j] = quality[row, columns[j]]
        clock[WATERMARK] = max(clock[WATERMARK], clock[LATEST])
        return n + 1
    slot = queue[clock[HELD]]  # from queue[HELD] on they are free
    kept.time[slot] = now
    for j in range(len(columns)):
        kept.eng[slot, j] = eng[row, columns[j]]
        kept.quality[slot, j] = quality[row, columns[j]]
    _enqueue(slot, clock, kept.time, queue)
    if clock[HELD] >= len(queue) - 1:  # the oldest must go, be it this one
        clock[WATERMARK] = max(clock[WATERMARK], kept.time[queue[0]])
        n = _release(clock, queue, n, p, kept, time_out, packet_out, eng_out, q_out)
    clock[WATERMARK] = max(clock[WATERMARK], clock[LATEST] - lateness)
    while clock[HELD] > 0 and kept.time[queue[0]] <= clock[WATERMARK]:
        n = _release(clock, queue, n, p, kept, time_out, packet_out, eng_out, q_out)
    return n


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
    """It is told by the packet that decided against it."""
    at = suspects.place[i]
    suspects.line[i] = -1
    return _refuse(refused, m, at[3], packet, record, at[0], at[1], at[2])


@inline
def _forget(
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
    """Of a rival, or of all (-1): the suspect that came first; -1: there is none."""
    found = -1
    for i in range(len(suspects.time)):
        mine = suspects.line[i] >= 0 and (line < 0 or suspects.line[i] == line)
        if mine and (found < 0 or suspects.arrival[i] < suspects.arrival[found]):
            found = i
    return found


@inline
def _earliest(suspects: Suspects, line: int) -> int:
    """The suspect of a rival with the least time, of equal ones the first; -1: there is none."""
    found = -1
    for i in range(len(suspects.time)):
        if suspects.line[i] == line:
            t = suspects.time[i]
            least = suspects.time[found]
            if found < 0 or t < least or (
                t == least and suspects.arrival[i] < suspects.arrival[found]
            ):  # fmt: skip
                found = i
    return found


@inline
def _adopt(
    line: int,
    until: int,
    p: int,
    lines: I8,
    suspects: Suspects,
    every: I8,
    lateness: int,
    clock: I8,
    kept: Kept,
    queue: I4,
    n: int,
    time_out: I8,
    packet_out: I8,
    eng_out: F8,
    q_out: U1,
) -> int:
    """Rows of a rival up to a time are used after all, but for those behind the watermark."""
    while True:
        i = _earliest(suspects, line)
        if i < 0:
            break
        now = suspects.time[i]
        used = clock[WATERMARK] <= now <= until
        suspects.line[i] = -1 if used else len(lines)
        if used:
            _follow(now, lines[line, HEARD], clock)
            n = _take(now, p, i, suspects.eng, suspects.quality, every, lateness, clock, kept,
                      queue, n, time_out, packet_out, eng_out, q_out)  # fmt: skip
    left = 0
    for i in range(len(suspects.time)):
        if suspects.line[i] == len(lines):
            suspects.line[i] = line
            left += 1
    lines[line, COUNT] = left
    return n


@inline
def _agreeing(now: int, heard: int, lines: I8, clock: I8, lateness: int, jump: int) -> int:
    """The rival on its side of the clock that a row goes on with, the nearest; -1: none."""
    found, best = -1, np.int64(2**62)
    for i in range(len(lines)):
        side = clock[LATEST] == NEVER or (lines[i, TIME] < clock[LATEST]) == (now < clock[LATEST])
        if lines[i, COUNT] and side:
            apart = now - lines[i, TIME]
            waited = max(heard - lines[i, HEARD], 0)
            near = -max(lateness, clock[STEP]) <= apart <= jump + waited
            if lines[i, COUNT] == 1 and clock[LATEST] == NEVER:
                near = -jump <= apart <= jump + waited
            if near and abs(apart) < best:
                found, best = i, abs(apart)
    return found


@inline
def _free_line(lines: I8) -> int:
    """A rival's place: a free one, else that of the weakest, of equals the one heard before."""
    found = 0
    for i in range(1, len(lines)):
        if lines[i, COUNT] < lines[found, COUNT] or (
            lines[i, COUNT] == lines[found, COUNT] and lines[i, HEARD] < lines[found, HEARD]
        ):  # fmt: skip
            found = i
    return found


@inline
def _join(now: int, heard: int, line: int, lines: I8, clock: I8) -> None:
    """One more row of a rival."""
    if lines[line, COUNT] == 0:
        lines[line, FIRST], lines[line, FIRST_HEARD], lines[line, TIME] = now, heard, now
        lines[line, LOOSE] = 0
    usual = max(8 * clock[STEP], TIGHT_NS) + 2 * max(heard - lines[line, HEARD], 0)
    if lines[line, COUNT] == 0 or now - lines[line, TIME] <= usual:
        lines[line, COUNT] += 1
        lines[line, TIME] = max(now, lines[line, TIME])
    else:  # it may be of another mind: it counts for less, and moves nothing
        lines[line, LOOSE] += 1
    lines[line, HEARD], lines[line, OVER] = heard, 0


@inline
def _wins(line: int, heard: int, early: int, full: bool, lines: I8, clock: I8) -> bool:
    """Whether a rival is now what the clock shows."""
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
def _catches_up(now: int, heard: int, lines: I8, clock: I8) -> int:
    """The rival that a row of the clock goes on with as well, a small step back; -1: none."""
    usual = clock[STEP] + clock[STEP] // 2
    for i in range(len(lines)):
        if lines[i, COUNT] and lines[i, TIME] < clock[LATEST]:
            apart, waited = now - lines[i, TIME], heard - lines[i, HEARD]
            even = abs(apart - waited) <= clock[STEP] // 4
            lower = now - heard <= clock[OFFSET] - clock[STEP] // 2
            if 0 < apart <= usual and even and lower and clock[LATEST] - now <= usual:
                return i
    return -1


@kernel
def order(
    time: I8,
    packet: I8,
    eng: F8,
    quality: U1,
    columns: I8,
    every: I8,
    ticks: I8,
    reception: I8,
    offset: I8,
    start: I8,
    length: I4,
    record: I4,
    record_start: I8,
    lateness: int,
    silence: int,
    jump: int,
    clock: I8,
    kept: Kept,
    queue: I4,
    lines: I8,
    suspects: Suspects,
    time_out: I8,
    packet_out: I8,
    eng_out: F8,
    q_out: U1,
    advance_row: I8,
    advance_ns: I8,
    advance_packet: I8,
    refused: I8,
    steps: I8,
    kind: U1,
    judged: I8,
    r: int,
    t: int,
    m: int,
    told: int,
) -> tuple[int, int, int, int, int, int]:
    """From row r and tick t on, until a rival takes over that lies back (BEGINS).

    Returns where it stopped, rows released, advances of the watermark by ticks, and refusals and
    steps so far.
    """
    n, a = 0, 0
    winner = -1
    if clock[BEGINS]:  # the rows before it are out
        winner = clock[BEGINS] - 1
        clock[BEGINS] = 0
        clock[LATEST], clock[WATERMARK] = NEVER, NEVER
        r -= 1  # the row that decided is one of its own
    while r < len(time) or winner >= 0:
        if winner < 0:
            while t < len(ticks) and ticks[t] < packet[r]:
                n, a = _tick(t, ticks, reception, lateness, silence, clock, kept, queue, n, a,
                             time_out, packet_out, eng_out, q_out, advance_row, advance_ns,
                             advance_packet)  # fmt: skip
                t += 1
            now, p = time[r], packet[r]
            heard = reception[p]
            known = clock[LATEST] != NEVER
            early = known and now < clock[LATEST] - lateness
            usual = clock[LATEST] + clock[STEP] + clock[STEP] // 2 if known else now
            most = max(usual, heard + clock[OFFSET] + min(clock[STEP], JITTER_NS))
            if known and not early and now <= most:
                back = _catches_up(now, heard, lines, clock)
                for i in range(len(lines)):
                    if lines[i, COUNT] and i != back:
                        ahead = lines[i, TIME] >= clock[LATEST]
                        lines[i, OVER] += 1
                        if (
                            ahead and lines[i, FIRST] <= now
                        ):  # those that time has come up to were right
                            n = _adopt(i, now, p, lines, suspects, every, lateness, clock, kept,
                                       queue, n, time_out, packet_out, eng_out, q_out)  # fmt: skip
                        if not ahead or lines[i, OVER] > OVERTAKEN:
                            m = _forget(i, lines, suspects, refused, m, p, record[p])
                if back < 0:
                    _follow(now, heard, clock)
                    if now < clock[WATERMARK]:
                        for j in range(quality.shape[1]):
                            quality[r, j] |= _LATE_BIT
                        m = _refuse(refused, m, _LATE, p, record[p], offset[p],
                                    start[p] - record_start[record[p]], length[p])  # fmt: skip
                    else:
                        n = _take(now, p, r, eng, quality, columns, lateness, clock, kept, queue,
                                  n, time_out, packet_out, eng_out, q_out)  # fmt: skip
                    r += 1
                    continue
                line, early = back, True
            else:
                back = -1
                line = _agreeing(now, heard, lines, clock, lateness, jump)
            if line < 0:
                line = _free_line(lines)
                m = _forget(line, lines, suspects, refused, m, p, record[p])
            slot = 0
            while slot < SUSPECTS and suspects.line[slot] >= 0:
                slot += 1
            full = slot == SUSPECTS
            if full:
                slot = _oldest(suspects, -1)
                m = _refuse_suspect(slot, suspects, refused, m, p, record[p])
            suspects.time[slot], suspects.line[slot] = now, line
            suspects.arrival[slot] = clock[ARRIVED]
            suspects.place[slot, 0], suspects.place[slot, 2] = offset[p], length[p]
            suspects.place[slot, 1] = start[p] - record_start[record[p]]
            suspects.place[slot, 3] = _LATE if early else _JUMP
            for j in range(len(columns)):
                suspects.eng[slot, j] = eng[r, columns[j]]
                suspects.quality[slot, j] = quality[r, columns[j]]
            clock[ARRIVED] += 1
            _join(now, heard, line, lines, clock)
            r += 1
            if back < 0 and not _wins(line, heard, early, full, lines, clock):
                if known:
                    kind[r - 1] = AHEAD
                    judged[r - 1] = now if early else clock[LATEST]
                    if early:
                        before = clock[DUMPED]
                        apart = now - before if before != NEVER else np.int64(-1)
                        # a recorder may keep fewer rows than are sent live
                        clock[RUN] = min(clock[RUN] + 1, 3) if 0 <= apart <= jump else 0
                        near = 0 <= apart <= max(8 * clock[STEP], TIGHT_NS)
                        goes_on = near or clock[RUN] >= 2
                        kind[r - 1], clock[DUMPED] = RECORDED if goes_on else ODD, now
                        for j in range(quality.shape[1]):
                            quality[r - 1, j] |= _LATE_BIT
                continue
            if lines[line, COUNT] < AGREE:  # all of them, be they far apart
                for i in range(SUSPECTS):
                    if suspects.line[i] == line:
                        lines[line, TIME] = max(lines[line, TIME], suspects.time[i])
            if known:
                moved = lines[line, TIME] - heard - clock[OFFSET]
                steps[told, 0], steps[told, 1] = p, clock[LATEST]
                steps[told, 2], steps[told, 3] = lines[line, TIME], moved
                steps[told, 4] = lines[line, COUNT] + lines[line, LOOSE]
                steps[told, 5] = clock[STEP]
                told += 1
                if not early:  # the step is no advance from row to row
                    first = _earliest(suspects, line)
                    if first >= 0:
                        clock[LATEST] = max(clock[LATEST], suspects.time[first])
            winner = line
            if known and early:
                while clock[HELD] > 0:
                    n = _release(clock, queue, n, p, kept, time_out, packet_out, eng_out, q_out)
                clock[BEGINS] = line + 1
                break
        else:
            r += 1
        p = packet[r - 1]
        spare = lateness if clock[LATEST] == NEVER else 0  # its first rows may be late ones
        n = _adopt(winner, lines[winner, TIME], p, lines, suspects, every, lateness, clock, kept,
                   queue, n, time_out, packet_out, eng_out, q_out)  # fmt: skip
        clock[OFFSET] = lines[winner, TIME] - lines[winner, HEARD] + spare
        for i in range(len(lines)):  # what is left, and what the clock before had for rivals
            m = _forget(i, lines, suspects, refused, m, p, record[p])
        winner = -1
    if clock[BEGINS] == 0:
        while t < len(ticks):
            n, a = _tick(t, ticks, reception, lateness, silence, clock, kept, queue, n, a,
                         time_out, packet_out, eng_out, q_out, advance_row, advance_ns,
                         advance_packet)  # fmt: skip
            t += 1
    return r, t, n, a, m, told


@inline
def _tick(
    t: int,
    ticks: I8,
    reception: I8,
    lateness: int,
    silence: int,
    clock: I8,
    kept: Kept,
    queue: I4,
    n: int,
    a: int,
    time_out: I8,
    packet_out: I8,
    eng_out: F8,
    q_out: U1,
    advance_row: I8,
    advance_ns: I8,
    advance_packet: I8,
) -> tuple[int, int]:
    """Silence moves the watermark on."""
    quiet = reception[ticks[t]] - clock[RECEIVED]
    if clock[LATEST] != NEVER and quiet > silence:
        mark = clock[LATEST] + quiet - silence - lateness
        if mark > clock[WATERMARK]:
            clock[WATERMARK] = mark
            while clock[HELD] > 0 and kept.time[queue[0]] <= mark:
                n = _release(clock, queue, n, ticks[t], kept, time_out, packet_out, eng_out, q_out)
            advance_row[a], advance_ns[a], advance_packet[a] = n, mark, ticks[t]
            a += 1
    return n, a
