"""Lives to failure: what training learns of them, and the kernels that hold a part against them.

A life is one recording, whose last row is the failure. All lengths are in rows. Kept of each life:
KNOTS points of (index, past), evenly spaced back from its end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.kernel import kernel, part
from pipeline.models.shared.record import heard
from schemas.columns import F8, I8, U1, Grid

LIVES, KNOTS = 320, 64
CONDITIONS = 16
WITHIN = 0.1  # of each context parameter's range: rows of one operating condition
CLIP = 8.0  # standard deviations
SHORT, LONG = 1 / 20, 3 / 20  # of the median life, are the memories of the means
FORESIGHT = 0.625  # of the median life is told apart, if nothing else is given
NEAREST, FEWEST = 0.25, 5  # share of the lives that a forecast is the mean of, and at least
RIDGE = 1e-3  # of each feature's variance
FOLDS = 10
BINS = 8
COVERAGE = 0.9
LEAST_LIVES = 5
_SAME = 1e-9  # of its size: a deviation below it is none


class Condition(NamedTuple):
    """Operating conditions, f8[CONDITIONS, f]: the middle of each (NaN: a parameter that is no
    context), mean and scale there; scale 0: not used."""

    middle: F8
    reach: F8  # f8[f]: a row farther away from every middle is in none of them
    mean: F8
    scale: F8


class Lives(NamedTuple):
    """What is known of them. weight f8[2, f], base f8[f]: of the index; pace f8[2]; library
    f8[LIVES, KNOTS, 2], step f8[LIVES]: rows from knot to knot, 0: no life; cap f8[1]; edge
    f8[BINS - 1], low, high f8[BINS]: the interval around a forecast; lead i8[1]: the parameter that
    speaks; quality f8[2]: root mean square error and mean width of the interval, on lives left
    out; period i8[1]: ns of a row."""

    weight: F8
    base: F8
    pace: F8
    library: F8
    step: F8
    cap: F8
    edge: F8
    low: F8
    high: F8
    lead: I8
    quality: F8
    period: I8


class Worn(NamedTuple):
    """State of the part: mean f8[2, f], past f8[1], rows i8[1]."""

    memory: F8
    past: F8
    rows: I8


def empty_condition(f: int) -> Condition:
    nothing = np.full((CONDITIONS, f), np.nan)
    return Condition(nothing, np.zeros(f), np.zeros((CONDITIONS, f)), np.zeros((CONDITIONS, f)))


def empty_lives(f: int) -> Lives:
    return Lives(
        np.zeros((2, f)), np.zeros(f), np.ones(2), np.zeros((LIVES, KNOTS, 2)), np.zeros(LIVES),
        np.zeros(1), np.zeros(BINS - 1), np.zeros(BINS), np.zeros(BINS), np.zeros(1, np.int64),
        np.zeros(2), np.zeros(1, np.int64),
    )  # fmt: skip


def empty_worn(f: int) -> Worn:
    return Worn(np.zeros((2, f)), np.zeros(1), np.zeros(1, np.int64))


@part
def remember(x: F8, quality: U1, condition: Condition, pace: F8, worn: Worn) -> bool:
    """Take a row [f] into the means; whether it can be judged."""
    if not _all_heard(x, quality):
        return False
    here = _condition_of(x, condition)
    if here < 0:
        return False
    worn.rows[0] += 1
    for j in range(len(x)):
        scale = condition.scale[here, j]
        if scale > 0.0:
            z = min(max((x[j] - condition.mean[here, j]) / scale, -CLIP), CLIP)
            for m in range(2):
                share = max(1.0 / worn.rows[0], pace[m])
                worn.memory[m, j] += share * (z - worn.memory[m, j])
    return True


@part
def _all_heard(x: F8, quality: U1) -> bool:
    good = True
    for j in range(len(x)):
        good &= heard(x[j], quality[j])
    return good


@part
def _condition_of(x: F8, condition: Condition) -> int:
    """The condition whose middle is nearest, -1 where none is near. Without context all rows are
    in the first."""
    best, nearest = -1, 1.0
    for r in range(len(condition.middle)):
        far, known = 0.0, False
        for j in range(len(x)):
            known |= condition.scale[r, j] > 0.0
            if condition.middle[r, j] == condition.middle[r, j]:
                far = max(far, abs(x[j] - condition.middle[r, j]) / condition.reach[j])
        if known and (far <= nearest):
            best, nearest = r, far
    return best


@part
def standing(lives: Lives, worn: Worn, parts: F8) -> float:
    """The index of the part now, and each sensor's part in it; its past is updated."""
    index = 0.0
    for j in range(len(parts)):
        of_short, of_long = lives.weight[0, j], lives.weight[1, j]
        if of_short != 0.0 or of_long != 0.0:
            parts[j] = of_short * worn.memory[0, j] + of_long * worn.memory[1, j] - lives.base[j]
            index += parts[j]
        else:
            parts[j] = np.nan
    share = max(1.0 / max(worn.rows[0], 1), lives.pace[0])
    worn.past[0] += share * (index - worn.past[0])
    return index


@part
def largest(x: F8) -> int:
    """Place of the largest number, whatever its sign; -1 where all are NaN."""
    most = -1
    for k in range(len(x)):
        if x[k] == x[k] and (most < 0 or abs(x[k]) > abs(x[most])):
            most = k
    return most


@part
def foretell(index: float, past: float, lives: Lives, near: F8) -> tuple[float, int]:
    """(rows left, lives that it is the mean of). near f8[2, lives]: distance and rows left of each
    life's nearest point; NaN beyond the nearest lives."""
    n = 0
    for a in range(len(lives.step)):
        near[0, a] = np.nan
        if lives.step[a] <= 0.0:
            continue
        best, at = np.inf, 0
        for k in range(lives.library.shape[1]):
            across, along = lives.library[a, k, 0] - index, lives.library[a, k, 1] - past
            far = across * across + along * along
            if far < best:
                best, at = far, k
        near[0, a], near[1, a] = best, min(at * lives.step[a], lives.cap[0])
        n += 1
    wanted = min(n, max(FEWEST, int(NEAREST * n)))
    total = 0.0
    for _ in range(n - wanted):
        near[0, largest(near[0])] = np.nan
    for a in range(near.shape[1]):
        if near[0, a] == near[0, a]:
            total += near[1, a]
    return (total / wanted if wanted > 0 else 0.0), wanted


@kernel
def means(value: F8, quality: U1, condition: Condition, pace: F8, worn: Worn, out: F8) -> None:
    """out f8[k, 2, f]: the means after each row; NaN where it cannot be judged."""
    for i in range(len(value)):
        good = remember(value[i], quality[i], condition, pace, worn)
        for m in range(2):
            for j in range(value.shape[1]):
                out[i, m, j] = worn.memory[m, j] if good else np.nan


@kernel
def course(mean: F8, lives: Lives, worn: Worn, room: F8, out: F8) -> None:
    """out f8[k, 2]: (index, past) of a life whose means are f8[k, 2, f], as in flight. room f8[f]:
    to work in."""
    for i in range(len(mean)):
        for m in range(2):
            for j in range(mean.shape[2]):
                worn.memory[m, j] = mean[i, m, j]
        worn.rows[0] = i + 1
        out[i, 0] = standing(lives, worn, room)
        out[i, 1] = worn.past[0]


@kernel
def forecasts(points: F8, lives: Lives, near: F8, out: F8) -> None:
    """out f8[k]: rows left at each of points f8[k, 2]."""
    for i in range(len(points)):
        out[i], _ = foretell(points[i, 0], points[i, 1], lives, near)


class _Life(NamedTuple):
    """mean f8[k, 2, f] and left f8[k] of the rows that can be judged."""

    mean: F8
    left: F8


def known_lives(
    flights: Sequence[Grid], context: NDArray[np.bool_], period_ns: int, foresight: float
) -> tuple[Condition, Lives]:
    """What is learnt of some lives. context bool[f]; foresight: rows told apart, 0: by the lives.

    ValueError says what is wrong with them.
    """
    if not LEAST_LIVES <= len(flights) <= LIVES:
        raise ValueError(f"{len(flights)} lives to failure are given, {LEAST_LIVES} to {LIVES} do")
    whole = [_heard(g) for g in flights]
    if short := [i for i, rows in enumerate(whole) if rows.sum() < KNOTS]:
        raise ValueError(
            f"life {short[0] + 1} has {int(whole[short[0]].sum())} rows in which all parameters "
            f"are heard, and {KNOTS} are needed: leave out parameters that come seldom"
        )
    values = [g.value[rows] for g, rows in zip(flights, whole, strict=True)]
    lengths = [
        float(g.time_ns[rows][-1] - g.time_ns[rows][0]) / period_ns + 1
        for g, rows in zip(flights, whole, strict=True)
    ]
    median = float(np.median(lengths))
    cap = foresight or FORESIGHT * median
    pace = np.minimum(1.0, np.array([1 / (SHORT * median), 1 / (LONG * median)]))
    condition = _conditions(np.concatenate(values), context)
    lives = [_life(g, condition, pace, period_ns) for g in flights]
    made = _fit(lives, pace, cap)
    made.period[0] = period_ns
    forecast, truth = _left_out(lives, pace, cap)
    return condition, _with_interval(made, forecast, truth)


def _heard(grid: Grid) -> NDArray[np.bool_]:
    """Rows in which every parameter is heard, as the kernels see them."""
    good = np.zeros(len(grid.time_ns), np.bool_)
    whole_rows(grid.value, grid.quality, good)
    return good


@kernel
def whole_rows(value: F8, quality: U1, out: NDArray[np.bool_]) -> None:
    for i in range(len(value)):
        out[i] = _all_heard(value[i], quality[i])


def _conditions(rows: F8, context: NDArray[np.bool_]) -> Condition:
    """Operating conditions, where the context has a few settings; one where it has none, or is
    spread out evenly."""
    made = empty_condition(rows.shape[1])
    span = np.ptp(rows, axis=0) * context
    settings = np.flatnonzero(span > 0)
    which = np.zeros(len(rows), np.int64)
    middles: list[F8] = []
    place = rows[:, settings] / span[settings]
    free = np.ones(len(rows), np.bool_)
    while len(settings) and free.any() and len(middles) <= CONDITIONS:
        mine = free & (np.abs(place - place[np.argmax(free)]).max(axis=1) <= WITHIN)
        which[mine] = len(middles)
        middles.append(rows[mine][:, settings].mean(axis=0))
        free &= ~mine
    if not 1 < len(middles) <= CONDITIONS:
        middles, which = [], np.zeros(len(rows), np.int64)
    made.reach[:] = 1.0
    made.reach[settings] = 2 * WITHIN * span[settings]
    for r in range(max(1, len(middles))):
        here = rows[which == r]
        if middles:
            made.middle[r, settings] = middles[r]
        mean, scale = here.mean(axis=0), here.std(axis=0)
        made.mean[r] = mean
        made.scale[r] = np.where(context | (scale <= _SAME * (np.abs(mean) + 1e-300)), 0.0, scale)
    if not made.scale.any():
        raise ValueError("no parameter but the context ever changes in these lives")
    return made


def _life(grid: Grid, condition: Condition, pace: F8, period_ns: int) -> _Life:
    n, f = grid.value.shape
    found = np.empty((n, 2, f))
    means(grid.value, grid.quality, condition, pace, empty_worn(f), found)
    good = ~np.isnan(found[:, 0, 0])
    times = grid.time_ns[good]
    return _Life(found[good], (times[-1] - times) / period_ns)


def _fit(lives: Sequence[_Life], pace: F8, cap: float) -> Lives:
    """Index and library of some lives, without an interval."""
    f = lives[0].mean.shape[2]
    features = np.concatenate([life.mean for life in lives]).reshape(-1, 2 * f)
    left = np.concatenate([life.left for life in lives])
    spread = features.std(axis=0)
    used = spread > 0
    centred = (features[:, used] - features[:, used].mean(axis=0)) / spread[used]
    target = np.minimum(left, cap)
    among = centred.T @ centred + RIDGE * len(centred) * np.eye(used.sum())
    slope = np.zeros(2 * f)
    slope[used] = np.linalg.solve(among, centred.T @ (target - target.mean())) / spread[used]
    new = features[left >= cap]
    if not len(new):
        new = np.concatenate([life.mean[:1] for life in lives]).reshape(-1, 2 * f)
    failed = np.concatenate([life.mean[-1:] for life in lives]).reshape(-1, 2 * f)
    way = float((new.mean(axis=0) - failed.mean(axis=0)) @ slope)
    weight = -slope / way
    made = empty_lives(f)
    made.weight[:] = np.round(weight.reshape(2, f), 9)
    made.base[:] = np.round((weight * new.mean(axis=0)).reshape(2, f).sum(axis=0), 9)
    made.pace[:] = pace
    made.cap[0] = cap
    ends = failed.mean(axis=0).reshape(2, f)
    made.lead[0] = np.argmax((made.weight * ends).sum(axis=0) - made.base)
    for a, life in enumerate(lives):
        made.step[a] = max(float(life.left[0]), 1.0) / KNOTS
        made.library[a] = np.round(_points(life, made)[_knots(life)], 5)
    return made


def _points(life: _Life, known: Lives) -> F8:
    """(index, past) of each row, f8[k, 2]."""
    f, found = life.mean.shape[2], np.empty((len(life.left), 2))
    course(life.mean, known, empty_worn(f), np.empty(f), found)
    return found


def _knots(life: _Life) -> I8:
    """Rows of the points that are kept, from the last one back, evenly spaced in time."""
    left = np.arange(KNOTS) * (max(float(life.left[0]), 1.0) / KNOTS)
    back = np.searchsorted(life.left[::-1], left + 0.5, side="right") - 1
    return len(life.left) - 1 - back


def _left_out(lives: Sequence[_Life], pace: F8, cap: float) -> tuple[F8, F8]:
    """(forecast, truth) at the knots of each life, by what the others taught."""
    folds = min(FOLDS, len(lives))
    forecast, truth = [], []
    for fold in range(folds):
        known = _fit([x for i, x in enumerate(lives) if i % folds != fold], pace, cap)
        for life in lives[fold::folds]:
            rows = _knots(life)
            found = np.empty(KNOTS)
            forecasts(_points(life, known)[rows], known, np.empty((2, LIVES)), found)
            forecast.append(found)
            truth.append(np.minimum(life.left[rows], cap))
    return np.concatenate(forecast), np.concatenate(truth)


def _with_interval(known: Lives, forecast: F8, truth: F8) -> Lives:
    """Around forecasts of about the same length the errors of those on lives left out, so wide that
    one more stays inside by COVERAGE."""
    known.edge[:] = np.quantile(forecast, np.arange(1, BINS) / BINS)
    place = np.searchsorted(known.edge, forecast)
    for b in range(BINS):
        error = (truth - forecast)[place == b]
        if not len(error):  # most forecasts are of the same length
            error = truth - forecast
        beyond = min(1.0, (1 + COVERAGE) / 2 * (len(error) + 1) / len(error))
        known.low[b], known.high[b] = np.quantile(error, [1 - beyond, beyond])
    cap = known.cap[0]
    low = np.clip(forecast + known.low[place], 0, cap)
    high = np.clip(forecast + known.high[place], 0, cap)
    known.quality[:] = np.sqrt(np.mean((forecast - truth) ** 2)), np.mean(high - low)
    return known
