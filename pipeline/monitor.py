"""Monitor: a small state machine a parameter over the severity ladder (ECSS-E-ST-70-41C, 6.12).

          enter > level for min_samples and min_ns            raised, or changed upwards
    level ───────────────────────────────────────▶ new level
          leave < level for leave_samples and min_ns          cleared, or changed downwards

While a run lasts its candidate is the mildest level entered (upwards) or the most severe one
(downwards). A sample that says nothing (NO_WORD) holds everything as it is.
"""

from __future__ import annotations

import numpy as np

from pipeline.kernel import kernel
from schemas.columns import I4, I8, NO_WORD, U1, Scores, Transitions
from schemas.state import Stateful

_NO_WORD = np.uint8(NO_WORD)
_NONE = np.zeros(0, np.int64)
_QUIET = Transitions(_NONE, _NONE, _NONE.astype(np.uint8), _NONE.astype(np.uint8), _NONE, _NONE)


class Monitor(Stateful):
    """Monitors of f parameters under one kind of check."""

    def __init__(self, min_samples: I8, min_ns: I8, leave_samples: I8) -> None:
        self._min_samples, self._min_ns, self._leave_samples = min_samples, min_ns, leave_samples
        f = len(min_samples)
        self.state = {
            "level": np.zeros(f, np.uint8),
            "candidate": np.zeros(f, np.uint8),
            "run": np.zeros(f, np.int32),  # samples of the run; negative downwards
            "run_since": np.zeros(f, np.int64),
            "run_offset": np.zeros(f, np.int64),  # input record with which the run began
        }
        self._out = np.empty((max(64, 2 * f), 6), np.int64)

    @property
    def calm(self) -> bool:
        """Whether a sample that is normal would change nothing."""
        return not (self.state["level"].any() or self.state["run"].any())

    def feed(self, time_ns: I8, offset: I8, scores: Scores) -> Transitions:
        """Transitions in order of rows, then of parameters. offset: input record of each row."""
        s, row, parts = self.state, 0, []
        while row < len(time_ns):
            row, n = step(
                time_ns, offset, scores.enter, scores.leave, self._min_samples, self._min_ns,
                self._leave_samples, row, s["level"], s["candidate"], s["run"], s["run_since"],
                s["run_offset"], self._out,
            )  # fmt: skip
            if n:
                parts.append(self._out[:n].copy())
        if not parts:
            return _QUIET
        rows, parameter, old, new, since, first = np.concatenate(parts).T
        return Transitions(
            rows, parameter, old.astype(np.uint8), new.astype(np.uint8), since, first
        )


@kernel
def step(
    time: I8,
    offset: I8,
    enter: U1,
    leave: U1,
    min_samples: I8,
    min_ns: I8,
    leave_samples: I8,
    row: int,
    level: U1,
    candidate: U1,
    run: I4,
    run_since: I8,
    run_offset: I8,
    out: I8,
) -> tuple[int, int]:
    """From `row` on, until `out` might not hold another row's; returns (next row, transitions)."""
    n = 0
    for i in range(row, len(time)):
        if len(out) - n < len(level):
            return i, n
        busy = np.uint8(0)
        for j in range(len(level)):
            busy |= np.uint8(enter[i, j] > level[j]) | np.uint8(leave[i, j] < level[j])
            busy |= np.uint8(run[j] != 0)
        if not busy:
            continue
        for j in range(len(level)):
            now, stay, old = enter[i, j], leave[i, j], level[j]
            if now == _NO_WORD:
                continue
            if now > old:
                candidate[j] = min(candidate[j], now) if run[j] > 0 else now
                run_since[j] = run_since[j] if run[j] > 0 else time[i]
                run_offset[j] = run_offset[j] if run[j] > 0 else offset[i]
                run[j] = max(run[j], 0) + 1
                done = run[j] >= min_samples[j]
            elif stay < old:
                candidate[j] = max(candidate[j], stay) if run[j] < 0 else stay
                run_since[j] = run_since[j] if run[j] < 0 else time[i]
                run_offset[j] = run_offset[j] if run[j] < 0 else offset[i]
                run[j] = min(run[j], 0) - 1
                done = -run[j] >= leave_samples[j]
            else:
                run[j] = 0
                continue
            run_since[j] = min(run_since[j], time[i])  # a clock may go back
            lasted = time[i] - run_since[j] >= min_ns[j] or min_ns[j] == 0
            if done and lasted:
                out[n, 0], out[n, 1], out[n, 2] = i, j, old
                out[n, 3], out[n, 4], out[n, 5] = candidate[j], run_since[j], run_offset[j]
                n += 1
                level[j] = candidate[j]
                run[j] = 0
    return len(time), n
