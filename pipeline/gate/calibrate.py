"""Threshold from a budget: the operator sets how many false alarms a parameter may raise a day, and
nominal recordings show which threshold stays within that.

Each flight is left out once: the family learns the others and judges it with every candidate. The
flight is nominal, so every alarm raised on it is false. The lowest threshold whose rate is within
the budget is taken. The rate is reported with a confidence interval, as the count is small (Garwood
1936).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pipeline.alarms.monitor import Monitor
from pipeline.chain.budget import at_least
from pipeline.errors import FlightError
from pipeline.gate.grids import Heard
from pipeline.models.shared.contract import Model
from pipeline.models.shared.family import Family
from pipeline.models.shared.phased import make
from pipeline.timeline.after_gap import after_gap
from schemas.columns import State

STEPS = tuple(2.0 ** (i / 2) for i in range(-10, 11))  # factors of the family's own threshold
BLIND = 1e6  # a threshold that nothing crosses
THREADS = 4  # kernels release the interpreter lock
TAIL = 0.1  # on each side of an 80 % interval


@dataclass(frozen=True, slots=True)
class Rate:
    """False alarms in so many parameter-days."""

    false_alarms: int
    parameter_days: float

    @property
    def a_day(self) -> float:
        return self.false_alarms / self.parameter_days if self.parameter_days else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """80 % interval of the rate a parameter-day."""
        n, days = self.false_alarms, self.parameter_days
        if not days:
            return 0.0, float("inf")
        low = _solve(lambda x: at_least(n, x) - TAIL) if n else 0.0
        return low / days, self._most / days

    @property
    def _most(self) -> float:
        """False alarms that are expected, at the upper end of the interval."""
        return _solve(lambda x: at_least(self.false_alarms + 1, x) - (1 - TAIL))

    def days_to_show(self, budget: float) -> float:
        """Parameter-days in all after which the upper end of the interval is within a budget, if
        no further false alarm is raised."""
        return self._most / budget if budget else float("inf")


def _solve(rising: Callable[[float], float]) -> float:
    """Where a function that rises crosses zero."""
    low, high = 0.0, 1.0
    while rising(high) < 0:
        high *= 2
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < 0 else (low, middle)
    return high


def fit(
    flights: Sequence[Heard], family: type[Family], rule: Any, phases: tuple[str, ...]
) -> State:
    """State of a family after learning all flights in turn, with a gap between them.

    phases: of the mission.
    Nominal flights are learnt completely, including what a low threshold would call odd.
    """
    model = _model(flights[0], family, replace(rule, **{family.theta: BLIND}), phases)
    for flight in flights:
        model.learn(after_gap(flight.whole)[0])
    return model.snapshot()


def judge(
    flight: Heard, family: type[Family], rule: Any, phases: tuple[str, ...], known: State
) -> Rate:
    """Alarms that a model with this state raises on one further flight."""
    model, (grid, _) = _model(flight, family, rule, phases), after_gap(flight.whole)
    model.restore(known)
    monitor = Monitor(model.min_samples, model.min_ns, model.leave_samples)
    t = monitor.feed(grid.time_ns, grid.packet, model.feed(grid))
    raised = int(np.count_nonzero((t.before == 0) & (t.after > 0)))
    return Rate(raised, flight.parameter_days)


def _model(flight: Heard, family: type[Family], rule: Any, phases: tuple[str, ...]) -> Model:
    parameters = [flight.group.parameters[i] for i in flight.columns]
    try:
        return make(family, parameters, flight.period_ns, [rule] * len(parameters), phases)
    except ValueError as error:
        raise FlightError(f"{family.name}: {error}.") from None


def calibrate(
    groups: Sequence[Sequence[Heard]], family: type[Family], rule: Any, phases: tuple[str, ...],
    budget: float, on_step: Callable[[], None],
) -> tuple[Any, Rate]:  # fmt: skip
    """The rule with the least threshold within the budget, and its rate on flights left out.

    groups: the flights of each group, two or more. FlightError where no threshold is within budget.
    """
    theta = getattr(rule, family.theta)
    rules = [replace(rule, **{family.theta: theta * s}) for s in STEPS]
    left_out = [(g, k) for g in groups for k in range(len(g))]

    def without(one: tuple[Sequence[Heard], int]) -> list[Rate]:
        flights, k = one
        known = fit([*flights[:k], *flights[k + 1 :]], family, rule, phases)
        rates = [judge(flights[k], family, r, phases, known) for r in rules]
        on_step()
        return rates

    with ThreadPoolExecutor(THREADS) as pool:
        found = [*zip(*pool.map(without, left_out), strict=True)]
    totals = [_sum(rates) for rates in found]
    for candidate, rate in zip(rules, totals, strict=True):
        if rate.a_day <= budget:
            return candidate, rate
    raise FlightError(
        f"{family.name}: even with {family.theta} = {getattr(rules[-1], family.theta):g} it raises "
        f"{totals[-1].a_day:.3g} alarms a parameter-day on these flights, and the mission allows "
        f"{budget:g}: they are not nominal, or this family is not for these parameters."
    )


def _sum(rates: Sequence[Rate]) -> Rate:
    return Rate(sum(r.false_alarms for r in rates), sum(r.parameter_days for r in rates))
