"""Corridor: where nominal flights were at this mission time, as launch teams judge by eye.

    features  x,  x - x(two rows before),  x - x(lag_s before),  rows since x last changed
    known     lo, hi: smallest and largest of each feature in all flights, within WINDOW of the knot
    excess    max(f - hi, lo - f) / r,  r = margin · (SHARE · (hi - lo) + FLOOR · mean |f| + ROOM)
    level     WATCH from 1, WARNING from WARN on; no verdict with fewer than LEAST flights there

A distribution-free tolerance interval (Wilks 1941) over so few flights is only as wide as they
were, so room is added on both sides. The value reveals a different trajectory, the change over a
few seconds a missing burn, the step a sudden bias, the rest a stuck sensor.

It learns from recorded flights (`learn`), never in flight. Mission time begins with the first row
in which `zero_on` is above `zero_above`, or with the first valid row if no `zero_on` is set.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from pipeline.kernel import kernel
from pipeline.models.shared.contract import GroupParameter, cut, empty_scores, weights_sha256
from pipeline.models.shared.family import FEATURE_SCHEMA, PAIR, Family
from pipeline.models.shared.record import GAP_BIT, heard
from pipeline.models.shared.rules import ABOVE_0, Rule, setting
from schemas.columns import F8, I8, NEVER, NO_VERDICT, SECOND, U1, Grid, Scores
from schemas.mission import Level
from schemas.words import figure

KNOT_NS = SECOND
RING = 128  # rows remembered; the lag is shorter
STEP = 2  # rows
NAMES = ("value", "step", "change", "rest")
WINDOW = np.array([5, 10, 5, 5])  # knots around each, of every feature
SHARE = np.array([1.0, 0.2, 0.2, 1.0])
FLOOR = np.array([0.1, 0.2, 0.2, 1.0])
ROOM = np.array([0.0, 0.0, 0.0, 5.0])  # rows
WARN = 3.0
LEAST = 3  # flights
_WATCH, _WARNING = np.uint8(Level.WATCH), np.uint8(Level.WARNING)
_WHICH, _VALUE, _LOW, _HIGH, _FLIGHTS, _TIME, _DETAILS = range(7)


MAX_HORIZON_S = 7200  # it is kept second by second


@dataclass(frozen=True, slots=True)
class CorridorRule(Rule):
    """Settings of the corridor, which comes trained or not at all (docs/gate.md). Mission time is
    counted from the first row in which `zero_on` is above `zero_above`."""

    margin: float = setting(1.0, ABOVE_0, 1e6)  # times the room beside the flights' own corridor
    horizon_s: float = setting(600.0, 1, MAX_HORIZON_S, "s")
    lag_s: float = setting(5.0, unit="s")  # of the change that is looked at
    zero_on: str = ""
    zero_above: float = 0.0


class Start(NamedTuple):
    """Where mission time begins: parameter `on`, -1: any, above `above`; lag in rows."""

    on: int
    above: float
    lag: int


class Known(NamedTuple):
    """Of the flights that were learnt: low, high f8[knots, g, f]; flights i8[knots, f]; size
    f8[2, g, f]: sum of |feature|, and of how many."""

    low: F8
    high: F8
    flights: I8
    size: F8


class Flight(NamedTuple):
    """State of the flight being received: zero i8[1]: when its mission time begins; ring
    f8[RING, f]; held, rest i8[f]."""

    zero: I8
    ring: F8
    held: I8
    rest: I8


class Corridor(Family):
    """Corridor of one group. ValueError if `zero_on` is not one of its own parameters."""

    name, version = "corridor", 1
    Rule, theta, trained_alone = CorridorRule, "margin", True
    example: ClassVar = {"margin": 0.05}
    sees = "a flight that leaves the corridor of earlier ones"
    evidence_schema: ClassVar = {
        **FEATURE_SCHEMA,
        "corridor": PAIR | {"description": "corridor: smallest and largest of the feature in "
                                           "earlier flights at this mission time"},
        "flights": {"type": "integer", "description": "corridor: that were there"},
        "mission_time_s": {"type": "number"},
    }  # fmt: skip

    def __init__(
        self, parameters: list[GroupParameter], period_ns: int, rules: list[CorridorRule]
    ) -> None:
        f, rule = len(parameters), rules[0]
        knots = round(rule.horizon_s * 1e9) // KNOT_NS
        self._margin = np.array([r.margin for r in rules])
        lag = min(max(round(rule.lag_s * 1e9 / period_ns), STEP + 1), RING - 1)
        names = [p.name for p in parameters]
        if rule.zero_on and rule.zero_on not in names:
            raise ValueError(f"zero_on {rule.zero_on!r} is none of {', '.join(names)}")
        on = names.index(rule.zero_on) if rule.zero_on else -1
        self._start = Start(on, rule.zero_above, lag)
        self.min_samples = np.full(f, 2, np.int64)
        self.min_ns = np.zeros(f, np.int64)
        self.leave_samples = np.full(f, 10, np.int64)
        self.weights_sha256 = [weights_sha256(self.name, self.version, r) for r in rules]
        g = len(NAMES)
        self._known = Known(
            low=np.full((knots, g, f), np.inf),
            high=np.full((knots, g, f), -np.inf),
            flights=np.zeros((knots, f), np.int64),
            size=np.zeros((2, g, f)),
        )
        self._flight = Flight(
            zero=np.array([NEVER], np.int64),
            ring=np.zeros((RING, f)),
            held=np.zeros(f, np.int64),
            rest=np.zeros(f, np.int64),
        )
        self.state = self._known._asdict() | self._flight._asdict()
        self._scores = empty_scores(0, f, _DETAILS)

    def learn(self, grid: Grid) -> None:
        """Learn one complete nominal flight."""
        self._begin()
        been = np.zeros_like(self._known.flights)
        widen(*self._features(grid), WINDOW, self._known, been)
        self.state["flights"] += been
        self._begin()

    def _features(self, grid: Grid) -> tuple[I8, F8]:
        """(knot of each row, features)."""
        n, f = grid.value.shape
        knot, found = np.empty(n, np.int64), np.empty((n, len(NAMES), f))
        features(grid.time_ns, grid.value, grid.quality, self._start, self._flight, knot, found)
        return knot, found

    def _begin(self) -> None:
        self._flight.zero[0] = NEVER
        self._flight.held[:] = 0

    def clock_set(self, step_ns: int) -> None:
        """The clock was set by `step_ns`: express the start of mission time in the new clock."""
        zero = self._flight.zero
        zero[zero != NEVER] += step_ns

    def feed(self, grid: Grid) -> Scores:
        """Scores of each row; views on buffers that the next feed overwrites."""
        n = len(grid.time_ns)
        if n > len(self._scores.enter):
            self._scores = empty_scores(n, grid.value.shape[1], _DETAILS)
        knot, found = self._features(grid)
        judge(grid.time_ns, knot, found, self._margin, self._known, self._flight.zero, self._scores)
        return cut(self._scores, n)

    def evidence(self, parameter: int, detail: np.ndarray[Any, Any]) -> dict[str, Any]:  # noqa: ARG002
        which, value, low, high, flights, time = detail.tolist()
        return {
            "feature": NAMES[int(which)], "feature_value": value, "corridor": [low, high],
            "flights": int(flights), "mission_time_s": time,
        }  # fmt: skip

    @staticmethod
    def sentence(alert: dict[str, Any], seen: str, unit: str) -> str:
        if "corridor" not in alert:
            return Family.sentence(alert, seen, unit)
        low, high = map(figure, alert["corridor"])
        what = f"its {alert['feature']} is {figure(alert['feature_value'])}"
        known = f"where {alert['flights']} flights had {low} to {high}"
        return f"{seen} at T+{figure(alert['mission_time_s'])} s: {what}, {known}"


@kernel
def features(
    time: I8,
    value: F8,
    quality: U1,
    start: Start,
    flight: Flight,
    knot: I8,
    out: F8,
) -> None:
    """knot: of each row, -1 before mission time begins; out [k, g, f]: NaN where there is none."""
    zero, ring, held, rest = flight.zero, flight.ring, flight.held, flight.rest
    for i in range(len(value)):
        for j in range(value.shape[1]):
            x = value[i, j]
            for g in range(out.shape[1]):
                out[i, g, j] = np.nan
            if not heard(x, quality[i, j]):
                held[j] = 0  # no step is formed across missing rows
                continue
            if zero[0] == NEVER and (start.on < 0 or (j == start.on and x > start.above)):
                zero[0] = time[i]
            if (quality[i, j] & GAP_BIT) != 0:
                held[j] = 0
            h = held[j]
            rest[j] = rest[j] + 1 if h > 0 and x == ring[(h - 1) % RING, j] else 0
            out[i, 0, j], out[i, 3, j] = x, float(rest[j])
            if h >= STEP:
                out[i, 1, j] = x - ring[(h - STEP) % RING, j]
            if h >= start.lag:
                out[i, 2, j] = x - ring[(h - start.lag) % RING, j]
            ring[h % RING, j] = x
            held[j] = h + 1
        begun = zero[0] != NEVER and time[i] >= zero[0]
        knot[i] = (time[i] - zero[0]) // KNOT_NS if begun else -1


@kernel
def widen(knot: I8, given: F8, window: I8, known: Known, been: I8) -> None:
    """Take a flight into the corridor. been: set to 1 at the knots that it passed."""
    low, high, size, last = known.low, known.high, known.size, len(known.low) - 1
    for i in range(len(given)):
        k = knot[i]
        if k < 0 or k > last:
            continue
        for g in range(given.shape[1]):
            for j in range(given.shape[2]):
                x = given[i, g, j]
                if x != x:
                    continue
                if g == 0:
                    been[k, j] = 1
                size[0, g, j] += abs(x)
                size[1, g, j] += 1.0
                for m in range(max(0, k - window[g]), min(last, k + window[g]) + 1):
                    low[m, g, j] = min(low[m, g, j], x)
                    high[m, g, j] = max(high[m, g, j], x)


@kernel
def judge(
    time: I8,
    knot: I8,
    given: F8,
    margin: F8,
    known: Known,
    zero: I8,
    out: Scores,
) -> None:
    """The verdict on a row does not depend on the rows before, except through the features."""
    low, high, flights, size = known.low, known.high, known.flights, known.size
    enter, predicted, score, detail = out.enter, out.predicted, out.score, out.detail
    for i in range(len(given)):
        k = knot[i]
        inside = 0 <= k < len(low)
        for j in range(len(margin)):
            enter[i, j], score[i, j], predicted[i, j] = NO_VERDICT, np.nan, np.nan
            for d in range(_DETAILS):
                detail[i, d, j] = np.nan
            if not inside or flights[k, j] < LEAST or given[i, 0, j] != given[i, 0, j]:
                continue
            predicted[i, j] = 0.5 * (low[k, 0, j] + high[k, 0, j])
            for g in range(given.shape[1]):
                lo, hi, x = low[k, g, j], high[k, g, j], given[i, g, j]
                if not lo <= hi:  # no flight showed it there
                    continue
                mean = size[0, g, j] / max(size[1, g, j], 1.0)
                room = margin[j] * (SHARE[g] * (hi - lo) + FLOOR[g] * mean + ROOM[g])
                excess = max(x - hi, lo - x) / max(room, 1e-300)
                if excess == excess and not score[i, j] >= excess:
                    score[i, j], detail[i, _WHICH, j], detail[i, _VALUE, j] = excess, g, x
                    detail[i, _LOW, j], detail[i, _HIGH, j] = lo, hi
                    detail[i, _FLIGHTS, j] = flights[k, j]
                    detail[i, _TIME, j] = (time[i] - zero[0]) / 1e9
            if score[i, j] == score[i, j]:
                mild = _WATCH if score[i, j] > 1.0 else np.uint8(0)
                enter[i, j] = _WARNING if score[i, j] > WARN else mild
