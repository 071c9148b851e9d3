"""Resampling of one group (a container's parameters of one rate) to a grid aligned to the epoch.

A grid time t is closed once the watermark has passed it, so that samples of equal time all count.
`last` holds a value until `max_age`; `linear` waits for the sample after t; `mean` is the mean of
the good samples since the previous grid time, and is held if there are none. Where data ends, one
stale row of NaN marks the gap; the grid goes on when data does. No value is ever invented.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from pipeline.kernel import inline, kernel
from schemas.columns import F8, I8, NEVER, U1, Grid, Ordered, Quality, State
from schemas.settings import ResampleRule
from schemas.state import Stateful

NEXT, LAST, STALE, GAP = range(4)  # scalars of the state
_INVALID = np.uint8(Quality.INVALID)
_INTERPOLATED = np.uint8(Quality.INTERPOLATED)
_HELD = np.uint8(Quality.HELD)
_STALE = np.uint8(Quality.STALE)
_AFTER_GAP = np.uint8(Quality.AFTER_GAP)
BLOCK = 1024  # grid rows handed on at a time
METHODS = {"last": 0, "linear": 1, "mean": 2}
_LINEAR, _MEAN = METHODS["linear"], METHODS["mean"]


class Resample(Stateful):
    """Resample stage of one group. columns: which of the ordered columns are this group's."""

    def __init__(self, columns: I8, rule: ResampleRule) -> None:
        self.columns = columns
        self.period_ns = round(1e9 / rule.hz)
        self.max_age_ns = max(round(rule.max_age_s * 1e9), self.period_ns)
        self._method = METHODS[rule.method]
        f = len(columns)
        self.state = {
            "clock": np.array([NEVER, NEVER, 0, 0], np.int64),
            "value": np.full(f, np.nan),
            "quality": np.zeros(f, np.uint8),
            "count": np.zeros(f, np.int64),  # samples in the mean so far
        }
        burst = self.max_age_ns // self.period_ns + 3  # grid rows one row can close
        room = BLOCK + burst
        self._grid = Grid(
            np.empty(room, np.int64), np.empty(room, np.int64), np.empty((room, f)),
            np.empty((room, f), np.uint8), np.empty(room, np.int64),
            np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room, np.int64),
        )  # fmt: skip

    def check(self, state: State) -> None:
        """The next grid time must be near the last row: times between are closed in a loop."""
        super().check(state)
        clock, room = state["clock"].tolist(), self.max_age_ns + 2 * self.period_ns
        if clock[LAST] != NEVER and abs(clock[LAST]) > 2**62:
            raise ValueError("snapshot with impossible values: a time that is none")
        apart = clock[LAST] != NEVER and abs(clock[NEXT] - clock[LAST]) > room
        if apart or (clock[NEXT] % self.period_ns and clock[LAST] != NEVER):
            raise ValueError("snapshot with impossible values: the grid's clock is none of its own")
        if not {clock[STALE], clock[GAP]} <= {0, 1} or (state["count"] < 0).any():
            raise ValueError("snapshot with impossible values: clock or count")

    def begin_anew(self) -> None:
        """The clock was set back: the next row begins a new grid, after a gap."""
        s = self.state
        s["clock"][:] = NEVER, NEVER, 0, 1
        s["value"][:], s["quality"][:], s["count"][:] = np.nan, 0, 0

    def site(self) -> tuple[Any, ...]:
        """Arguments of its kernel; what comes with a batch is empty."""
        g, s, none = self._grid, self.state, np.zeros(0, np.int64)
        return (
            none, none, np.zeros((0, 0)), np.zeros((0, 0), np.uint8), none, none, none, 0, 0,
            self.columns, self.period_ns, self.max_age_ns, self._method, BLOCK,
            s["clock"], s["value"], s["quality"], s["count"],
            g.time_ns, g.packet, g.value, g.quality, g.age_ns,
            g.advance_row, g.advance_ns, g.advance_packet,
        )  # fmt: skip

    def grid(self, rows: int, advances: int) -> Grid:
        """What its kernel has written; valid until it runs again."""
        g, n, a = self._grid, rows, advances
        return Grid(
            g.time_ns[:n], g.packet[:n], g.value[:n], g.quality[:n], g.age_ns[:n],
            g.advance_row[:a], g.advance_ns[:a], g.advance_packet[:a],
        )  # fmt: skip

    def feed(self, rows: Ordered) -> Iterator[Grid]:
        """Grids in order; each is valid until the next is asked for."""
        g, s, row, advance = self._grid, self.state, 0, 0
        while row < len(rows.time_ns) or advance < len(rows.advance_row):
            row, advance, n, a = resample(
                rows.time_ns, rows.packet, rows.eng, rows.quality, rows.advance_row,
                rows.advance_ns, rows.advance_packet, row, advance, self.columns,
                self.period_ns, self.max_age_ns, self._method, BLOCK,
                s["clock"], s["value"], s["quality"], s["count"],
                g.time_ns, g.packet, g.value, g.quality, g.age_ns,
                g.advance_row, g.advance_ns, g.advance_packet,
            )  # fmt: skip
            yield self.grid(n, a)


@inline
def _stale_row(
    n: int,
    t: int,
    packet: int,
    age: int,
    time_out: I8,
    packet_out: I8,
    value_out: F8,
    q_out: U1,
    age_out: I8,
) -> int:
    time_out[n], packet_out[n], age_out[n] = t, packet, age
    for j in range(value_out.shape[1]):
        value_out[n, j] = np.nan
        q_out[n, j] = _STALE
    return n + 1


@inline
def _close(
    mark: int,
    packet: int,
    period: int,
    max_age: int,
    method: int,
    clock: I8,
    value: F8,
    quality: U1,
    count: I8,
    n: int,
    time_out: I8,
    packet_out: I8,
    value_out: F8,
    q_out: U1,
    age_out: I8,
) -> int:
    """Close all grid times before `mark` from only the last row, up to the first stale one."""
    while clock[LAST] != NEVER and clock[NEXT] < mark and not clock[STALE]:
        t = clock[NEXT]
        age = t - clock[LAST]
        if age > max_age:
            n = _stale_row(n, t, packet, age, time_out, packet_out, value_out, q_out, age_out)
            clock[STALE], clock[GAP] = 1, 1
        elif method == _LINEAR and age > 0:
            if mark - clock[LAST] <= max_age:
                break  # wait for the sample behind t
            # no sample can close it any more: the gap begins here
            n = _stale_row(n, t, packet, age, time_out, packet_out, value_out, q_out, age_out)
            clock[STALE], clock[GAP] = 1, 1
        else:
            held = np.uint8(0) if age < period else _HELD
            after = _AFTER_GAP if clock[GAP] else np.uint8(0)
            time_out[n], packet_out[n], age_out[n] = t, packet, age
            for j in range(len(value)):
                value_out[n, j] = value[j]
                q_out[n, j] = quality[j] | held | after
                count[j] = 0
            n += 1
            clock[GAP] = 0
        clock[NEXT] = t + period
    return n


@kernel
def resample(
    time: I8,
    packet: I8,
    eng: F8,
    quality_in: U1,
    advance_row: I8,
    advance_ns: I8,
    advance_packet: I8,
    row: int,
    advance: int,
    columns: I8,
    period: int,
    max_age: int,
    method: int,
    block: int,
    clock: I8,
    value: F8,
    quality: U1,
    count: I8,
    time_out: I8,
    packet_out: I8,
    value_out: F8,
    q_out: U1,
    age_out: I8,
    advance_row_out: I8,
    advance_ns_out: I8,
    advance_packet_out: I8,
) -> tuple[int, int, int, int]:
    """From `row` and `advance` on until the block is full; returns where it stopped and filled."""
    n, a = 0, 0
    linear = method == _LINEAR
    while n < block and a < block:
        if advance < len(advance_row) and advance_row[advance] <= row:
            mark, p = advance_ns[advance], advance_packet[advance]
            n = _close(mark, p, period, max_age, method, clock, value, quality, count,
                       n, time_out, packet_out, value_out, q_out, age_out)  # fmt: skip
            if linear and not clock[STALE] and clock[LAST] != NEVER:
                mark = min(mark, clock[LAST])  # times after it are still open
            advance_row_out[a], advance_ns_out[a], advance_packet_out[a] = n, mark, p
            a += 1
            advance += 1
            continue
        if row >= len(time):
            break
        now, p = time[row], packet[row]
        last = clock[LAST]
        if linear and last != NEVER and not clock[STALE] and now > last and now - last <= max_age:
            while clock[NEXT] <= now:
                t = clock[NEXT]
                w = np.float64(t - last) / np.float64(now - last)
                after = _AFTER_GAP if clock[GAP] else np.uint8(0)
                made = _INTERPOLATED if last < t < now else np.uint8(0)
                time_out[n], packet_out[n], age_out[n] = t, p, 0
                for j in range(len(columns)):
                    x1, q1 = eng[row, columns[j]], quality_in[row, columns[j]]
                    x1 = np.nan if q1 & _INVALID else x1
                    exact = x1 if t == now else value[j]
                    # by weights: a difference of two finite values may overflow
                    value_out[n, j] = value[j] * (1.0 - w) + x1 * w if made else exact
                    q = (quality[j] | q1) if made else (q1 if t == now else quality[j])
                    q_out[n, j] = q | made | after
                n += 1
                clock[GAP] = 0
                clock[NEXT] = t + period
        else:
            n = _close(now, p, period, max_age, method, clock, value, quality, count,
                       n, time_out, packet_out, value_out, q_out, age_out)  # fmt: skip
        if last == NEVER or clock[STALE]:
            clock[STALE] = 0
            first = -((-now) // period) * period
            clock[NEXT] = max(clock[NEXT], first) if last != NEVER else first
        clock[LAST] = now
        for j in range(len(columns)):
            q = quality_in[row, columns[j]]
            x = eng[row, columns[j]]
            if method == _MEAN and count[j] > 0:
                if not q & _INVALID:
                    count[j] += 1
                    w = 1.0 / np.float64(count[j])
                    value[j] = value[j] * (1.0 - w) + x * w
                    quality[j] |= q
                continue
            count[j] = 0 if q & _INVALID else 1
            value[j] = np.nan if q & _INVALID else x
            quality[j] = q
        row += 1
    return row, advance, n, a
