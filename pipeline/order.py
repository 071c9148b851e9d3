"""Watermark: rows of one container put in event time order, late ones refused (docs/time.md).

The watermark is the latest generation time seen, less the lateness bound. When a container falls
silent, ticks move it on as reception time passes. A jump ahead by more than a bound counts only
when a second packet confirms it, so that one damaged time stamp cannot make a flight late.
"""

from __future__ import annotations

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
# clock: scalars of the state
LATEST, WATERMARK, RECEIVED, HELD, SUSPECT, S_TIME, S_RECEIVED, S_OFFSET, S_START, S_LENGTH = range(
    10
)
_LATE_BIT = np.uint8(Quality.LATE)
_LATE = int(Reason.LATE)
_JUMP = int(Reason.TIME_JUMP)


class Order(Stateful):
    """Order stage of one container. columns: which of its fields go on to be resampled."""

    def __init__(self, columns: I8, time: TimeSettings) -> None:
        self.columns = columns
        self._lateness = round(time.lateness_s * 1e9)
        self._silence = round(time.silence_s * 1e9)
        self._jump = round(time.jump_s * 1e9)
        slots = (REORDER_ROWS if self._lateness else 0) + 1  # the last slot is the suspect's
        c = len(columns)
        self.state = {
            "clock": np.zeros(10, np.int64),
            "slot_time": np.zeros(slots, np.int64),
            "slot_eng": np.zeros((slots, c)),
            "slot_quality": np.zeros((slots, c), np.uint8),
            "queue": np.arange(slots, dtype=np.int32),
        }
        self.state["clock"][:3] = NEVER
        anything = (-(2**63), 2**63 - 1)
        least, most = (np.full(10, x, np.int64) for x in anything)
        least[[HELD, SUSPECT]], most[HELD], most[SUSPECT] = 0, slots - 1, 1
        self.bounds = {"clock": (least, most)}

    def check(self, state: State) -> None:
        super().check(state)
        if not np.array_equal(np.sort(state["queue"]), np.arange(len(state["queue"]))):
            raise ValueError("snapshot with impossible values: queue holds no slot once")

    @property
    def watermark_ns(self) -> int:
        return int(self.state["clock"][WATERMARK])

    def feed(self, batch: PacketBatch, rows: Rows, ticks: I8) -> tuple[Ordered, Rejects]:
        """Rows released by this batch. Marks LATE in the quality of the rows it refuses."""
        s, k, c = self.state, len(rows.packet), len(self.columns)
        room = k + len(s["queue"])
        out = Ordered(
            np.empty(room, np.int64), np.empty(room, np.int64), np.empty((room, c)),
            np.empty((room, c), np.uint8), *(np.empty(len(ticks), np.int64) for _ in range(3)),
        )  # fmt: skip
        refused = np.empty((k + 1, 6), np.int64)
        n, a, m = order(
            rows.time_ns, rows.packet, rows.eng, rows.quality, self.columns, ticks,
            batch.reception_ns, batch.offset, batch.source_start, batch.source_length, batch.record,
            batch.record_start, self._lateness, self._silence, self._jump,
            s["clock"], s["slot_time"], s["slot_eng"], s["slot_quality"], s["queue"],
            out.time_ns, out.packet, out.eng, out.quality,
            out.advance_row, out.advance_ns, out.advance_packet, refused,
        )  # fmt: skip
        return (
            Ordered(
                out.time_ns[:n], out.packet[:n], out.eng[:n], out.quality[:n],
                out.advance_row[:a], out.advance_ns[:a], out.advance_packet[:a],
            ),
            _rejects(refused[:m]),
        )  # fmt: skip


def _rejects(rows: I8) -> Rejects:
    reason, packet, record, offset, start, length = rows.T
    return Rejects(reason.astype(np.uint8), packet, record.astype(np.int32), offset, start, length)


@inline
def _keep(slot, time, row, eng, quality, columns, slot_time, slot_eng, slot_quality):
    slot_time[slot] = time
    for j in range(len(columns)):
        slot_eng[slot, j] = eng[row, columns[j]]
        slot_quality[slot, j] = quality[row, columns[j]]


@inline
def _enqueue(slot, clock, slot_time, queue):
    """Put a filled slot in its place by time; equal times keep their order of arrival."""
    i = clock[HELD]
    while i > 0 and slot_time[queue[i - 1]] > slot_time[slot]:
        queue[i] = queue[i - 1]
        i -= 1
    queue[i] = slot
    clock[HELD] += 1


@inline
def _emit(slot, n, packet, slot_time, slot_eng, slot_quality, time_out, packet_out, eng_out, q_out):
    time_out[n], packet_out[n] = slot_time[slot], packet
    for j in range(slot_eng.shape[1]):
        eng_out[n, j] = slot_eng[slot, j]
        q_out[n, j] = slot_quality[slot, j]
    return n + 1


@kernel
def order(
    time: I8,
    packet: I8,
    eng: F8,
    quality: U1,
    columns: I8,
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
    slot_time: I8,
    slot_eng: F8,
    slot_quality: U1,
    queue: I4,
    time_out: I8,
    packet_out: I8,
    eng_out: F8,
    quality_out: U1,
    advance_row: I8,
    advance_ns: I8,
    advance_packet: I8,
    refused: I8,
) -> tuple[int, int, int]:
    """Returns rows released, advances of the watermark by ticks, and refusals."""
    n, a, m, t = 0, 0, 0, 0
    suspect = len(queue) - 1
    capacity = len(queue) - 1
    for r in range(len(time) + 1):
        until = packet[r] if r < len(time) else np.int64(2**62)
        while t < len(ticks) and ticks[t] < until:
            quiet = reception[ticks[t]] - clock[RECEIVED]
            if clock[LATEST] != NEVER and quiet > silence:
                mark = clock[LATEST] + quiet - silence - lateness
                if mark > clock[WATERMARK]:
                    clock[WATERMARK] = mark
                    while clock[HELD] > 0 and slot_time[queue[0]] <= mark:
                        n = _release(clock, queue, n, ticks[t], slot_time, slot_eng, slot_quality,
                                     time_out, packet_out, eng_out, quality_out)  # fmt: skip
                    advance_row[a], advance_ns[a], advance_packet[a] = n, mark, ticks[t]
                    a += 1
            t += 1
        if r == len(time):
            break
        now, p = time[r], packet[r]
        base = max(clock[LATEST], clock[WATERMARK])
        accept_suspect = 0  # 1: before this row, 2: after it
        if clock[LATEST] == NEVER or now - base > jump:
            # as far on as reception is: a slow container confirms itself as well
            waited = max(reception[p] - clock[S_RECEIVED], 0)
            apart = now - clock[S_TIME]
            near = clock[SUSPECT] == 1 and -jump <= apart <= jump + waited
            if not near:
                if clock[SUSPECT] == 1:
                    m = _refuse_suspect(refused, m, clock, p, record[p])
                clock[SUSPECT], clock[S_TIME], clock[S_RECEIVED] = 1, now, reception[p]
                clock[S_OFFSET], clock[S_LENGTH] = offset[p], length[p]
                clock[S_START] = start[p] - record_start[record[p]]
                _keep(suspect, now, r, eng, quality, columns, slot_time, slot_eng, slot_quality)
                continue
            accept_suspect = 1 if clock[S_TIME] <= now else 2
        elif clock[SUSPECT] == 1:
            m = _refuse_suspect(refused, m, clock, p, record[p])
            clock[SUSPECT] = 0
        if now < clock[WATERMARK]:
            for j in range(quality.shape[1]):
                quality[r, j] |= _LATE_BIT
            refused[m, 0], refused[m, 1], refused[m, 2] = _LATE, p, record[p]
            refused[m, 3], refused[m, 5] = offset[p], length[p]
            refused[m, 4] = start[p] - record_start[record[p]]
            m += 1
            continue
        clock[RECEIVED] = max(clock[RECEIVED], reception[p])  # one reading back is no silence
        if lateness == 0:
            if accept_suspect == 1:
                n = _emit(suspect, n, p, slot_time, slot_eng, slot_quality,
                          time_out, packet_out, eng_out, quality_out)  # fmt: skip
            time_out[n], packet_out[n] = now, p
            for j in range(len(columns)):
                eng_out[n, j] = eng[r, columns[j]]
                quality_out[n, j] = quality[r, columns[j]]
            n += 1
            if accept_suspect == 2:
                n = _after(suspect, n, time_out, packet_out, eng_out, quality_out,
                           slot_time, slot_eng, slot_quality)  # fmt: skip
            clock[LATEST] = max(clock[LATEST], time_out[n - 1])
            clock[WATERMARK] = max(clock[WATERMARK], clock[LATEST])
            clock[SUSPECT] = 0 if accept_suspect else clock[SUSPECT]
            continue
        for own in range(2):  # the suspect first, then this row
            if own == 0 and not accept_suspect:
                continue
            slot = queue[clock[HELD]]  # from queue[HELD] on they are free
            if own == 0:
                slot_time[slot] = slot_time[suspect]
                for j in range(len(columns)):
                    slot_eng[slot, j] = slot_eng[suspect, j]
                    slot_quality[slot, j] = slot_quality[suspect, j]
                clock[SUSPECT] = 0
            else:
                _keep(slot, now, r, eng, quality, columns, slot_time, slot_eng, slot_quality)
            clock[LATEST] = max(clock[LATEST], slot_time[slot])
            _enqueue(slot, clock, slot_time, queue)
            if clock[HELD] == capacity:  # the oldest must go, be it this one
                clock[WATERMARK] = max(clock[WATERMARK], slot_time[queue[0]])
                n = _release(clock, queue, n, p, slot_time, slot_eng, slot_quality,
                             time_out, packet_out, eng_out, quality_out)  # fmt: skip
        clock[WATERMARK] = max(clock[WATERMARK], clock[LATEST] - lateness)
        while clock[HELD] > 0 and slot_time[queue[0]] <= clock[WATERMARK]:
            n = _release(clock, queue, n, p, slot_time, slot_eng, slot_quality,
                         time_out, packet_out, eng_out, quality_out)  # fmt: skip
    return n, a, m


@inline
def _release(
    clock, queue, n, packet, slot_time, slot_eng, slot_quality, time_out, packet_out, eng_out, q_out
):
    """Emit the oldest row held; its slot goes behind the others as a free one."""
    slot = queue[0]
    n = _emit(slot, n, packet, slot_time, slot_eng, slot_quality, time_out, packet_out, eng_out, q_out)  # fmt: skip  # noqa: E501
    for i in range(clock[HELD] - 1):
        queue[i] = queue[i + 1]
    queue[clock[HELD] - 1] = slot
    clock[HELD] -= 1
    return n


@inline
def _after(suspect, n, time_out, packet_out, eng_out, q_out, slot_time, slot_eng, slot_quality):
    """The suspect is the later of the two: it goes out behind the row that confirmed it."""
    return _emit(suspect, n, packet_out[n - 1], slot_time, slot_eng, slot_quality, time_out, packet_out, eng_out, q_out)  # fmt: skip  # noqa: E501


@inline
def _refuse_suspect(refused, m, clock, packet, record):
    refused[m, 0], refused[m, 1], refused[m, 2] = _JUMP, packet, record
    refused[m, 3], refused[m, 4], refused[m, 5] = (
        clock[S_OFFSET],
        clock[S_START],
        clock[S_LENGTH],
    )
    return m + 1
