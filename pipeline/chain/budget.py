"""Budget: how many false alarms a model has raised in flight, and whether that is too many.

An alarm is *false* if it ends, or lasts for `confirm_s` and as long as it speaks ahead (what is
said of an hour from now is not wrong after ten minutes), and meanwhile its parameter was beyond no
limit of warning or above. At the rate that the budget allows, λ false alarms are expected in the
parameter-days seen so far. Too many means MIN or more, and so many that fewer than one in a
thousand models that keep to the budget would raise them (the upper tail of a Poisson count).

It reads the same rows as the model, one after the other, and no clock.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from pipeline.models.shared.contract import GroupParameter
from schemas.columns import U1, Grid, Transitions
from schemas.mission import ALARM_LEVELS, Five, Level
from schemas.settings import GateSettings
from schemas.state import Stateful

UNLIKELY = 1e-3
MIN = 3
MANY = 500.0
DAY_NS = 86_400_000_000_000
_NONE = -1
_WARNING = ALARM_LEVELS.index(Level.WARNING)


def at_least(n: int, expected: float) -> float:
    """Probability that a Poisson count with mean `expected` is n or more."""
    if expected > MANY:  # e^-λ nears underflow; the count is as good as normal
        return 0.5 * math.erfc((n - 0.5 - expected) / math.sqrt(2.0 * expected))
    term = below = math.exp(-expected) if n > 0 else 0.0
    for k in range(1, n):
        term *= expected / k
        below += term
    return max(0.0, 1.0 - below)


def mildest(low: Sequence[float], high: Sequence[float]) -> tuple[float, float]:
    """Bounds of the mildest range of warning or above; infinite where there is none."""
    return max(low[_WARNING:]), min(high[_WARNING:])


class Budget(Stateful):
    """Of one model on f parameters of one group, whose rows are period_ns apart. ahead_s: how far
    ahead its alarms speak."""

    def __init__(
        self, parameters: list[GroupParameter], period_ns: int, gate: GateSettings,
        ahead_s: float = 0.0,
    ) -> None:  # fmt: skip
        f = len(parameters)
        self._rate = gate.false_alarms_per_parameter_day
        self._days_a_row = f * period_ns / DAY_NS
        self._confirm_ns = round(max(gate.confirm_s, ahead_s) * 1e9)
        self.state = {
            "ranges": np.array([mildest(p.low, p.high) for p in parameters]),
            "level": np.zeros(f, np.uint8),
            "open": np.full(f, _NONE, np.int64),  # since when an alarm waits to be judged
            "rows": np.zeros(1, np.int64),
            "false": np.zeros(1, np.int64),
        }

    def reset(self) -> None:
        """A model is made active: forget what it did before."""
        self.state["level"][:] = 0
        self.state["open"][:] = _NONE
        self.state["rows"][0] = self.state["false"][0] = 0

    def follow(self, level: U1) -> None:
        """Take over the monitor's levels: an alarm that an operator silenced is not judged."""
        other = self.state["level"] != level
        self.state["open"][other] = _NONE
        self.state["level"][:] = level

    def set_limits(self, parameter: int, low: Five, high: Five) -> None:
        self.state["ranges"][parameter] = mildest(low, high)

    @property
    def false_alarms(self) -> int:
        return int(self.state["false"][0])

    @property
    def parameter_days(self) -> float:
        return float(self.state["rows"][0]) * self._days_a_row

    @property
    def expected(self) -> float:
        return self._rate * self.parameter_days

    @property
    def levels(self) -> list[int]:
        """Level of each parameter, as the model's monitor had it at the last row seen here."""
        levels: list[int] = self.state["level"].tolist()
        return levels

    def feed(self, grid: Grid, t: Transitions) -> int | None:
        """The row at which there are too many false alarms, else None; later rows are not read."""
        s, n = self.state, len(grid.time_ns)
        if not len(t.row) and (s["open"] == _NONE).all():
            s["rows"][0] += n
            return None
        at = 0
        for i in range(n):
            s["rows"][0] += 1
            before = self.false_alarms
            self._judge(grid, i)
            while at < len(t.row) and t.row[at] == i:
                self._transition(grid, i, int(t.parameter[at]), int(t.after[at]))
                at += 1
            if self.false_alarms > before and self._too_many():
                return i
        return None

    def _judge(self, grid: Grid, i: int) -> None:
        """Judge the waiting alarms by limits and time."""
        s = self.state
        for j in np.flatnonzero(s["open"] != _NONE):
            if self._beyond(grid, i, int(j)):
                s["open"][j] = _NONE  # confirmed
            elif grid.time_ns[i] - s["open"][j] >= self._confirm_ns:
                s["open"][j] = _NONE
                s["false"][0] += 1

    def _beyond(self, grid: Grid, i: int, j: int) -> bool:
        x, (low, high) = grid.value[i, j], self.state["ranges"][j]
        return bool(x < low or x > high)

    def _transition(self, grid: Grid, i: int, j: int, after: int) -> None:
        s = self.state
        if s["level"][j] == 0 and after:
            s["open"][j] = _NONE if self._beyond(grid, i, j) else grid.time_ns[i]
        elif after == 0 and s["open"][j] != _NONE:
            s["open"][j] = _NONE
            s["false"][0] += 1
        s["level"][j] = after

    def _too_many(self) -> bool:
        n = self.false_alarms
        return n >= MIN and at_least(n, self.expected) < UNLIKELY
