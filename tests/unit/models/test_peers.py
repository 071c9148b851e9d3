"""Peers on made-up parts: what one does alone, and what all of them do."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.alarms.monitor import Monitor
from pipeline.models.peers import Peers, PeersRule
from schemas.columns import F8, NO_VERDICT, SECOND, Grid
from tests.laws.case import parameters

N = 2000


def vibration(seed: int, parts: int = 4) -> F8:
    """Parts at levels of their own, which go up and down with the load on all of them."""
    random = np.random.default_rng(seed)
    load = 1.0 + 0.3 * np.sin(np.arange(N) / 150)
    own = random.uniform(0.05, 2.0, parts)
    noise = random.normal(1.0, 0.02, (N, parts))
    return np.ascontiguousarray(own * load[:, None] * noise)


def raised(value: F8) -> dict[int, list[int]]:
    """Rows at which each part raises an alarm."""
    f = value.shape[1]
    at, none = np.arange(N), np.zeros(0, np.int64)
    quality = np.zeros(value.shape, np.uint8)
    grid = Grid(at * SECOND, at, value, quality, at * 0, none, none, none)
    model = Peers(parameters()[:f], SECOND, [PeersRule()] * f)
    monitor = Monitor(model.min_samples, model.min_ns, model.leave_samples)
    t = monitor.feed(grid.time_ns, grid.packet, model.feed(grid))
    up = t.before == 0
    return {j: t.row[up & (t.parameter == j)].tolist() for j in range(f)}


def test_what_all_parts_do_raises_nothing() -> None:
    value = vibration(1)
    value[1000:] *= 3.0  # full thrust
    assert not any(raised(value).values())


@pytest.mark.parametrize("part", range(4))
def test_one_that_grows_alone_is_named(part: int) -> None:
    value = vibration(2)
    value[1000:, part] *= np.linspace(1.0, 1.2, N - 1000)
    found = raised(value)
    assert found.pop(part)[0] < 1400  # 5 % at 1,250, and its short memory
    assert not any(found.values())


def test_wear_as_slow_as_the_flight_is_not_taken_for_normal() -> None:
    value = vibration(3)
    value[:, 1] *= np.linspace(1.0, 1.15, N)
    assert [*raised(value)[1]]


def test_of_two_nobody_can_say_which() -> None:
    value = vibration(4, parts=2)
    value[1000:, 0] *= 2.0
    assert not any(raised(value).values())


def test_a_sensor_that_falls_silent_does_not_move_the_others() -> None:
    value = vibration(5)
    value[1000:, 2] = 0.0
    assert not any(raised(value).values())


def test_nothing_is_judged_before_its_own_level_is_known() -> None:
    model = Peers(parameters()[:4], SECOND, [PeersRule(settle=10, memory=20)] * 4)
    value, at, none = vibration(6), np.arange(N), np.zeros(0, np.int64)
    quality = np.zeros(value.shape, np.uint8)
    scores = model.feed(Grid(at * SECOND, at, value, quality, at * 0, none, none, none))
    judged = (scores.enter != NO_VERDICT).all(axis=1)
    assert not judged[:30].any()
    assert judged[30:].all()
