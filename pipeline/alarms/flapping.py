"""A monitor that flaps is reported once, with counts, until it is calm.

A limit without a deadband under a noisy value raises and clears its alarm at every second sample:
thousands of alerts an hour, which hide all others. From the FLAPS-th raise within WITHIN_NS on, its
changes are counted but not emitted, except one to a level above all those emitted. After CALM_NS
without a change, an alert gives their number and the present level.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from pipeline.alarms.calm import NO_FLAGS, NO_RUNS
from schemas.columns import I8, NEVER, Transitions
from schemas.mission import Level
from schemas.state import Stateful

FLAPS = 5
WITHIN_NS = 60_000_000_000
CALM_NS = 60_000_000_000


class Told(NamedTuple):
    """What is emitted for one transition, or for the calm after many. flaps: raises since the
    flapping began; 0: a plain transition, number `i` of the monitor's."""

    row: int
    parameter: int
    before: int
    after: int
    i: int
    word: str = ""  # flapping, calm
    flaps: int = 0
    since_ns: int = 0


class Flapping(Stateful):
    """Of f monitors."""

    def __init__(self, f: int) -> None:
        self.state = {
            "raises": np.full((FLAPS, f), NEVER, np.int64),  # times of the last, oldest first
            "flapping": np.zeros(f, np.uint8),
            "count": np.zeros(f, np.int64),  # raises since the flapping began
            "since": np.zeros(f, np.int64),
            "last": np.zeros(f, np.int64),  # time of the last change
            "level": np.zeros(f, np.uint8),  # the highest that was emitted
            "now": np.zeros(f, np.uint8),  # where the monitor stands
        }
        self.bounds = {
            "flapping": (0, 1),
            "level": (0, Level.SEVERE),
            "now": (0, Level.SEVERE),
            "count": (0, 2**62),
        }

    @property
    def quiet(self) -> bool:
        """Whether rows without a transition say nothing."""
        return not self.state["flapping"].any()

    def site(self) -> tuple[Any, ...]:
        """Arguments of `alarms.calm.stirred`."""
        return self.state["flapping"], NO_RUNS, NO_FLAGS

    def begin(self, parameter: int) -> None:
        """Reset the state of one monitor, as when it is inhibited or enabled."""
        for name, array in self.state.items():
            array[..., parameter] = NEVER if name == "raises" else 0

    def level(self, parameter: int) -> int:
        """The last level emitted while it flaps; 0 if it does not flap."""
        return int(self.state["level"][parameter]) if self.state["flapping"][parameter] else 0

    def feed(self, time_ns: I8, t: Transitions) -> list[Told]:
        """time_ns i8[k]: of each row, a time that never goes back for long."""
        if self.quiet and not len(t.row):
            return []
        told = list(self._rows(time_ns, t))
        told.sort(key=lambda x: (x.row, x.parameter))
        return told

    def _rows(self, time_ns: I8, t: Transitions) -> Iterator[Told]:
        first = np.zeros(len(self.state["flapping"]), np.int64)  # row from which calm is looked for
        for i, (row, j) in enumerate(zip(t.row.tolist(), t.parameter.tolist(), strict=True)):
            yield from self._calm(time_ns[first[j] : row], int(first[j]), j)
            yield from self._one(int(time_ns[row]), row, j, int(t.before[i]), int(t.after[i]), i)
            first[j] = row + 1
        for j in np.flatnonzero(self.state["flapping"]).tolist():
            yield from self._calm(time_ns[first[j] :], int(first[j]), j)

    def _calm(self, time_ns: I8, first: int, j: int) -> Iterator[Told]:
        s = self.state
        if not s["flapping"][j]:
            return
        # others follow a packet with a time in the future: calm is counted from their times
        since = np.minimum.accumulate(np.concatenate([s["last"][j : j + 1], time_ns]))
        late = np.flatnonzero(time_ns - since[1:] >= CALM_NS)
        s["last"][j] = since[-1]
        if len(late):
            s["flapping"][j], s["raises"][:, j] = 0, NEVER
            yield Told(
                first + int(late[0]), j, int(s["level"][j]), int(s["now"][j]), -1, "calm",
                int(s["count"][j]), int(s["since"][j]),
            )  # fmt: skip

    def _one(self, now: int, row: int, j: int, before: int, after: int, i: int) -> Iterator[Told]:
        s = self.state
        s["last"][j], s["now"][j] = now, after
        raised = before == 0
        if s["flapping"][j]:
            s["count"][j] += raised
            if after > s["level"][j]:  # worse than all that was emitted
                yield Told(row, j, int(s["level"][j]), after, i)
                s["level"][j] = after
            return
        if raised:
            s["raises"][:-1, j] = s["raises"][1:, j]
            s["raises"][-1, j] = now
        oldest = int(s["raises"][0, j])
        if not raised or oldest == NEVER or now - oldest > WITHIN_NS:
            yield Told(row, j, before, after, i)
            return
        s["flapping"][j], s["count"][j], s["since"][j] = 1, FLAPS, oldest
        s["level"][j] = after
        yield Told(row, j, before, after, i, "flapping", FLAPS, oldest)
