"""Watermark: rows of one container put in event time order, late ones refused (docs/time.md).

The watermark is the latest accepted generation time, less the lateness bound. When a container
falls silent, ticks move it on as reception time passes.

No single stamp is trusted. A row whose time fits neither the rows before nor its reception time is
kept back. Rows kept back that agree with one another form a rival of the accepted clock. Later rows
decide: a rival that goes on wins, and its rows are used; one that does not is refused. A rival
behind the clock is recorded data while rows of the clock go on beside it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pipeline.kernel import inline, kernel
from pipeline.timeline.rivals import (
    AGREE,
    COUNT,
    FIRST,
    HEARD,
    JUMP,
    LATE,
    LINES,
    LOOSE,
    OVER,
    SUSPECTS,
    TIGHT_NS,
    TIME,
    Suspects,
    adopt,
    agreeing,
    catches_up,
    earliest,
    forget,
    free_line,
    join,
    put_aside,
    refuse,
    wins,
)
from pipeline.timeline.watermark import (
    ARRIVED,
    BEGINS,
    DUMPED,
    HELD,
    LATEST,
    OFFSET,
    RECEIVED,
    RUN,
    STEP,
    STEP_MOST,
    WATERMARK,
    Arrived,
    Bounds,
    Come,
    Kept,
    Line,
    Out,
    follow,
    release,
    take,
    tick,
)
from schemas.columns import (
    I8,
    NEVER,
    U1,
    Ordered,
    PacketBatch,
    Quality,
    Rejects,
    Rows,
    State,
)
from schemas.settings import TimeSettings
from schemas.state import Stateful

REORDER_ROWS = 256  # rows held back at most; more than that moves the watermark on
OVERTAKEN = 3  # rows of the clock after which a rival without new rows is forgotten
JITTER_NS = 50_000_000  # of the delay from the spacecraft to here
FAR = 2**62  # no decoder gives a time beyond it

# how a row is judged as it arrives; ODD: it lies behind the clock and continues no recorded run
LIVE, RECORDED, AHEAD, ODD = range(4)
_LATE_BIT = np.uint8(Quality.LATE)
_NONE = np.zeros(0, np.int64)


class Steps(NamedTuple):
    """Changes of clock. packet i8[n]: the one that decided; before_ns, after_ns: the clock before
    and after; step_ns: how far it moved against reception time; rows: how many agreed; usual_ns:
    usual interval of rows, below which no step is detected."""

    packet: I8
    before_ns: I8
    after_ns: I8
    step_ns: I8
    rows: I8
    usual_ns: I8


class Piece(NamedTuple):
    """Rows of one run of the clock. anew: the clock was set back before them, by step_ns; packet:
    the one that decided this."""

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


class Told(NamedTuple):
    """What is said of rows: refused i8[m, 6], steps i8[n, 6], kind u1[k], judged i8[k]."""

    refused: I8
    steps: I8
    kind: U1
    judged: I8


class Order(Stateful):
    """Order stage of one container. columns: which of its fields go on to be resampled."""

    def __init__(self, columns: I8, time: TimeSettings) -> None:
        self.columns = columns
        self._every = np.arange(len(columns))
        seconds = (time.lateness_s, time.silence_s, time.jump_s)
        self._bounds = Bounds(*(round(s * 1e9) for s in seconds))
        slots = (REORDER_ROWS if self._bounds.lateness else 0) + 1
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
        state = self.state  # arrays that stay where they are
        kept = Kept(state["slot_time"], state["slot_eng"], state["slot_quality"])
        self._line = Line(state["clock"], kept, state["queue"])
        self._suspects = Suspects(*(state[f"suspect_{name}"] for name in Suspects._fields))
        least, most = (np.full(10, x, np.int64) for x in (-(2**63), 2**63 - 1))
        least[[STEP, HELD, ARRIVED, BEGINS]] = 0
        # between feeds no rival is waiting to take over
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
        if not np.isin(reasons, (LATE, JUMP)).all():
            raise ValueError("snapshot with impossible values: a suspect without a reason")

    @property
    def watermark_ns(self) -> int:
        return int(self.state["clock"][WATERMARK])

    @property
    def held(self) -> int:
        """Number of rows that are not decided yet."""
        return int(self.state["clock"][HELD]) + int((self.state["suspect_line"] >= 0).sum())

    def feed(self, batch: PacketBatch, rows: Rows, ticks: I8) -> Sorted:
        """Rows released by this batch. Marks LATE in the quality of rows behind the clock."""
        k, c = len(rows.packet), len(self.columns)
        told = Told(
            np.empty((k + SUSPECTS + 1, 6), np.int64),
            np.empty((k + 1, 6), np.int64),
            np.zeros(k, np.uint8),
            rows.time_ns.copy(),
        )
        come = Come(rows.time_ns, rows.packet, rows.eng, rows.quality, self.columns)
        arrived = arrived_of(batch, ticks)
        out = _room(k + self.spare, c, len(ticks))
        return self.go_on(come, arrived, told, out, self._order(come, arrived, told, out))

    def _order(
        self, come: Come, arrived: Arrived, told: Told, out: Out, at: tuple[int, ...] = (0, 0, 0, 0)
    ) -> tuple[int, ...]:
        return order(
            come, arrived, self._bounds, self._every, self._line, self.state["lines"],
            self._suspects, out, told, *at,
        )  # fmt: skip

    def site(self) -> tuple[Any, ...]:
        """Arguments of its kernel; what comes with a batch is empty."""
        come = Come(_NONE, _NONE, np.zeros((0, 0)), np.zeros((0, 0), np.uint8), self.columns)
        i4, wide = np.zeros(0, np.int32), np.zeros((0, 6), np.int64)
        arrived = Arrived(_NONE, _NONE, _NONE, _NONE, i4, i4, _NONE)
        told = Told(wide, wide, np.zeros(0, np.uint8), _NONE)
        return (
            come, arrived, self._bounds, self._every, self._line, self.state["lines"],
            self._suspects, _room(0, len(self.columns), 0), told, 0, 0, 0, 0,
        )  # fmt: skip

    @property
    def spare(self) -> int:
        """Rows that may come out beside those that came in."""
        return len(self.state["queue"]) + SUSPECTS

    def go_on(
        self, come: Come, arrived: Arrived, told: Told, out: Out, done: tuple[int, ...]
    ) -> Sorted:
        """Everything that a batch gives, from what its kernel returned first."""
        s, k, c = self.state, len(come.time), len(self.columns)
        pieces: list[Piece] = []
        anew, packet, step = False, -1, 0
        while True:
            r, t, n, a, m, steps = done
            ordered = Ordered(
                out.time[:n], out.packet[:n], out.eng[:n], out.quality[:n],
                out.advance_row[:a], out.advance_ns[:a], out.advance_packet[:a],
            )  # fmt: skip
            if n or a or anew:
                pieces.append(Piece(ordered, anew, step, packet))
            anew = bool(s["clock"][BEGINS])
            if not anew:
                break
            packet, step = (int(told.steps[steps - 1, i]) for i in (0, 3))
            out = _room(k - r + self.spare, c, len(arrived.ticks))
            done = self._order(come, arrived, told, out, (r, t, m, steps))
        return Sorted(
            pieces, _rejects(told.refused[:m]), Steps(*told.steps[:steps].T), told.kind, told.judged
        )


def arrived_of(batch: PacketBatch, ticks: I8) -> Arrived:
    received = batch.heard.received_ns if batch.heard else batch.reception_ns
    return Arrived(
        ticks, received, batch.offset, batch.source_start, batch.source_length, batch.record,
        batch.record_start,
    )  # fmt: skip


def _room(rows: int, columns: int, ticks: int) -> Out:
    return Out(
        np.empty(rows, np.int64), np.empty(rows, np.int64), np.empty((rows, columns)),
        np.empty((rows, columns), np.uint8), *(np.empty(ticks, np.int64) for _ in range(3)),
    )  # fmt: skip


def _rejects(rows: I8) -> Rejects:
    reason, packet, record, offset, start, length = rows.T
    return Rejects(reason.astype(np.uint8), packet, record.astype(np.int32), offset, start, length)


@inline
def _overtake(
    now: int, p: int, back: int, arrived: Arrived, bounds: Bounds, every: I8, line: Line,
    lines: I8, suspects: Suspects, refused: I8, m: int, n: int, out: Out,
) -> tuple[int, int]:  # fmt: skip
    """A row of the clock has come: rows of rivals ahead are used as far as it has reached them.
    Rivals behind, or passed by more than OVERTAKEN rows, are forgotten. back: the rival to which
    the row belongs as well; -1: none. Returns (refusals, rows out)."""
    for i in range(len(lines)):
        if lines[i, COUNT] and i != back:
            ahead = lines[i, TIME] >= line.clock[LATEST]
            lines[i, OVER] += 1
            if ahead and lines[i, FIRST] <= now:
                # it was not believed when it came: how far it lay ahead of reception is no news
                heard = arrived.reception[p]
                n = adopt(i, now, heard, p, lines, suspects, every, bounds.lateness, line, n, out)
            if not ahead or lines[i, OVER] > OVERTAKEN:
                m = forget(i, lines, suspects, refused, m, p, arrived.record[p])
    return m, n


@inline
def _undecided(r: int, early: bool, come: Come, bounds: Bounds, clock: I8, told: Told) -> None:
    """Set kind and judged time of a row of a rival that is not decided yet."""
    now = come.time[r]
    told.kind[r] = AHEAD
    told.judged[r] = now if early else clock[LATEST]
    if early:
        before = clock[DUMPED]
        apart = now - before if before != NEVER else np.int64(-1)
        # a recorder may keep fewer rows than are sent live
        clock[RUN] = min(clock[RUN] + 1, 3) if 0 <= apart <= bounds.jump else 0
        near = 0 <= apart <= max(8 * clock[STEP], TIGHT_NS)
        goes_on = near or clock[RUN] >= 2
        told.kind[r], clock[DUMPED] = RECORDED if goes_on else ODD, now
        for j in range(come.quality.shape[1]):
            come.quality[r, j] |= _LATE_BIT


@inline
def _set_clock(
    p: int, heard: int, rival: int, early: bool, clock: I8, lines: I8, suspects: Suspects,
    steps: I8, told: int,
) -> int:  # fmt: skip
    """A rival takes over as the clock; records that, and returns the number of changes so far."""
    moved = lines[rival, TIME] - heard - clock[OFFSET]
    steps[told, 0], steps[told, 1] = p, clock[LATEST]
    steps[told, 2], steps[told, 3] = lines[rival, TIME], moved
    steps[told, 4] = lines[rival, COUNT] + lines[rival, LOOSE]
    steps[told, 5] = clock[STEP]
    if not early:  # the step must not count as a row interval
        first = earliest(suspects, rival)
        if first >= 0:
            clock[LATEST] = max(clock[LATEST], suspects.time[first])
    return told + 1


@kernel
def order(
    come: Come, arrived: Arrived, bounds: Bounds, every: I8, line: Line, lines: I8,
    suspects: Suspects, out: Out, told: Told, r: int, t: int, m: int, changes: int,
) -> tuple[int, int, int, int, int, int]:  # fmt: skip
    """From row r and tick t on, until a rival behind the clock takes over (BEGINS).

    Returns where it stopped, rows released, advances of the watermark by ticks, and refusals and
    changes of clock so far.
    """
    clock, ticks, lateness = line.clock, arrived.ticks, bounds.lateness
    n, a = 0, 0
    winner = -1
    if clock[BEGINS]:  # the rows before it are out
        winner = clock[BEGINS] - 1
        clock[BEGINS] = 0
        clock[LATEST], clock[WATERMARK] = NEVER, NEVER
        r -= 1  # the deciding row belongs to the rival
    while r < len(come.time) or winner >= 0:
        if winner < 0:
            while t < len(ticks) and ticks[t] < come.packet[r]:
                n, a = tick(t, arrived, bounds, line, n, a, out)
                t += 1
            now, p = come.time[r], come.packet[r]
            heard = arrived.reception[p]
            known = clock[LATEST] != NEVER
            early = known and now < clock[LATEST] - lateness
            usual = clock[LATEST] + clock[STEP] + clock[STEP] // 2 if known else now
            most = max(usual, heard + clock[OFFSET] + min(clock[STEP], JITTER_NS))
            if known and not early and now <= most:
                back = catches_up(now, heard, lines, clock)
                m, n = _overtake(
                    now, p, back, arrived, bounds, every, line, lines, suspects, told.refused, m,
                    n, out,
                )  # fmt: skip
                if back < 0:
                    follow(now, heard, clock)
                    if now < clock[WATERMARK]:
                        for j in range(come.quality.shape[1]):
                            come.quality[r, j] |= _LATE_BIT
                        m = refuse(p, arrived, told.refused, m, LATE)
                    else:
                        n = take(
                            now, p, r, come.eng, come.quality, come.columns, lateness, line, n, out
                        )
                    r += 1
                    continue
                rival, early = back, True
            else:
                back = -1
                rival = agreeing(now, heard, lines, clock, bounds)
            if rival < 0:
                rival = free_line(lines)
                m = forget(rival, lines, suspects, told.refused, m, p, arrived.record[p])
            m, full = put_aside(r, rival, early, come, arrived, clock, suspects, told.refused, m)
            join(now, heard, rival, lines, clock)
            r += 1
            if back < 0 and not wins(rival, heard, early, full, lines, clock):
                if known:
                    _undecided(r - 1, early, come, bounds, clock, told)
                continue
            if lines[rival, COUNT] < AGREE:  # use all of its rows, even far apart
                for i in range(SUSPECTS):
                    if suspects.line[i] == rival:
                        lines[rival, TIME] = max(lines[rival, TIME], suspects.time[i])
            if known:
                changes = _set_clock(
                    p, heard, rival, early, clock, lines, suspects, told.steps, changes
                )
            winner = rival
            if known and early:
                while clock[HELD] > 0:
                    n = release(p, line, n, out)
                clock[BEGINS] = rival + 1
                break
        else:
            r += 1
        p = come.packet[r - 1]
        spare = lateness if clock[LATEST] == NEVER else 0  # its first rows may be late ones
        last, heard = lines[winner, TIME], lines[winner, HEARD]
        n = adopt(winner, last, heard, p, lines, suspects, every, lateness, line, n, out)
        clock[OFFSET] = lines[winner, TIME] - lines[winner, HEARD] + spare
        for i in range(len(lines)):  # its remaining rows, and the rivals of the clock before
            m = forget(i, lines, suspects, told.refused, m, p, arrived.record[p])
        winner = -1
    if clock[BEGINS] == 0:
        while t < len(ticks):
            n, a = tick(t, arrived, bounds, line, n, a, out)
            t += 1
    return r, t, n, a, m, changes
