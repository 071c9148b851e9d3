"""Families and the monitor on signals whose answer is known."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from pipeline.alarms.monitor import Monitor
from pipeline.models.corridor import Corridor, CorridorRule
from pipeline.models.fatigue import STACK, Fatigue, FatigueRule
from pipeline.models.residual import Residual, ResidualRule
from pipeline.models.shared.contract import GroupParameter
from pipeline.models.time_to_limit import Z80, TimeToLimit, TimeToLimitRule, crossing
from schemas.columns import NO_VERDICT, Grid, Quality, Rows, Scores
from schemas.mission import FloatEncoding, Level, ParameterType
from tests.ranges import plain_limits

SECOND = 1_000_000_000
INF = math.inf


def grid(x: Any, quality: Any = 0) -> Grid:
    value = np.asarray(x, float)[:, None]
    n = len(value)
    q = np.zeros((n, 1), np.uint8) | np.asarray(quality, np.uint8).reshape(-1, 1)
    none = np.zeros(0, np.int64)
    return Grid(np.arange(n) * SECOND, np.arange(n), value, q, none, none, none, none)


def parameter(low: float = -INF, high: float = INF, serious: bool = True) -> GroupParameter:
    place = 3 if serious else 1
    lows, highs = [-INF] * 5, [INF] * 5
    lows[place], highs[place] = low, high
    kind = ParameterType("T", "float", FloatEncoding(64))
    return GroupParameter("P", kind, tuple(lows), tuple(highs))


def forecaster(**given: Any) -> TimeToLimit:
    bounds = {k: given.pop(k) for k in ("low", "high", "serious") if k in given}
    return TimeToLimit([parameter(**bounds)], SECOND, [TimeToLimitRule(**given)])


def test_a_slope_is_found_and_its_time_is_right(rng: np.random.Generator) -> None:
    """0.5 units a second from 0, noise 0.2, limit 100: at step 100 the crossing is 100 s ahead."""
    x = 0.5 * np.arange(101) + rng.normal(0, 0.2, 101)
    model = forecaster(high=100.0, horizon_s=150)
    scores = model.feed(grid(x))
    assert scores.enter[-1, 0] == Level.WARNING
    found = model.evidence(0, scores.detail[-1, :, 0])
    assert found["limit"] == 100.0
    assert found["lead_s"] == pytest.approx(100, rel=0.1)
    soon, late = found["lead_80_s"]
    assert soon < found["lead_s"] < late
    assert found["slope_per_s"] == pytest.approx(0.5, rel=0.1)
    assert [r["level"] for r in found["ranges"]] == ["critical"]


def test_the_forecast_follows_changed_limits(rng: np.random.Generator) -> None:
    model = forecaster(high=100.0, horizon_s=150)
    model.feed(grid(0.5 * np.arange(101) + rng.normal(0, 0.2, 101)))
    assert dict(model.forecasts(0))[Level.CRITICAL] == pytest.approx(100, rel=0.1)
    model.set_limits(0, (-INF,) * 5, (INF, INF, INF, 75.0, INF))
    assert dict(model.forecasts(0))[Level.CRITICAL] == pytest.approx(50, rel=0.15)
    again = forecaster(high=100.0, horizon_s=150)
    again.restore(model.snapshot())
    assert [*again.forecasts(0)] == [*model.forecasts(0)]


def test_a_mild_range_is_worth_a_watch(rng: np.random.Generator) -> None:
    x = -0.5 * np.arange(101) + rng.normal(0, 0.2, 101)
    scores = forecaster(low=-100.0, serious=False, horizon_s=150).feed(grid(x))
    assert scores.enter[-1, 0] == Level.WATCH


def test_noise_alone_says_nothing(rng: np.random.Generator) -> None:
    """20,000 samples of noise a deviation away from the limit."""
    scores = forecaster(high=2.5).feed(grid(rng.normal(0, 1, 20_000)))
    assert not (scores.enter > 0).any()


def test_a_step_is_no_trend() -> None:
    """A jump half way to the limit: the filter starts anew and stays quiet."""
    rng = np.random.default_rng(4)
    x = np.where(np.arange(400) < 200, 0.0, 50.0) + rng.normal(0, 0.5, 400)
    scores = forecaster(high=100.0).feed(grid(x))
    run = np.flatnonzero(scores.enter[:, 0] == Level.WARNING)
    assert len(run) <= 3  # fewer than the samples that an alert asks for


def test_forecast_coverage(rng: np.random.Generator) -> None:
    """The 80 % interval holds the true crossing in at least 80 % of 400 straight ramps.

    It holds it in about 94 %: the filter allows for a slope that changes, and this one does not.
    """
    held, total = 0, 0
    for _ in range(400):
        model = forecaster(high=100.0, horizon_s=1000, significance=1)
        scores = model.feed(grid(0.5 * np.arange(90) + rng.normal(0, 1.0, 90)))
        if scores.enter[-1, 0] != Level.WARNING:
            continue
        soon, late = model.evidence(0, scores.detail[-1, :, 0])["lead_80_s"]
        truth = 200.0 - 89.0
        held += soon <= truth <= (math.inf if late is None else late)
        total += 1
    assert total > 350
    assert held / total >= 0.80


def test_crossing_by_hand() -> None:
    assert crossing(10.0, 2.0, 0.0, 0.0, 0.0) == (5.0, 5.0, 5.0)
    assert crossing(-10.0, 2.0, 0.0, 0.0, 0.0) == (0.0, 0.0, 0.0)
    lead, soon, late = crossing(10.0, 2.0, 0.0, 0.0, 100.0)
    assert lead == 5.0
    assert soon == pytest.approx(10 / (2 + 10 * Z80))  # no slope is too steep, so there is a first
    assert late is None


def test_numbers_beyond_physics_have_no_interval() -> None:
    """b² and a·c overflow; and weights of an artefact may be anything."""
    assert crossing(1e100, 1e60, 1e200, 0.0, 1e130) == (1e40, None, None)
    model = forecaster(high=100.0)
    odd = np.array([99.0, 1.0, 1.0, 0.0, 1e-6, -1e9, 0.0])
    assert model.evidence(0, odd)["slope_sd_per_s"] == 0.0


def residual(**given: Any) -> Residual:
    rule = ResidualRule(**({"warm_up_s": 30, "threshold": 8} | given))
    return Residual([parameter()], SECOND, [rule])


def test_residual_sees_a_spike_and_not_the_noise(rng: np.random.Generator) -> None:
    x = rng.normal(5, 1, 2000)
    x[1500] += 40
    scores = residual().feed(grid(x))
    spoken = np.flatnonzero(scores.enter[:, 0] == Level.WATCH)
    assert spoken.tolist() == [1500]
    assert scores.score[1500, 0] > 8


def test_residual_follows_a_trend(rng: np.random.Generator) -> None:
    scores = residual().feed(grid(3.0 * np.arange(1000) + rng.normal(0, 1, 1000)))
    assert not (scores.enter[100:, 0] == Level.WATCH).any()


def test_one_count_is_no_surprise() -> None:
    """A counter that has moved by one before may move by one; of a constant nothing is known."""
    x = np.zeros(500)
    x[100:] = 1.0
    x[400:] = 2.0
    scores = residual().feed(grid(x))
    assert not (scores.enter[:, 0] == Level.WATCH).any()


def test_held_and_missing_samples_say_nothing() -> None:
    x = np.ones(100)
    x[60] = np.nan
    quality = np.zeros(100, np.uint8)
    quality[70] = int(Quality.HELD)
    for model in (residual(), forecaster(high=5.0)):
        scores = model.feed(grid(x, quality))
        assert scores.enter[60, 0] == NO_VERDICT
        assert scores.enter[70, 0] == NO_VERDICT


def monitored(
    levels: list[int], leave: list[int] | None = None, n: int = 3, seconds: float = 0
) -> list[tuple[int, int, int]]:
    enter = np.array(levels, np.uint8)[:, None]
    stay = enter if leave is None else np.array(leave, np.uint8)[:, None]
    one = np.array([1], np.int64)
    none = np.empty((0, 1))
    time = np.arange(len(levels)) * SECOND
    monitor = Monitor(one * n, one * round(seconds * SECOND), one * 2)
    t = monitor.feed(time, time, Scores(enter, stay, none, none, none))
    return list(zip(t.row.tolist(), t.before.tolist(), t.after.tolist(), strict=True))


def test_persistence() -> None:
    assert monitored([0, 2, 2, 0, 2, 2, 2, 0, 0]) == [(6, 0, 2), (8, 2, 0)]


def test_time_persistence() -> None:
    assert monitored([2] * 10, n=1, seconds=5) == [(5, 0, 2)]


def test_the_candidate_is_the_mildest_of_the_run() -> None:
    assert monitored([4, 2, 4, 4, 4, 4]) == [(2, 0, 2), (5, 2, 4)]


def test_no_word_holds_everything() -> None:
    assert monitored([2, 2, 255, 255, 2, 255, 0, 255, 0]) == [(4, 0, 2), (8, 2, 0)]


def test_deadband_holds_a_level() -> None:
    assert monitored([2, 2, 2, 0, 0, 0], leave=[2, 2, 2, 2, 2, 2]) == [(2, 0, 2)]


def test_limits_with_deadband() -> None:
    low = np.array([[-INF, -INF, -INF, -INF, -INF]]).T
    high = np.array([[INF, 10.0, INF, 20.0, INF]]).T
    limits = plain_limits(low, high, np.array([1.0]))
    x = np.array([9.5, 10.0, 10.5, 20.5, 19.5, np.nan])
    k = len(x)
    rows = Rows(
        0,
        np.arange(k),
        np.arange(k),
        np.zeros((k, 1), np.uint64),
        x[:, None],
        np.zeros((k, 1), np.uint8),
        np.zeros((k, 0), np.uint8),
        np.zeros(0, np.uint8),
    )
    s = limits.levels(rows)
    assert s.enter[:, 0].tolist() == [0, 0, 2, 4, 2, NO_VERDICT]
    assert s.leave[:, 0].tolist() == [2, 2, 2, 4, 4, NO_VERDICT]
    assert limits.crossed(0, 4, 20.5) == 20.0


def nominal(seed: int, n: int = 120) -> Grid:
    """A climb of two parameters, a row a second, each flight a little other."""
    rng = np.random.default_rng(seed)
    t = np.arange(n, dtype=float)
    climb = np.maximum(t - 10, 0)
    value = np.stack([climb * (1 + 0.02 * rng.normal()), 100 - climb / 2], 1)
    return corridor_grid(value)


def corridor_grid(value: np.ndarray[Any, Any]) -> Grid:
    n = len(value)
    time, none = np.arange(n) * SECOND, np.zeros(0, np.int64)
    quality = np.zeros(value.shape, np.uint8)
    return Grid(time, time, value, quality, time, none, none, none)


def corridor(zero_on: str = "") -> Corridor:
    kind = ParameterType("T", "float", FloatEncoding(64))
    parameters = [GroupParameter(n, kind, (), ()) for n in "AB"]
    rule = CorridorRule(horizon_s=200, zero_on=zero_on, zero_above=0.5)
    return Corridor(parameters, SECOND, [rule] * 2)


@pytest.mark.parametrize("zero_on", ["", "A"])
def test_a_corridor_knows_only_what_it_was_taught(zero_on: str) -> None:
    made = corridor(zero_on)
    for seed in range(2):
        made.learn(nominal(seed))
    assert (made.feed(nominal(9)).enter == NO_VERDICT).all(), "two flights are no corridor"
    made = corridor(zero_on)
    for seed in range(5):
        made.learn(nominal(seed))
    before = {k: v.copy() for k, v in made.state.items() if k in ("low", "high", "flights")}
    enter = made.feed(nominal(9)).enter
    assert not ((enter > 0) & (enter != NO_VERDICT)).any(), "a nominal flight"
    for key, array in before.items():  # nothing is learnt in flight
        np.testing.assert_array_equal(array, made.state[key])


@pytest.mark.parametrize("kind", ["stuck", "bias"])
def test_a_corridor_sees_what_is_put_in(kind: str) -> None:
    made = corridor()
    for seed in range(5):
        made.learn(nominal(seed))
    grid, row = nominal(9), 60
    grid.value[row:, 0] = grid.value[row, 0] if kind == "stuck" else grid.value[row:, 0] + 8
    scores = made.feed(grid)
    enter = scores.enter[:, 0]
    odd = np.flatnonzero((enter > 0) & (enter != NO_VERDICT))
    assert row <= odd[0] <= row + 10
    told = made.evidence(0, scores.detail[odd[0], :, 0])
    assert told["feature"] in ("step", "change", "rest")
    assert told["mission_time_s"] == float(odd[0])
    low, high = told["corridor"]
    assert not low <= told["feature_value"] <= high


def rainflow(x: list[float]) -> list[tuple[float, float]]:
    """(range, cycles) by ASTM E1049-85, 5.4.4, as it is written: the whole history at hand."""
    turns = [x[0]]
    for a, b, c in zip(x, x[1:], x[2:], strict=False):
        if (b - a) * (c - b) < 0:
            turns.append(b)
    turns.append(x[-1])
    kept: list[float] = []
    found: list[tuple[float, float]] = []
    for point in turns:
        kept.append(point)
        while len(kept) >= 3:
            newer, older = abs(kept[-1] - kept[-2]), abs(kept[-2] - kept[-3])
            if newer < older:
                break
            if len(kept) == 3:
                found.append((older, 0.5))
                del kept[0]
            else:
                found.append((older, 1.0))
                del kept[-3:-1]
    return found + [(abs(b - a), 0.5) for a, b in pairwise(kept)]


def worn(x: list[float], slope: float = 3.0) -> float:
    """Life used after a history, reference 10 and 1,000 cycles."""
    kind = ParameterType("T", "float", FloatEncoding(64))
    rule = FatigueRule(reference=10.0, cycles=1000.0, slope=slope)
    made = Fatigue([GroupParameter("P", kind, (), ())], SECOND, [rule])
    made.feed(grid(x))
    return float(made.state["closed"][0] + made.state["open"][0])


def test_rainflow_of_the_standards_example() -> None:
    """ASTM E1049-85, figure 6: half a cycle of 3, 1.5 of 4, 0.5 of 6, 1 of 8, 0.5 of 9."""
    x = [-2.0, 1, -3, 5, -1, 3, -4, 4, -2]
    counted: dict[float, float] = {}
    for span, n in rainflow(x):
        counted[span] = counted.get(span, 0.0) + n
    assert counted == {3: 0.5, 4: 1.5, 6: 0.5, 8: 1.0, 9: 0.5}
    wanted = sum(n * (span / 10) ** 3 / 1000 for span, n in counted.items())
    assert worn(x) == pytest.approx(wanted, rel=1e-12)


def test_rainflow_of_any_history(rng: np.random.Generator) -> None:
    for _ in range(20):
        x = np.cumsum(rng.normal(0, 1, 300)).round(int(rng.integers(0, 3))).tolist()
        plain = [x[0], *(b for a, b in pairwise(x) if a != b)]
        wanted = sum(n * (span / 10) ** 3 / 1000 for span, n in rainflow(plain))
        assert worn(x) == pytest.approx(wanted, rel=1e-9)


def test_ever_smaller_swings_stay_bounded() -> None:
    """Nothing closes, and the oldest range is counted as half a cycle: the same sum."""
    x = [(-1) ** i * 0.99**i for i in range(5 * STACK)]
    wanted = sum(n * (span / 10) ** 3 / 1000 for span, n in rainflow(x))
    assert worn(x) == pytest.approx(wanted, rel=1e-9)


def test_a_part_that_wears_is_told_of_before_its_end() -> None:
    kind = ParameterType("T", "float", FloatEncoding(64))
    rule = FatigueRule(reference=10, cycles=100, slope=3, horizon_s=30, memory_s=20)
    made = Fatigue([GroupParameter("P", kind, (), ())], SECOND, [rule])
    scores = made.feed(grid([5.0 * (-1) ** i for i in range(400)]))  # a cycle in two seconds
    enter = scores.enter[:, 0]
    first, end = np.argmax(enter == Level.WATCH), np.argmax(enter == Level.WARNING)
    assert 150 < first < end < 210
    told = made.evidence(0, scores.detail[first, :, 0])
    assert told["lead_s"] == pytest.approx(200 - first, abs=10)


def test_a_corridor_says_nothing_of_what_no_flight_showed() -> None:
    """The flights begin at lift-off, so none has a change over five seconds there."""
    made = corridor("A")
    for seed in range(5):
        given = nominal(seed)
        given.quality[:11] = Quality.STALE
        made.learn(given)
    made.state["low"][:20, 2:], made.state["high"][:20, 2:] = np.inf, -np.inf
    scores = made.feed(nominal(9))
    told = scores.score[~np.isnan(scores.score)]
    assert len(told)
    assert np.isfinite(told).all()


def test_a_corridor_needs_its_zero() -> None:
    with pytest.raises(ValueError, match="zero_on"):
        corridor("NOT_THERE")


@pytest.mark.parametrize("rows", [0, 1, 2, 4])
def test_a_step_that_a_young_filter_sees_is_no_trend(rows: int, rng: np.random.Generator) -> None:
    """An engine starts soon after the source does: to nine tenths of the limit within `rows`."""
    for at in range(18, 60, 3):
        rise = np.clip((np.arange(200) - at) / max(rows, 1e-9), 0, 1)
        scores = forecaster(high=100.0, horizon_s=120).feed(
            grid(90 * rise + rng.normal(0, 0.2, 200))
        )
        assert not np.any(scores.enter[at + rows + 8 :] == Level.WARNING), at


def test_beyond_already_is_said_of_values_that_are(rng: np.random.Generator) -> None:
    """A filter overshoots what bends: an estimate beyond the limit is no value beyond it."""
    beyond = overshot = 0
    for slope in (0.5, 1.0, 2.0, 4.0):
        for most in (99.0, 120.0):
            x = np.minimum(slope * np.arange(300), most) + rng.normal(0, 0.2, 300)
            model = forecaster(high=100.0, horizon_s=120)
            model.state["variance"][:] = 100.0
            scores = model.feed(grid(x))
            estimate = scores.detail[:, 0, 0]
            overshot += int(np.sum((estimate > 100) & (x <= 100)))
            said = (scores.enter[:, 0] == Level.WARNING) & (estimate > 100)
            beyond += int(said.sum())
            assert np.all(x[said] > 100)
    assert beyond
    assert overshot


def test_the_nearest_range_is_named() -> None:
    """Watch at 100 stands behind warning at 20, as no good database has it."""
    one = GroupParameter(
        "P", ParameterType("T", "float"), (-INF,) * 5, (100.0, 20.0, INF, INF, INF)
    )
    model = TimeToLimit([one], SECOND, [TimeToLimitRule(horizon_s=150)])
    scores = model.feed(grid(0.1 * np.arange(101)))
    assert scores.enter[-1, 0] == Level.WATCH
    assert model.evidence(0, scores.detail[-1, :, 0])["limit"] == 20.0


def test_the_gauge_knows_the_sensor_s_resolution(rng: np.random.Generator) -> None:
    """Where the monitor is quiet, for a slope below what can be told from the steps, so is it."""
    model = forecaster(high=100.0, horizon_s=1e6, resolution=50.0)
    scores = model.feed(grid(0.2 * np.arange(101) + rng.normal(0, 0.01, 101)))
    assert scores.enter[-1, 0] == 0
    assert [*model.forecasts(0)] == []
