"""A monitor that flaps is reported once, with counts, until it is calm.

A limit without a deadband under a noisy value raises and clears its alarm at every second sample:
thousands of alerts an hour, which hide all others. From the FLAPS-th raise within WITHIN_NS on, its
changes are counted but not emitted, except one to a level above all those emitted. After CALM_NS
without a change, an alert gives their number and the present level.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pipeline.alarms.calm import NO_FLAGS, NO_RUNS
from pipeline.kernel import kernel, part
from schemas.columns import I8, NEVER, U1, Transitions
from schemas.mission import Level
from schemas.state import Stateful

FLAPS = 5
WITHIN_NS = 60_000_000_000
CALM_NS = 60_000_000_000


PLAIN, FLAPPING, CALM = range(3)
WORDS = ("", "flapping", "calm")


class Told(NamedTuple):
    """What is emitted, in order of rows and parameters: i8[n] each, u1[f] for levels.

    since_ns: of the run that led to it, or, for what stands for many, when the flapping began.
    since_offset: of that run; -1 for the calm, which no record began. word: PLAIN, FLAPPING or
    CALM; flaps: raises since the flapping began.
    """

    row: I8
    parameter: I8
    before: I8
    after: I8
    since_ns: I8
    since_offset: I8
    word: I8
    flaps: I8


class Flaps(NamedTuple):
    """Of f monitors. raises i8[FLAPS, f]: times of the last, oldest first; many i8: raises since
    the flapping began, which is since; last i8: time of the last change; level u1: the highest that
    was emitted; now u1: where the monitor stands."""

    raises: I8
    flapping: U1
    many: I8
    since: I8
    last: I8
    level: U1
    now: U1


class Flapping(Stateful):
    """Of f monitors."""

    def __init__(self, f: int) -> None:
        self._flaps = Flaps(
            np.full((FLAPS, f), NEVER, np.int64), np.zeros(f, np.uint8), np.zeros(f, np.int64),
            np.zeros(f, np.int64), np.zeros(f, np.int64), np.zeros(f, np.uint8),
            np.zeros(f, np.uint8),
        )  # fmt: skip
        known = self._flaps._asdict()
        self.state = {"count" if name == "many" else name: a for name, a in known.items()}
        self._first = np.zeros(f, np.int64)
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

    def feed(self, time_ns: I8, t: Transitions) -> Told | None:
        """time_ns i8[k]: of each row, a time that never goes back for long.

        None: nothing is said.
        """
        if self.quiet and not len(t.row):
            return None
        out = np.empty((2 * len(t.row) + len(self._first), len(Told._fields)), np.int64)
        n = tell(
            time_ns, t.row, t.parameter, t.before, t.after, t.since_ns, t.since_offset,
            self._flaps, self._first, out,
        )  # fmt: skip
        if n == 0:
            return None
        told = out[:n]
        if n > 1:
            told = told[np.lexsort((told[:, 1], told[:, 0]))]
        return Told(*told.T)


@part
def _look_for_calm(time: I8, first: int, end: int, j: int, s: Flaps, out: I8, n: int) -> int:
    """Rows from `first` to `end`, of one that flaps. Returns the number of what is told."""
    # others follow a packet with a time in the future: calm is counted from their times
    last, calm = s.last[j], -1
    for i in range(first, end):
        last = min(last, time[i])
        if calm < 0 and time[i] - last >= CALM_NS:
            calm = i
    s.last[j] = last
    if calm < 0:
        return n
    s.flapping[j] = 0
    for k in range(FLAPS):
        s.raises[k, j] = NEVER
    out[n, 0], out[n, 1], out[n, 2], out[n, 3] = calm, j, s.level[j], s.now[j]
    out[n, 4], out[n, 5], out[n, 6], out[n, 7] = s.since[j], -1, CALM, s.many[j]
    return n + 1


@kernel
def tell(
    time: I8, row: I8, parameter: I8, before: U1, after: U1, since_ns: I8, since_offset: I8,
    s: Flaps, first: I8, out: I8,
) -> int:  # fmt: skip
    """Of transitions in order of rows. first i8[f]: scratch, the row from which on calm is looked
    for."""
    n = 0
    for j in range(len(first)):
        first[j] = 0
    for i in range(len(row)):
        j, now, level = parameter[i], time[row[i]], after[i]
        if s.flapping[j]:
            n = _look_for_calm(time, first[j], row[i], j, s, out, n)
        first[j] = row[i] + 1
        s.last[j], s.now[j] = now, level
        raised = before[i] == 0
        old, since, offset, word = np.int64(before[i]), since_ns[i], since_offset[i], PLAIN
        flaps = np.int64(0)
        if s.flapping[j]:
            s.many[j] += np.int64(raised)
            if level <= s.level[j]:
                continue
            old = np.int64(s.level[j])  # it is worse than all that was emitted
            s.level[j] = level
        elif raised:
            for k in range(FLAPS - 1):
                s.raises[k, j] = s.raises[k + 1, j]
            s.raises[FLAPS - 1, j] = now
            oldest = s.raises[0, j]
            if oldest != NEVER and now - oldest <= WITHIN_NS:
                s.flapping[j], s.many[j], s.since[j], s.level[j] = 1, FLAPS, oldest, level
                since, word, flaps = oldest, FLAPPING, np.int64(FLAPS)
        out[n, 0], out[n, 1], out[n, 2], out[n, 3] = row[i], j, old, level
        out[n, 4], out[n, 5], out[n, 6], out[n, 7] = since, offset, word, flaps
        n += 1
    for j in range(len(first)):
        if s.flapping[j]:
            n = _look_for_calm(time, first[j], len(time), j, s, out, n)
    return n
