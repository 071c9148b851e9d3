"""Flight phases: which one a row belongs to, by a parameter that says so in telemetry.

Phases change at the generation time of the packet that says so. A row belongs to the newest phase,
by arrival, that does not begin after it and had been heard when the row was closed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from pipeline.kernel import kernel
from schemas.columns import ABSENT, F8, I8, Quality, Rows
from schemas.state import Stateful

MEMORY = 8  # changes: a row that is older than all of them belongs to the oldest
_UNHEARD = np.uint8(Quality.INVALID)


class Changes(NamedTuple):
    """Of a batch, in order of arrival, behind the last MEMORY of those before it.

    packet i8[n]: that told it, -1: before this batch; time_ns, phase i8[n].
    """

    packet: I8
    time_ns: I8
    phase: I8


class Phases(Stateful):
    """values: that the parameter has in each phase; all others are phase 0, what stands first in
    values phase 1. columns: where it stands, by container."""

    def __init__(self, values: tuple[float, ...], columns: Mapping[int, int]) -> None:
        self._values, self._columns = values, dict(columns)
        self.state = {
            "time_ns": np.full(MEMORY, -(2**63), np.int64), "phase": np.zeros(MEMORY, np.int64)
        }  # fmt: skip

    def feed(self, rows: Mapping[int, Rows]) -> Changes:
        """What the decoded rows of a batch change. rows: by container."""
        told: list[tuple[int, int, int]] = []
        for container, column in self._columns.items():
            mine = rows.get(container)
            if mine is not None:
                quality = mine.quality[:, column]
                good = (quality != ABSENT) & ((quality & _UNHEARD) == 0)
                phase = self._phase(mine.eng[good, column])
                columns = (mine.packet[good], mine.time_ns[good], phase)
                told += zip(*(c.tolist() for c in columns), strict=True)
        s, found = self.state, []
        now = int(s["phase"][-1])
        for packet, time, new in sorted(told):
            if new != now:
                found.append((packet, time, new))
                now = new
        made = np.array(found, np.int64).reshape(-1, 3)
        changes = Changes(
            np.concatenate([np.full(MEMORY, -1), made[:, 0]]),
            np.concatenate([s["time_ns"], made[:, 1]]),
            np.concatenate([s["phase"], made[:, 2]]),
        )
        s["time_ns"][:], s["phase"][:] = changes.time_ns[-MEMORY:], changes.phase[-MEMORY:]
        return changes

    def _phase(self, value: F8) -> I8:
        phase = np.zeros(len(value), np.int64)
        for i, one in enumerate(self._values):
            phase[value == one] = i + 1
        return phase


def phase_of(time_ns: I8, packet: I8, changes: Changes) -> I8:
    """Of rows at these times, closed by these packets."""
    found = np.empty(len(time_ns), np.int64)
    _of(time_ns, packet, changes, found)
    return found


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
