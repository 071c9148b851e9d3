"""No stamp silences another packet: single stamps that are off, clocks that are set, recorded data.

The truth of each stream is made with it: which packets' stamps are their own, and when the clock
was set.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from pipeline.timeline.order import LIVE, ODD, RECORDED, Order
from schemas.columns import PacketBatch, Rows
from schemas.settings import TimeSettings

SECOND = 1_000_000_000
BASE = 1_700_000_000 * SECOND
DAY = 86_400.0


@dataclass
class Sky:
    """Packets of one container: (reception, stamp, what), s."""

    period: float
    packets: list[tuple[float, float, str]] = field(default_factory=list)
    steps: list[float] = field(default_factory=list)

    def feed(
        self, rng: np.random.Generator, pieces: int = 1, time: TimeSettings | None = None
    ) -> Any:
        heard, stamp = (
            np.array([round(p[i] * SECOND) + BASE for p in self.packets], np.int64) for i in (0, 1)
        )
        order = Order(np.array([0]), time or TimeSettings())
        kinds, used, steps = [], [], []
        cuts = [0, *sorted(rng.integers(0, len(heard), pieces - 1).tolist()), len(heard)]
        for a, b in pairwise(cuts):
            k = b - a
            z = np.zeros(k, np.int64)
            batch = PacketBatch(
                np.zeros(16, np.uint8), z, np.ones(k, np.int32), np.zeros(k, np.uint16),
                np.zeros(k, np.uint16), heard[a:b], np.arange(a, b), np.arange(k),
                np.zeros(k, np.uint8), np.arange(k, dtype=np.int32), z,
            )  # fmt: skip
            place = np.arange(a, b, dtype=float)[:, None]
            rows = Rows(
                0, np.arange(k), stamp[a:b], np.zeros((k, 1), np.uint64), place,
                np.zeros((k, 1), np.uint8), np.zeros((k, 0), np.uint8), np.zeros(0, np.uint8),
            )  # fmt: skip
            found = order.feed(batch, rows, np.zeros(0, np.int64))
            kinds += found.kind.tolist()
            used += [int(x) for p in found.pieces for x in p.ordered.eng[:, 0]]
            steps += (found.steps.step_ns / SECOND).tolist()
        return kinds, set(used), steps, order.held


def steady(n: int, period: float, start: float = 0.0, shift: float = 0.0) -> list[Any]:
    return [(start + i * period, start + i * period + shift, "own") for i in range(n)]


@pytest.mark.parametrize("period", [0.01, 0.1, 1.0, 60.0])
def test_stamps_that_are_off_cost_their_own_packets(
    period: float, rng: np.random.Generator
) -> None:
    packets = steady(2000, period)
    for i in range(5, 1990, int(rng.integers(12, 30))):
        away = float(rng.choice([-1, 1]) * 10 ** rng.uniform(np.log10(3 * period), np.log10(DAY)))
        packets[i] = (packets[i][0], packets[i][1] + away, "off")
    kinds, used, steps, held = Sky(period, packets).feed(rng, 5)
    own = {i for i, p in enumerate(packets) if p[2] == "own"}
    assert own <= used
    assert not steps
    assert held <= 1
    assert all(kinds[i] == LIVE for i in own)


def test_two_stamps_that_lie_a_little_ahead_are_no_step(rng: np.random.Generator) -> None:
    """Time came up to the first one; how far ahead it had lain is not what the clock shows."""
    packets = steady(200, 0.1)
    for i, away in ((100, 0.375), (126, 0.368)):
        packets[i] = (packets[i][0], packets[i][1] + away, "off")
    kinds, used, steps, _ = Sky(0.1, packets).feed(rng)
    assert not steps
    assert {i for i, p in enumerate(packets) if p[2] == "own"} <= used
    assert [i for i, kind in enumerate(kinds) if kind != LIVE] == [100, 126]


@pytest.mark.parametrize("period", [0.05, 0.1, 1.0, 60.0])
@pytest.mark.parametrize("step", [-DAY, -3600.0, -30.0, 30.0, 290.0, DAY, -1e9])
def test_a_clock_that_is_set_is_followed_and_told_once(
    period: float, step: float, rng: np.random.Generator
) -> None:
    if abs(step) < 2 * period:  # less than a packet's distance is no step that anybody could see
        step = np.sign(step) * 10 * period
    packets = steady(300, period) + steady(300, period, 300 * period, step)
    kinds, used, steps, held = Sky(period, packets).feed(rng, 7)
    assert used == set(range(600))
    assert steps == pytest.approx([step], abs=period)
    assert not held
    assert kinds[:300] == [LIVE] * 300
    assert kinds[-280:] == [LIVE] * 280


def test_a_leap_second_is_a_step(rng: np.random.Generator) -> None:
    packets = steady(100, 0.1) + steady(100, 0.1, 10.0, -1.0)
    _, used, steps, _ = Sky(0.1, packets).feed(rng, 3)
    assert used == set(range(200))
    assert steps == pytest.approx([-1.0], abs=0.1)


def test_a_clock_that_drifts_is_no_news(rng: np.random.Generator) -> None:
    for drift in (-0.01, 0.01):
        packets = [(i * 0.1, i * 0.1 * (1 + drift), "own") for i in range(20_000)]
        kinds, used, steps, _ = Sky(0.1, packets).feed(rng)
        assert used == set(range(20_000))
        assert not steps
        assert set(kinds) == {LIVE}


def test_a_gap_is_no_step(rng: np.random.Generator) -> None:
    packets = steady(100, 0.1) + steady(100, 0.1, 1000.0)
    _, used, steps, _ = Sky(0.1, packets).feed(rng)
    assert used == set(range(200))
    assert not steps


def test_packets_that_were_held_up_are_all_used(rng: np.random.Generator) -> None:
    """The link stood for a minute; then everything comes at once."""
    packets = steady(600, 0.1)
    packets = [(max(h, 40.0 if 10 < h < 40 else h), s, w) for h, s, w in packets]
    kinds, used, steps, _ = Sky(0.1, packets).feed(rng, 4)
    assert used == set(range(600))
    assert not steps
    assert set(kinds) == {LIVE}


@pytest.mark.parametrize("ratio", [1, 2, 8, 20])
def test_recorded_data_beside_live_are_apart(ratio: int, rng: np.random.Generator) -> None:
    """After ten minutes without signal the recorder is dumped, `ratio` packets for each live one."""
    packets = steady(200, 0.1)
    old = 20.0
    for i in range(300):
        heard = 620.0 + i * 0.1
        packets.append((heard, heard, "own"))
        for k in range(ratio):
            packets.append((heard + 0.1 * (k + 1) / (ratio + 1), old, "recorded"))
            old += 0.1
    kinds, used, steps, _ = Sky(0.1, packets).feed(rng, 9)
    assert not steps
    for i, (_, _, what) in enumerate(packets):
        assert (kinds[i] in (RECORDED, ODD)) == (what == "recorded")
        assert (i in used) == (what == "own")
    assert kinds.count(ODD) == 1  # the first of them may as well be a stamp that is off


def test_a_recorder_that_keeps_fewer_rows(rng: np.random.Generator) -> None:
    """One row in 30 s beside live ones of 1 Hz: from the third on, they are a run."""
    packets = steady(100, 1.0)
    for i in range(100):
        packets.append((700.0 + i, 700.0 + i, "own"))
        packets.append((700.3 + i, 100.0 + 30 * i / 5, "recorded"))
    kinds, used, steps, _ = Sky(1.0, packets).feed(rng, 5)
    assert not steps
    back = [k for k, p in zip(kinds, packets, strict=True) if p[2] == "recorded"]
    assert back == [ODD, *[RECORDED] * 99] or back == [ODD, ODD, *[RECORDED] * 98]
    assert used == {i for i, p in enumerate(packets) if p[2] == "own"}


def test_a_clock_that_stood_still_leaves_no_leap_behind(rng: np.random.Generator) -> None:
    """1970 in every packet until it is set; afterwards a wrong stamp is one all the same."""
    packets = [(i * 0.1, -1.7e9, "own") for i in range(100)]
    packets += steady(200, 0.1, 10.0)
    packets[150] = (packets[150][0], packets[150][1] + 3e7, "off")
    _, used, steps, _ = Sky(0.1, packets).feed(rng, 5)
    assert used == set(range(300)) - {150}
    assert steps == pytest.approx([1.7e9 + 10], abs=11)


@pytest.mark.parametrize("lateness_s", [2.0, 10.0])
def test_a_lateness_bound_is_no_leave_to_run_ahead(
    lateness_s: float, rng: np.random.Generator
) -> None:
    packets = steady(600, 0.1)
    for i in range(50, 600, 50):
        packets[i] = (packets[i][0], packets[i][1] + 0.95 * lateness_s, "off")
    order = Sky(0.1, packets)
    _, used, steps, held = order.feed(rng, 5, TimeSettings(lateness_s=lateness_s))
    own = {i for i, p in enumerate(packets) if p[2] == "own"}
    assert not steps
    assert len(own - used) <= held


def test_a_second_replay_is_recorded(rng: np.random.Generator) -> None:
    packets = steady(300, 0.1) + steady(300, 0.1)
    kinds, used, steps, _ = Sky(0.1, packets).feed(rng, 2)
    assert not steps
    assert used >= set(range(300))
    assert kinds[300:-1] == [ODD] + [RECORDED] * 298


def test_many_wrong_stamps_and_a_reset_at_once(rng: np.random.Generator) -> None:
    packets = steady(500, 0.1) + steady(500, 0.1, 50.0, -1e8)
    for i in rng.choice(np.arange(10, 950), 40, replace=False):
        away = float(rng.uniform(-DAY, DAY))
        packets[i] = (packets[i][0], packets[i][1] + away, "off")
    _, used, steps, _ = Sky(0.1, packets).feed(rng, 3)
    own = {i for i, p in enumerate(packets) if p[2] == "own"}
    assert own <= used
    assert steps == pytest.approx([-1e8], abs=1)
