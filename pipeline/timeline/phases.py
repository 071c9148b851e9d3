"""Flight phases: which one a row belongs to, as a telemetry parameter reports it.

A phase begins at the generation time of the packet that reports it. A row belongs to the phase that
arrived last, among those that do not begin after the row and were received before it was closed.

A packet whose time goes back, or ahead by more than `jump_s`, is accepted once a second one
confirms it, as for rows (`timeline.order`). So one damaged or late time stamp begins no phase, and
a clock that was set is followed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from pipeline.kernel import kernel
from schemas.columns import ABSENT, F8, I8, NEVER, Quality, Rows
from schemas.state import Stateful

MEMORY = 8  # changes: a row that is older than all of them belongs to the oldest
_INVALID = np.uint8(Quality.INVALID)
# of the clock: time of the last packet accepted, time of one not confirmed yet, and its phase
_LATEST, _SUSPECT, _ITS_PHASE, _CLOCK = range(4)


class Changes(NamedTuple):
    """Phase changes of a batch, in order of arrival, after the last MEMORY changes before it.

    packet i8[n]: the one that reported it, -1: before this batch; time_ns, phase i8[n].
    """

    packet: I8
    time_ns: I8
    phase: I8


class Phases(Stateful):
    """values: of the parameter in each phase; the first entry is phase 1, all other values are
    phase 0. columns: column of the parameter, by container."""

    def __init__(
        self, values: tuple[tuple[float, ...], ...], columns: Mapping[int, int], jump_ns: int
    ) -> None:
        self._values, self._columns, self._jump = values, dict(columns), jump_ns
        self.state = {
            "time_ns": np.full(MEMORY, NEVER, np.int64),
            "phase": np.zeros(MEMORY, np.int64),
            "clock": np.array([NEVER, NEVER, 0], np.int64),
        }
        most = 2**63 - 1
        least, top = np.array([NEVER, NEVER, 0]), np.array([most, most, len(values)])
        self.bounds = {"phase": (0, len(values)), "clock": (least, top)}

    @property
    def now(self) -> int | None:
        """The phase that the newest packet told; None before the first."""
        s = self.state
        return None if s["clock"][_LATEST] == NEVER else int(s["phase"][-1])

    def feed(self, rows: Mapping[int, Rows]) -> Changes:
        """What the decoded rows of a batch change. rows: by container."""
        parts = [np.zeros((0, 3), np.int64)]
        for container, column in self._columns.items():
            mine = rows.get(container)
            if mine is not None:
                quality = mine.quality[:, column]
                good = (quality != ABSENT) & ((quality & _INVALID) == 0)
                phase = self._phase(mine.eng[good, column])
                parts.append(np.column_stack([mine.packet[good], mine.time_ns[good], phase]))
        told = np.concatenate(parts)
        told = told[np.argsort(told[:, 0], kind="stable")]
        s, found = self.state, np.empty((2 * len(told), 3), np.int64)
        n = _believe(told, int(s["phase"][-1]), self._jump, s["clock"], found)
        changes = Changes(
            np.concatenate([np.full(MEMORY, -1), found[:n, 0]]),
            np.concatenate([s["time_ns"], found[:n, 1]]),
            np.concatenate([s["phase"], found[:n, 2]]),
        )
        s["time_ns"][:], s["phase"][:] = changes.time_ns[-MEMORY:], changes.phase[-MEMORY:]
        return changes

    def _phase(self, value: F8) -> I8:
        phase = np.zeros(len(value), np.int64)
        for i, those in enumerate(self._values):
            phase[np.isin(value, those)] = i + 1
        return phase


def phase_of(time_ns: I8, packet: I8, changes: Changes) -> I8:
    """Phases of rows at these times, closed by these packets."""
    found = np.empty(len(time_ns), np.int64)
    _of(time_ns, packet, changes, found)
    return found


@kernel
def _believe(told: I8, now: int, jump: int, clock: I8, found: I8) -> int:
    """Write the changes reported in `told` (packet, time, phase) to `found`; returns how many."""
    n = 0
    for i in range(len(told)):
        time, phase = told[i, 1], told[i, 2]
        latest, suspect = clock[_LATEST], clock[_SUSPECT]
        regular = (latest == NEVER) | ((time >= latest) & (time - jump <= latest))
        confirmed = (suspect != NEVER) & (time >= suspect) & (time - jump <= suspect)
        if not (regular | confirmed):
            clock[_SUSPECT], clock[_ITS_PHASE] = time, phase
            continue
        # the clock was set: even the same phase begins again, at a time that new rows can have
        anew = confirmed and not regular
        if anew:
            found[n, 0], found[n, 1], found[n, 2] = told[i, 0], suspect, clock[_ITS_PHASE]
            now = clock[_ITS_PHASE]
            n += 1
        if phase != now:
            found[n, 0], found[n, 1], found[n, 2] = told[i, 0], time, phase
            now = phase
            n += 1
        clock[_LATEST], clock[_SUSPECT] = time, NEVER
    return n


@kernel
def _of(time: I8, packet: I8, changes: Changes, found: I8) -> None:
    known = MEMORY
    for i in range(len(time)):
        while known < len(changes.packet) and changes.packet[known] <= packet[i]:
            known += 1
        at = known - 1
        while at > known - MEMORY and changes.time_ns[at] > time[i]:
            at -= 1
        found[i] = changes.phase[at]
