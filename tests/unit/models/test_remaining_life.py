"""Remaining life on made-up lives, whose truth is known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pipeline.models.remaining_life import RemainingLife, RemainingLifeRule
from pipeline.models.shared.lives import COVERAGE, known_lives
from schemas.columns import F8, NO_VERDICT, SECOND, Grid, Quality
from tests.laws.case import parameters

F = 4  # the first one says under what condition the part runs
RULE = RemainingLifeRule(horizon_s=40.0, foresight_s=125.0, unit="flights", context=("P0",))


def life(seed: int, conditions: int = 1) -> F8:
    """A part that wears faster and faster, seen by three sensors that each depend on the condition
    it runs under; one life lasts 150 to 300 rows."""
    random = np.random.default_rng(seed)
    n = int(random.integers(150, 300))
    wear = (np.arange(n) / n) ** 3
    under = random.integers(0, conditions, n)
    value = np.empty((n, F))
    value[:, 0] = 10.0 * under
    for j in range(1, F):
        value[:, j] = 100.0 * j + 50.0 * under * j + wear * (3 - j) + random.normal(0, 0.2, n)
    return value


def grid(value: F8) -> Grid:
    n = len(value)
    none, at = np.zeros(0, np.int64), np.arange(n)
    quality = np.zeros(value.shape, np.uint8)
    return Grid(at * SECOND, at, value.copy(), quality, at * 0, none, none, none)


def model(rule: RemainingLifeRule = RULE) -> RemainingLife:
    return RemainingLife(parameters()[:F], SECOND, [rule] * F)


def trained(conditions: int = 1, lives: int = 40) -> RemainingLife:
    made = model()
    made.learn_all([grid(life(seed, conditions)) for seed in range(lives)])
    return made


def words(made: RemainingLife, value: F8) -> list[dict[str, Any]]:
    """Evidence of each row that is judged."""
    fresh = model()
    fresh.restore(made.snapshot())
    scores = fresh.feed(grid(value))
    row, lead = np.nonzero(scores.enter != NO_VERDICT)
    return [
        fresh.evidence(j, scores.detail[i, :, j]) | {"row": i}
        for i, j in zip(row.tolist(), lead.tolist(), strict=True)
    ]


@pytest.mark.parametrize("conditions", [1, 6])
def test_it_tells_what_is_left_of_lives_that_it_never_saw(conditions: int) -> None:
    made = trained(conditions)
    errors, inside, by_age = [], [], []
    for seed in range(100, 130):
        value = life(seed, conditions)
        told = words(made, value)
        assert len(told) == len(value)
        for word in told[30::7]:
            truth = min(len(value) - 1.0 - word["row"], 125.0)
            low, high = word["remaining_interval"]
            errors.append(word["remaining"] - truth)
            by_age.append(np.clip(225 - word["row"], 0, 125) - truth)
            inside.append(low <= truth <= (high or 125.0))
    error, trivial = (float(np.sqrt(np.mean(np.square(e)))) for e in (errors, by_age))
    assert error < 0.5 * trivial
    assert abs(float(np.mean(inside)) - COVERAGE) < 0.05


def test_it_speaks_on_one_parameter_and_names_lives_and_sensors() -> None:
    made = trained()
    made.named([f"{seed:03d}/packets.bin" for seed in range(40)])
    value = life(200)
    scores = made.feed(grid(value))
    spoken = np.flatnonzero((scores.enter != NO_VERDICT).any(axis=0))
    assert spoken.tolist() == [1]  # the one that wear shows in most
    last = made.evidence(1, scores.detail[-1, :, 1])
    assert last["remaining"] < 20
    assert scores.enter[-1, 1] == 2  # warning: the whole interval is within the horizon
    assert scores.enter[20, 1] == 0
    assert [len(x["life"]) for x in last["lives"]] == [3] * 5
    assert last["lives_used"] == 10  # a quarter of forty
    assert last["sensors"][0]["name"] == "P1"
    parts = sum(x["part"] for x in last["sensors"])  # three sensors: all of them are named
    assert parts == pytest.approx(last["health_index"])
    assert last["health_index"] > 0.8


def test_nothing_is_said_in_a_condition_that_no_life_was_in() -> None:
    made = trained(6)
    value = life(300, 6)
    value[50:60, 0] = 500.0
    rows = {word["row"] for word in words(made, value)}
    assert not rows & set(range(50, 60))
    assert {49, 60} <= rows


def test_a_row_in_which_a_sensor_is_not_heard_is_not_judged_and_heals_nothing() -> None:
    made = trained()
    whole = grid(life(301))
    holes = whole.quality.copy()
    holes[60:100, 2] = Quality.STALE
    scores = made.feed(replace(whole, quality=holes))
    judged = scores.enter[:, 1] != NO_VERDICT
    assert not judged[60:100].any()
    assert judged[:60].all()
    assert judged[100:].all()
    assert scores.enter[-1, 1] == 2


@pytest.mark.parametrize(
    ("lives", "context", "says"),
    [
        ([life(1)] * 4, "P0", "4 lives to failure are given, 5 to 320 do"),
        ([life(1)] * 4 + [life(1)[:50]], "P0", "life 5 has 50 rows"),
        ([np.ones((80, F))] * 5, "P0", "no parameter but the context ever changes"),
        ([life(1)] * 5, "P?", "context names every parameter"),
    ],
)
def test_what_is_no_library_of_lives_is_refused(lives: list[F8], context: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        model(replace(RULE, context=(context,))).learn_all([grid(x) for x in lives])


def test_alarms_are_false_only_before_the_end_can_be_foretold() -> None:
    made = trained()
    whole = grid(life(302))
    assert len(made.nominal(whole).time_ns) == len(whole.time_ns) - 126


def test_training_is_the_same_twice() -> None:
    lives = [grid(life(seed)) for seed in range(6)]
    context = np.array([True, False, False, False])
    first, again = (known_lives(lives, context, SECOND, 125.0) for _ in range(2))
    for a, b in zip((*first[0], *first[1]), (*again[0], *again[1]), strict=True):
        assert a.tobytes() == b.tobytes()


def test_a_horizon_must_be_given() -> None:
    wrong = RemainingLifeRule().mistake()
    assert wrong
    assert wrong[0] == "horizon_s"
