"""Time to limit: when a parameter will cross its alarm ranges if it goes on as it does now.

A local linear trend filtered by Kalman's equations, with discounting for the evolution noise and
the observation variance learnt on the way (West and Harrison, Bayesian Forecasting and Dynamic
Models, 2nd ed., 1997: 6.3 discount models, 4.5 variance learning). State m, b; covariance R·P:

    predict   a = m + b,   P ← G·P·Gᵀ / δ,   S = P₀₀ + 1,   e = x - a
    learn     m ← a + e·P₀₀/S,  b ← b + e·P₀₁/S,  P ← P - K·S·Kᵀ,  R ← R + g·(e²/S - R)

The crossing of a limit L with an 80 % interval: the t at which |L - m - b·t| equals z·sd(m + b·t),
a quadratic in t (Fieller 1954). A filter of lines assumes that the line goes on. How its slope has
changed of late is the better evidence of that:

    bend    u ← u + (b - u)/M,   c² = max((b - u)² - R·P₁₁, 0)/M²,   M = 1/(1 - δ)
    sd      m: c·M²,   b: c·(2M + t/2)           in addition to the filter's own; t: time to L

If a slope changes by c per step, the filter's level lags by c·M² and its slope by 2M·c (its gains
are 1 - δ² and (1 - δ)²), and until the crossing the slope is off by another c·t/2 on average. How
often the interval holds is in docs/benchmarks.md. No alert while b is within `significance`
deviations of zero. R is never below that of the sensor's own step (the smallest change ever seen,
squared, divided by 12).
A lasting jump (JUMPS surprises in a row) restarts the filter: a step is not a trend.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from pipeline.kernel import kernel, part
from pipeline.models.shared.contract import GroupParameter, Site, cut, empty_scores, weights_sha256
from pipeline.models.shared.family import LEAD, Family
from pipeline.models.shared.rules import Rule, setting
from schemas.columns import F8, NO_VERDICT, U1, Grid, Quality, Scores, State
from schemas.mission import ALARM_LEVELS, Five, Level
from schemas.words import figure

Z80 = 1.2815515655446004  # two-sided 80 % of a normal distribution
SURPRISE = 5.0  # innovations of this many deviations …
JUMPS = 3.0  # … this many times in a row are a jump, of a filter that has seen …
ADULT = 16.0  # … this many rows: its scale is known by then, long before its first alert
LEAVE = 1.5  # an alert ends where horizon or significance are missed by this factor
_WATCH, _WARNING = np.uint8(Level.WATCH), np.uint8(Level.WARNING)
_HELD_BIT = np.uint8(Quality.HELD)
_GAP_BIT = np.uint8(Quality.AFTER_GAP)
HUGE = 1e150
SERIOUS = 2  # index of DISTRESS in ALARM_LEVELS: from here on a crossing is worth a warning


class Filter(NamedTuple):
    """f8[f] each. Arrays of their own: rows of one array would keep the loop from vectorising."""

    level: F8
    slope: F8
    p00: F8
    p01: F8
    p11: F8
    variance: F8  # R
    usual: F8  # u
    seen: F8  # rows
    surprises: F8  # in a row
    last: F8
    step: F8  # the smallest change ever seen


class Weights(NamedTuple):
    """f8[f] each."""

    discount: F8
    warm_up: F8  # rows
    significance: F8
    horizon: F8  # rows
    floor: F8  # least variance


class Aims(NamedTuple):
    """Limits that each parameter may reach: on u1[f]: whether it has any; low, high f8[f]: serious
    ones, NaN: none; mild f8[2, 2, f]: of each milder range, below and above."""

    on: U1
    low: F8
    high: F8
    mild: F8


@dataclass(frozen=True, slots=True)
class TimeToLimitRule(Rule):
    """Settings of time-to-limit for the parameters that match."""

    enabled: bool = True
    memory_s: float = setting(30.0, unit="s")  # 1/(1-discount), of the local linear trend
    horizon_s: float = setting(120.0, unit="s")  # a crossing further away is not reported yet
    significance: float = setting(6.0)  # slope in standard deviations, below which it stays quiet
    min_samples: int = setting(5, unit="rows")
    min_seconds: float = setting(10.0, unit="s")
    resolution: float = setting(0.0)


class TimeToLimit(Family):
    """Time-to-limit of one group: WARNING if the mildest range of distress or worse is reached
    within the horizon, WATCH if a milder one is, unless it is crossed already."""

    name, version = "time_to_limit", 4
    Rule, theta = TimeToLimitRule, "significance"
    ahead = "horizon_s"
    sees = "a slope that leads to a limit, and when it gets there"
    example: ClassVar = {"significance": 2.0}
    evidence_schema: ClassVar = {
        "slope_per_s": {"type": "number"}, "slope_sd_per_s": {"type": "number"}, "lead_s": LEAD,
        "lead_80_s": {"type": ["array", "null"], "items": {"type": ["number", "null"]},
                      "minItems": 2, "maxItems": 2},
    }  # fmt: skip

    def __init__(
        self, parameters: list[GroupParameter], period_ns: int, rules: list[TimeToLimitRule]
    ) -> None:
        self._parameters, self._period = parameters, period_ns / 1e9
        self._rules, f = rules, len(parameters)
        steps = np.array([max(r.memory_s / self._period, 4.0) for r in rules])
        self._weights = Weights(
            discount=1 - 1 / steps,
            warm_up=steps,
            significance=np.array([r.significance for r in rules]),
            horizon=np.array([r.horizon_s / self._period for r in rules]),
            floor=np.array([r.resolution**2 for r in rules]),
        )
        self.min_samples = np.array([r.min_samples for r in rules], np.int64)
        self.min_ns = np.array([round(r.min_seconds * 1e9) for r in rules], np.int64)
        self.leave_samples = self.min_samples
        self.weights_sha256 = [weights_sha256(self.name, self.version, r) for r in rules]
        self._filter = Filter._make(np.zeros(f) for _ in Filter._fields)
        self._filter.step[:] = np.inf
        # a control may change the ranges
        ranges = np.array([[p.low, p.high] for p in parameters])
        self.state = self._filter._asdict() | {"ranges": ranges}
        none = np.full(f, np.nan)
        self._aims = Aims(np.zeros(f, np.uint8), none, none.copy(), np.full((2, 2, f), np.nan))
        self._targets()
        self._scores = self._scores_of(0)

    def _targets(self) -> None:
        """Set the limits that each parameter may reach, from the ranges in force."""
        enabled = np.array([r.enabled for r in self._rules])
        sides = [target(*pair) for pair in self.state["ranges"]]
        low, high = (np.array([s[k].serious for s in sides]) for k in (0, 1))
        low, high = np.where(enabled, low, np.nan), np.where(enabled, high, np.nan)
        mild = np.array([[s[k].mild for s in sides] for k in (0, 1)])  # [side, f, range]
        aims = self._aims  # in place: a program holds their addresses
        aims.low[:], aims.high[:] = low, high
        aims.mild[:] = np.where(enabled[:, None], mild, np.nan).transpose(2, 0, 1)
        ends = np.isfinite([low, high, *aims.mild.reshape(-1, len(sides))])
        aims.on[:] = ends.any(axis=0)

    def restore(self, state: State) -> None:
        super().restore(state)
        self._targets()

    def set_limits(self, parameter: int, low: Five, high: Five) -> None:
        """Use other ranges from now on."""
        self.state["ranges"][parameter] = low, high
        self._targets()

    def _scores_of(self, n: int) -> Scores:
        scores = empty_scores(n, len(self._parameters), 7)
        return scores._replace(leave=np.empty_like(scores.enter))

    def feed(self, grid: Grid) -> Scores:
        """Scores of each row; `score` is the slope in its own deviations, signed."""
        n = len(grid.time_ns)
        if n > len(self._scores.enter):
            self._scores = self._scores_of(n)
        track(grid.value, grid.quality, self._aims, self._weights, self._filter, self._scores)
        return cut(self._scores, n)

    def site(self) -> Site:
        out = self._scores_of(0)
        given = self._aims, self._weights, self._filter
        return track, (out.score, out.enter, *given, out)

    def forecasts(self, parameter: int) -> Iterator[tuple[Level, float]]:
        """Seconds to every range ahead as things stand, mildest first; none where the slope is not
        significant."""
        s = {name: float(array[parameter]) for name, array in self._filter._asdict().items()}
        w = {name: float(array[parameter]) for name, array in self._weights._asdict().items()}
        b = s["slope"]
        variance = max(s["variance"], w["floor"], min(abs(s["step"]), HUGE) ** 2 / 12)
        deviation = math.sqrt(max(variance * max(s["p11"], 0.0), 0.0))
        if not all(map(math.isfinite, (b, deviation, s["level"]))):
            return
        if s["seen"] < w["warm_up"] or deviation == 0.0 or not self._aims.on[parameter]:
            return
        if abs(b) < w["significance"] * deviation:
            return
        limits = self.state["ranges"][parameter, 1 if b > 0 else 0].tolist()
        ahead = [(limit - s["level"]) / b * self._period for limit in limits]
        pairs = zip(ALARM_LEVELS, ahead, strict=True)
        yield from ((level, x) for level, x in pairs if 0 < x < math.inf)

    def _headed_for(
        self, parameter: int, m: float, b: float, ranges: list[dict[str, Any]]
    ) -> dict[str, Any] | None:
        """The serious range where it is within the horizon, else the nearest one ahead."""
        serious = (self._aims.high if b > 0 else self._aims.low)[parameter]
        if b and (serious - m) / b < self._weights.horizon[parameter]:
            return next(x for x in ranges if x["limit"] == serious)
        return min((x for x in ranges if x["lead_s"]), key=lambda x: x["lead_s"], default=None)

    def threshold(self, parameter: int) -> float:
        return float(self._weights.significance[parameter])

    @staticmethod
    def confidence(score: float) -> float:
        """Probability that a slope of so many deviations has the sign it shows."""
        return 0.5 * (1.0 + math.erf(abs(score) / math.sqrt(2.0)))

    @staticmethod
    def sentence(alert: dict[str, Any], seen: str, unit: str) -> str:
        if alert.get("lead_s") is None:
            return f"{seen} and may cross a limit"
        limit = f"{alert['limit']:g}{unit}"
        if alert["lead_s"] == 0:
            return f"{seen}, beyond {limit} already and moving further away"
        soon, late = alert["lead_80_s"]
        until = " s or later" if late is None else f" to {figure(round(late))} s"
        span = "" if soon is None else f" (80 %: {soon:.0f}{until})"
        reached = f"will cross {limit} in {alert['lead_s']:.0f} s{span}"
        return f"{seen} and {reached} if it goes on like this"

    @staticmethod
    def aim(parameter: GroupParameter) -> str:
        sides = target(parameter.low, parameter.high)
        aims = [f"{side.serious:g} (warning)" for side in sides if side.serious == side.serious]
        aims += [f"{limit:g} (watch)" for side in sides for limit in side.mild if limit == limit]
        if not aims:
            return "no limit to head for, so it is quiet"
        return f"heads for {' or '.join(aims)}"

    def evidence(self, parameter: int, detail: np.ndarray[Any, Any]) -> dict[str, Any]:
        """Slope, and the time to every alarm range ahead with its 80 % interval, in seconds."""
        m, b, p00, p01, p11, r, usual = (float(v) for v in detail)
        memory = 1.0 / (1.0 - float(self._weights.discount[parameter]))
        change = (b - usual) * (b - usual) - r * p11
        bend = math.sqrt(change) / memory if change > 0 else 0.0
        sides, period = self.state["ranges"][parameter].tolist(), self._period
        ranges = []
        for level, low, high in zip(ALARM_LEVELS, *sides, strict=True):
            limit = high if b > 0 else low
            if math.isfinite(limit):
                ahead = max((limit - m) / b, 0.0) if b else 0.0
                lag, tilt = bend * memory * memory, bend * (2 * memory + ahead / 2)
                times = crossing(
                    limit - m, b, r * p00 + lag * lag, r * p01 + lag * tilt, r * p11 + tilt * tilt
                )
                lead, soonest, latest = (None if t is None else t * period for t in times)
                ranges.append(
                    {"level": level.word, "limit": limit, "lead_s": lead,
                     "lead_80_s": [soonest, latest]}
                )  # fmt: skip
        at = self._headed_for(parameter, m, b, ranges)
        return {
            "limit": at["limit"] if at else None,
            "slope_per_s": b / period,
            "slope_sd_per_s": math.sqrt(max(r * p11, 0.0)) / period,
            "lead_s": at["lead_s"] if at else None,
            "lead_80_s": at["lead_80_s"] if at else None,
            "ranges": ranges,
        }


class Ahead(NamedTuple):
    """Limits of one side: the mildest serious one, and those milder than that.

    NaN where there is none: every comparison with it is false.
    """

    serious: float
    mild: tuple[float, ...]


def target(low: Sequence[float], high: Sequence[float]) -> tuple[Ahead, Ahead]:
    """What lies below and above."""
    return _ahead(low, -math.inf), _ahead(high, math.inf)


def _ahead(values: Sequence[float], infinite: float) -> Ahead:
    ends = [math.nan if v == infinite else float(v) for v in values]
    serious = next((v for v in ends[SERIOUS:] if not math.isnan(v)), math.nan)
    return Ahead(serious, tuple(ends[:SERIOUS]))


def crossing(
    distance: float, slope: float, v00: float, v01: float, v11: float
) -> tuple[float | None, float | None, float | None]:
    """Steps until `slope · t = distance`, and its 80 % interval; None is never, or no bound.

    The interval's ends solve (distance - slope·t)² = z²·(v00 + 2·v01·t + v11·t²); where the slope
    is not z deviations from zero it has no end (Fieller's unbounded case).
    """
    if distance * slope <= 0:
        return 0.0, 0.0, 0.0  # beyond it already
    a = slope * slope - Z80 * Z80 * v11
    b = distance * slope + Z80 * Z80 * v01
    c = distance * distance - Z80 * Z80 * v00
    inside = b * b - a * c
    if not 0 <= inside < math.inf:  # also where squares overflow
        return distance / slope, None, None
    ends = b + math.sqrt(inside)
    if ends <= 0:
        return distance / slope, None, None
    # c / ends is (b - root) / a, and holds where a is 0 too
    return distance / slope, max(c / ends, 0.0), ends / a if a > 0 else None


@kernel
def track(value: F8, quality: U1, aims: Aims, w: Weights, f: Filter, out: Scores) -> None:
    """Sequential in rows, branch-free across parameters; detail only for rows with a level."""
    detail = out.detail
    for i in range(len(value)):
        _learn(value[i], quality[i], w, f, out.predicted[i])
        if _say(value[i], quality[i], aims, w, f, out.enter[i], out.leave[i], out.score[i]):
            for j in range(len(f.level)):
                detail[i, 0, j], detail[i, 1, j] = f.level[j], f.slope[j]
                detail[i, 2, j], detail[i, 3, j] = f.p00[j], f.p01[j]
                detail[i, 4, j], detail[i, 5, j] = f.p11[j], f.variance[j]
                detail[i, 6, j] = f.usual[j]


# Conditions below are joined by & and |, and columns are read before they are chosen from: an
# `and` is a branch, and a loop with branches is not vectorised (3 x).


@part
def _learn(value: F8, quality: U1, w: Weights, f: Filter, predicted: F8) -> None:
    """The filter's step on one row; writes what it had predicted."""
    for j in range(len(value)):
        x, before, past = value[j], f.seen[j], f.last[j]
        level, slope, p00, p01, p11 = f.level[j], f.slope[j], f.p00[j], f.p01[j], f.p11[j]
        variance, grain, run = f.variance[j], f.step[j], f.surprises[j]
        # values beyond any quantity of physics are ignored too: their squares overflow
        news = (abs(x) < HUGE) & ((quality[j] & _HELD_BIT) == 0)
        fresh = (before == 0.0) | ((quality[j] & _GAP_BIT) != 0)
        age = 0.0 if fresh else before
        slope = 0.0 if fresh else slope
        a = x if fresh else level + slope
        d = w.discount[j] if news else 1.0
        r00 = 1.0 if fresh else (p00 + 2.0 * p01 + p11) / d
        r01 = 0.0 if fresh else (p01 + p11) / d
        r11 = 1.0 if fresh else p11 / d
        variance = 0.0 if fresh else variance
        s = r00 + 1.0
        e = x - a if news else 0.0
        change = abs(x - past) if news & (not fresh) else 0.0
        known = max(max(variance, w.floor[j]), max(grain * grain / 12.0, 1e-24 * a * a))
        wild = news & (age >= ADULT) & (e * e > SURPRISE * SURPRISE * s * known)
        longer = run + 1.0 if wild else 0.0
        run = longer if news else run
        jump = run >= JUMPS
        g = max(1.0 / (age + 1.0), (1.0 - d) * 0.5)
        # the variance does not learn a wild innovation, which would make the next one look tame
        learnt = variance + g * (e * e / s - variance)
        k0 = r00 / s if news else 0.0
        k1 = r01 / s if news else 0.0
        f.level[j] = x if jump else a + k0 * e
        slope = 0.0 if jump else slope + k1 * e
        f.slope[j] = slope
        usual = 0.0 if jump | fresh else f.usual[j]
        pace = max(1.0 / (age + 1.0), 1.0 - d) if news else 0.0
        f.usual[j] = usual + pace * (slope - usual)
        f.p00[j] = 1.0 if jump else r00 - k0 * k0 * s
        f.p01[j] = 0.0 if jump else r01 - k0 * k1 * s
        f.p11[j] = 1.0 if jump else r11 - k1 * k1 * s
        f.variance[j] = learnt if news & (not wild) else variance
        f.last[j] = x if news else past
        f.step[j] = change if (change > 0.0) & (change < grain) else grain
        f.seen[j] = (0.0 if jump else age) + (1.0 if news else 0.0)
        f.surprises[j] = 0.0 if jump | fresh else run
        predicted[j] = a if news & (not fresh) else np.nan


@part
def _say(
    value: F8,
    quality: U1,
    aims: Aims,
    w: Weights,
    f: Filter,
    enter: U1,
    leave: U1,
    scores: F8,
) -> bool:
    """Levels and scores of one row from the filter's state; returns whether any has a level."""
    spoken = np.uint8(0)
    milder_down, milder_up = aims.mild[0, 0], aims.mild[0, 1]
    mild_down, mild_up = aims.mild[1, 0], aims.mild[1, 1]
    for j in range(len(value)):
        slope, grain, below, above = f.slope[j], f.step[j], aims.low[j], aims.high[j]
        first_down, first_up = milder_down[j], milder_up[j]
        second_down, second_up = mild_down[j], mild_up[j]
        news = (abs(value[j]) < HUGE) & ((quality[j] & _HELD_BIT) == 0)
        variance = max(max(f.variance[j], w.floor[j]), grain * grain / 12.0)
        deviation = np.sqrt(variance * max(f.p11[j], 0.0))
        z = slope / deviation
        z = z if deviation > 0.0 else 0.0
        up = slope > 0.0
        steps = ((above if up else below) - f.level[j]) / slope
        first = ((first_up if up else first_down) - f.level[j]) / slope
        second = ((second_up if up else second_down) - f.level[j]) / slope
        clear, clearly = abs(z) > w.significance[j], LEAVE * abs(z) > w.significance[j]
        far = LEAVE * w.horizon[j]
        # a filter that overshoots a step may be beyond a limit while the value is not: no alert
        beyond = (value[j] > above) if up else (value[j] < below)
        near = (steps < w.horizon[j]) & ((steps > 0.0) | beyond) & clear
        close = (steps < far) & clearly
        # a mild range that is crossed already has its own limit alarm
        first_near = (first > 0.0) & (first < w.horizon[j])
        first_close = (first > 0.0) & (first < far)
        second_near = (second > 0.0) & (second < w.horizon[j])
        second_close = (second > 0.0) & (second < far)
        mild_near = (first_near | second_near) & clear
        mild_close = (first_close | second_close) & clearly
        silent = not (news & (f.seen[j] >= w.warm_up[j]))
        lost = (aims.on[j] != 0) & (not news)  # warming up is normal
        unknown = NO_VERDICT if lost else np.uint8(0)
        said = _WARNING if near else (_WATCH if mild_near else np.uint8(0))
        held = _WARNING if close else (_WATCH if mild_close else np.uint8(0))
        scores[j] = z if news else np.nan
        enter[j] = unknown if silent else said
        leave[j] = unknown if silent else held
        spoken |= np.uint8((close | mild_close) & (not silent))
    return spoken
