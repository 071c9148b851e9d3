"""Threshold from a budget: the operator sets how many false alarms a parameter may raise a day, and
nominal recordings show which threshold stays within that.

Each flight is left out once (from FOLDS flights on in as many lots): the family learns the others
and judges it with every candidate. The flight is nominal, so every alarm raised on it is false; of
a life to failure only those raised while its end is farther away than the family tells apart. The
threshold of such a family is a wish of people, and stays as given. Else the lowest threshold whose
rate is within the budget is taken, or the one that was given, whatever its rate. The rate is
reported with a confidence interval, as the count is small (Garwood 1936).

What a threshold costs is tried on the same flights: from the middle of one on a parameter is too
high by a share of its range, and counts as found if it has an alarm more than without.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from pipeline.alarms.monitor import Monitor
from pipeline.chain.budget import at_least
from pipeline.errors import FlightError
from pipeline.gate.grids import Heard
from pipeline.models.shared.contract import Model
from pipeline.models.shared.family import Family
from pipeline.models.shared.phased import make
from pipeline.timeline.after_gap import UNHEARD, after_gap
from schemas.columns import I8, Grid, State

STEPS = tuple(2.0 ** (i / 2) for i in range(-10, 11))  # factors of the family's own threshold
BLIND = 1e6  # a threshold that nothing crosses
FOLDS = 10
THREADS = 4  # kernels release the interpreter lock
SHARES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)  # of a parameter's range
SHOWN = 3  # thresholds on either side of the one chosen of which it is told what they find
HARDLY = 0.05  # a flight with so many alarms that others would have them so seldom is odd
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


@dataclass(frozen=True, slots=True)
class Tried:
    """A threshold on the flights left out. by_flight: its rate on each, in their order."""

    threshold: float
    rate: Rate
    by_flight: tuple[Rate, ...]


class _LeftOut(NamedTuple):
    """A group of one flight that its model does not know. alarms: by each rule, by parameter."""

    number: int  # of the flight
    flight: Heard
    known: State
    alarms: tuple[I8, ...]
    days: float  # parameter-days in which every alarm is false


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was decided. tried: every candidate, from the least on; given: there was no choice.
    finds: of the threshold chosen and its neighbours, the least share of its range by which most
    parameters can be too high and be found; None: by none of SHARES. odd: flights without which
    a lower threshold would do, and which."""

    rule: Any
    chosen: Tried
    tried: tuple[Tried, ...]
    given: bool
    finds: dict[float, float | None]
    odd: tuple[tuple[int, float], ...]


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
    try:
        model.learn_all([after_gap(flight.whole)[0] for flight in flights])
    except ValueError as error:
        raise FlightError(f"{family.name}: {error}.") from None
    return model.snapshot()


def judge(
    flight: Heard,
    family: type[Family],
    rule: Any,
    phases: tuple[str, ...],
    known: State,
    grid: Grid | None = None,
) -> tuple[I8, float]:
    """False alarms that a model with this state raises on one further flight, by parameter, and in
    how many parameter-days. grid: in place of the flight's own."""
    model = _model(flight, family, rule, phases)
    model.restore(known)
    rows = after_gap(model.nominal(grid or flight.whole))[0]
    monitor = Monitor(model.min_samples, model.min_ns, model.leave_samples)
    t = monitor.feed(rows.time_ns, rows.packet, model.feed(rows))
    raised = t.parameter[(t.before == 0) & (t.after > 0)]
    alarms = np.bincount(raised, minlength=len(flight.columns)).astype(np.int64)
    return alarms, flight.days_of(rows)


def too_high(grid: Grid, share: float) -> Grid:
    """Every parameter too high by a share of its range, from the middle on."""
    value, middle = grid.value.copy(), len(grid.time_ns) // 2
    heard = np.where((grid.quality & UNHEARD) == 0, value, np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a parameter that was never heard
        span = np.nanmax(heard, axis=0, initial=-np.inf) - np.nanmin(heard, axis=0, initial=np.inf)
    value[middle:] += share * np.where(np.isfinite(span), span, 0.0)
    return replace(grid, value=value)


def _model(flight: Heard, family: type[Family], rule: Any, phases: tuple[str, ...]) -> Model:
    parameters = [flight.group.parameters[i] for i in flight.columns]
    try:
        return make(family, parameters, flight.period_ns, [rule] * len(parameters), phases)
    except ValueError as error:
        raise FlightError(f"{family.name}: {error}.") from None


def calibrate(
    groups: Sequence[Sequence[Heard]], family: type[Family], rule: Any, phases: tuple[str, ...],
    budget: float, on_step: Callable[[], None], given: bool = False,
) -> Calibration:  # fmt: skip
    """The rule with the least threshold within the budget, and what it does on flights left out.

    groups: the flights of each group, two or more. given: the rule's threshold is kept.
    FlightError where no threshold is within budget.
    """
    theta = getattr(rule, family.theta)
    steps = (1.0,) if given else STEPS
    rules = [replace(rule, **{family.theta: theta * s}) for s in steps]
    n = len(groups[0])
    lots = [(g, range(k, n, FOLDS)) for g in groups for k in range(min(n, FOLDS))]

    def without(lot: tuple[Sequence[Heard], range]) -> list[_LeftOut]:
        """What is known without some flights, and the false alarms of each rule on them."""
        flights, out = lot
        known = fit([x for k, x in enumerate(flights) if k not in out], family, rule, phases)
        made = []
        for k in out:
            judged = [judge(flights[k], family, r, phases, known) for r in rules]
            alarms, days = zip(*judged, strict=True)
            made.append(_LeftOut(k, flights[k], known, alarms, days[0]))
            on_step()
        return made

    with ThreadPoolExecutor(THREADS) as pool:
        found = [one for lot in pool.map(without, lots) for one in lot]
    tried = [_tried(getattr(r, family.theta), i, found, n) for i, r in enumerate(rules)]
    within = [i for i, one in enumerate(tried) if given or one.rate.a_day <= budget]
    if not within:
        last = tried[-1]
        raise FlightError(
            f"{family.name}: even with {family.theta} = {last.threshold:g} it raises "
            f"{last.rate.a_day:.3g} alarms a parameter-day on these flights, and the mission "
            f"allows {budget:g}: they are not nominal, or this family is not for these parameters."
        )
    at = within[0]
    shown = range(max(0, at - SHOWN), min(len(rules), at + SHOWN + 1))
    finds = {
        tried[i].threshold: _least([(one, one.alarms[i]) for one in found], family, rules[i],
                                   phases)
        for i in ([] if family.to_failure else shown)
    }  # fmt: skip
    odd = tuple(_odd(tried, at, budget, n))
    return Calibration(rules[at], tried[at], tuple(tried), given, finds, odd)


def _tried(threshold: float, i: int, found: Sequence[_LeftOut], n: int) -> Tried:
    """The i-th rule on n flights."""
    alarms, days = [0] * n, [0.0] * n
    for one in found:
        alarms[one.number] += int(one.alarms[i].sum())
        days[one.number] += one.days
    by_flight = tuple(map(Rate, alarms, days))
    return Tried(threshold, Rate(sum(alarms), sum(days)), by_flight)


def _least(
    flights: Sequence[tuple[_LeftOut, I8]], family: type[Family], rule: Any,
    phases: tuple[str, ...],
) -> float | None:  # fmt: skip
    """The least of SHARES by which half of the parameters can be too high and be found. flights:
    each with its false alarms without that."""

    def more(pair: tuple[_LeftOut, I8], share: float) -> int:
        one, plain = pair
        grid = too_high(one.flight.whole, share)
        alarms, _ = judge(one.flight, family, rule, phases, one.known, grid)
        return int((alarms > plain).sum())

    of = sum(len(plain) for _, plain in flights)
    with ThreadPoolExecutor(THREADS) as pool:
        for share in SHARES:
            if 2 * sum(pool.map(partial(more, share=share), flights)) >= of:
                return share
    return None


def _odd(tried: Sequence[Tried], at: int, budget: float, n: int) -> Iterator[tuple[int, float]]:
    """Flights whose alarms alone keep a lower threshold from being taken, and are more than the
    others let expect in so long a flight."""
    for k in range(n if n > 2 else 0):
        for one in tried[:at]:
            mine = one.by_flight[k]
            others = one.rate.false_alarms - mine.false_alarms
            days = one.rate.parameter_days - mine.parameter_days
            expected = (others + 1) * mine.parameter_days / days
            if others / days <= budget and at_least(mine.false_alarms, expected) < HARDLY:
                yield k, one.threshold
                break
