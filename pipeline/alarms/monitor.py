"""Monitor: a small state machine per parameter over the severity ladder (ECSS-E-ST-70-41C, 6.12).

          enter > level for min_samples and min_ns            raised, or changed upwards
    level ───────────────────────────────────────▶ new level
          leave < level for leave_samples and min_ns          cleared, or changed downwards

While a run lasts its candidate is the mildest level entered (upwards) or the most severe one
(downwards). A sample without a verdict (NO_VERDICT) leaves everything as it is.

A latching monitor goes down only after it was acknowledged (IEC 62682, 5.7). An acknowledgement of
an alarm that is still active is kept until the alarm clears, and dropped if it rises further.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pipeline.kernel import kernel
from schemas.columns import I4, I8, NO_VERDICT, U1, Scores, Transitions
from schemas.mission import Level
from schemas.state import Stateful

_MANY = 2**30
_NONE = np.zeros(0, np.int64)
_QUIET = Transitions(_NONE, _NONE, _NONE.astype(np.uint8), _NONE.astype(np.uint8), _NONE, _NONE)


def plain_scores(words: U1) -> Scores:
    """Scores of a check that has only levels. words u1[k, f]: the level for enter and leave."""
    none = np.empty((0, words.shape[1]))
    return Scores(words, words, none, none, none)


class Persistence(NamedTuple):
    """How long a level must last. min_samples, leave_samples i8[v], of v variants of the check;
    min_ns, leave_ns i8[f]; latch u1[f]."""

    min_samples: I8
    leave_samples: I8
    min_ns: I8
    leave_ns: I8
    latch: U1


class Runs(NamedTuple):
    """Of f monitors: level, candidate u1; run i4: samples of it, negative downwards; run_since
    i8: when it began, run_offset i8: with which input record; acknowledged, inhibited u1."""

    level: U1
    candidate: U1
    run: I4
    run_since: I8
    run_offset: I8
    acknowledged: U1
    inhibited: U1


class Monitor(Stateful):
    """Monitors of f parameters under one kind of check.

    min_ns i8[f], latch u1[f]; leave_ns i8[f]: for going down, if it differs from min_ns;
    min_samples and leave_samples i8[v]: one entry per variant of the check. If `feed` gets no
    `variant`, each parameter has exactly one.
    """

    def __init__(
        self, min_samples: I8, min_ns: I8, leave_samples: I8, latch: U1 | None = None,
        leave_ns: I8 | None = None,
    ) -> None:  # fmt: skip
        f = len(min_ns)
        self._persistence = Persistence(
            min_samples, leave_samples, min_ns, min_ns if leave_ns is None else leave_ns,
            np.zeros(f, np.uint8) if latch is None else latch,
        )  # fmt: skip
        self._own = np.arange(f)[None, :]
        self._runs = Runs(
            level=np.zeros(f, np.uint8),
            candidate=np.zeros(f, np.uint8),
            run=np.zeros(f, np.int32),
            run_since=np.zeros(f, np.int64),
            run_offset=np.zeros(f, np.int64),
            acknowledged=np.zeros(f, np.uint8),
            inhibited=np.zeros(f, np.uint8),
        )
        self.state = self._runs._asdict()
        self.bounds = {
            "level": (0, Level.SEVERE), "candidate": (0, Level.SEVERE),
            "run": (-_MANY - 1, _MANY + 1), "acknowledged": (0, 1), "inhibited": (0, 1),
        }  # fmt: skip
        self._out = np.empty((max(64, 2 * f), 6), np.int64)

    @property
    def calm(self) -> bool:
        """Whether a sample that is normal would change nothing."""
        return not (self.state["level"].any() or self.state["run"].any())

    def level(self, parameter: int) -> Level:
        return Level(self.state["level"][parameter])

    def acknowledge(self, parameter: int) -> None:
        """Let a latched alarm clear once its cause is gone."""
        self.state["acknowledged"][parameter] = int(self.level(parameter) != Level.NORMAL)

    def inhibit(self, parameter: int, inhibited: bool) -> None:
        """Inhibit or enable a monitor; either way it begins at normal."""
        self.state["inhibited"][parameter] = int(inhibited)
        self.begin(parameter)

    def begin(self, parameter: int) -> None:
        """Reset a monitor to normal, whatever its state was."""
        for name in ("level", "run", "acknowledged"):
            self.state[name][parameter] = 0

    def site(self, variant: I8 | None = None) -> tuple[Any, ...]:
        """Arguments of its kernel; what comes with a batch is empty. variant i8[1, f]."""
        none, words = np.zeros(0, np.int64), np.zeros((0, 0), np.uint8)
        own = self._own if variant is None else variant
        return (none, none, words, words, own, self._persistence, self._runs, 0, self._out)

    def feed(
        self, time_ns: I8, offset: I8, scores: Scores, variant: I8 | None = None,
        done: tuple[int, int] = (0, 0),
    ) -> Transitions:  # fmt: skip
        """Transitions in order of rows, then of parameters. offset: input record of each row.

        variant i8[k, f]: which persistence is in force in each row. done: rows that its kernel has
        taken already, and the transitions that it found.
        """
        row, n = done
        parts = [self._out[:n].copy()] if n else []
        if variant is None:
            variant = self._own
        while row < len(time_ns):
            row, n = step(
                time_ns, offset, scores.enter, scores.leave, variant, self._persistence,
                self._runs, row, self._out,
            )  # fmt: skip
            if n:
                parts.append(self._out[:n].copy())
        if not parts:
            return _QUIET
        rows, parameter, old, new, since, first = np.concatenate(parts).T.copy()
        return Transitions(
            rows, parameter, old.astype(np.uint8), new.astype(np.uint8), since, first
        )


@kernel
def step(
    time: I8,
    offset: I8,
    enter: U1,
    leave: U1,
    variant: I8,
    p: Persistence,
    r: Runs,
    row: int,
    out: I8,
) -> tuple[int, int]:
    """From `row` on, while `out` has room for another row; returns (next row, transitions)."""
    n, level, candidate = 0, r.level, r.candidate
    run, run_since, run_offset = r.run, r.run_since, r.run_offset
    for i in range(row, len(time)):
        if len(out) - n < len(level):
            return i, n
        busy = np.uint8(0)
        for j in range(len(level)):
            busy |= np.uint8(enter[i, j] > level[j]) | np.uint8(leave[i, j] < level[j])
            busy |= np.uint8(run[j] != 0)
        if not busy:
            continue
        which = min(i, len(variant) - 1)
        for j in range(len(level)):
            now, stay, old, v = enter[i, j], leave[i, j], level[j], variant[which, j]
            if now == NO_VERDICT or r.inhibited[j]:
                continue
            if now > old:
                candidate[j] = min(candidate[j], now) if run[j] > 0 else now
                run_since[j] = run_since[j] if run[j] > 0 else time[i]
                run_offset[j] = run_offset[j] if run[j] > 0 else offset[i]
                run[j] = min(max(run[j], 0), _MANY) + 1
                done, least = run[j] >= p.min_samples[v], p.min_ns[j]
            elif stay < old:
                candidate[j] = max(candidate[j], stay) if run[j] < 0 else stay
                run_since[j] = run_since[j] if run[j] < 0 else time[i]
                run_offset[j] = run_offset[j] if run[j] < 0 else offset[i]
                run[j] = max(min(run[j], 0), -_MANY) - 1  # a latched one goes on counting
                held = p.latch[j] and r.acknowledged[j] == 0
                done, least = -run[j] >= p.leave_samples[v] and not held, p.leave_ns[j]
            else:
                run[j] = 0
                continue
            run_since[j] = min(run_since[j], time[i])  # a clock may go back
            lasted = time[i] - run_since[j] >= least or least == 0
            if done and lasted:
                out[n, 0], out[n, 1], out[n, 2] = i, j, old
                out[n, 3], out[n, 4], out[n, 5] = candidate[j], run_since[j], run_offset[j]
                n += 1
                level[j] = candidate[j]
                run[j] = 0
                r.acknowledged[j] &= np.uint8(level[j] < old and level[j] > 0)
    return len(time), n
