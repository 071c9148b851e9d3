"""Watermark and resampling, drawn in seconds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.timeline.order import AHEAD, LIVE, ODD, Order
from pipeline.timeline.resample import Resample
from schemas.columns import Ordered, PacketBatch, Quality, Reason, Rows
from schemas.settings import ResampleRule, TimeSettings

SECOND = 1_000_000_000
BASE = 1_700_000_000


def ordered(time: TimeSettings, *events: tuple[str, float]) -> tuple[list[float], list[int], Any]:
    """Feed ("row", generation time) and ("tick", reception time); reception of a row is its place."""
    n = len(events)
    z = np.zeros(n, np.int64)
    reception = np.array(
        [(BASE + (t if kind == "tick" else i)) * SECOND for i, (kind, t) in enumerate(events)],
        np.int64,
    )
    batch = PacketBatch(
        np.zeros(16, np.uint8), z, np.ones(n, np.int32), np.zeros(n, np.uint16), np.zeros(n, np.uint16),
        reception, z, np.arange(n), np.zeros(n, np.uint8), np.arange(n, dtype=np.int32), z,
    )  # fmt: skip
    is_row = np.array([kind == "row" for kind, _ in events])
    packet = np.flatnonzero(is_row)
    times = np.array([round((BASE + t) * SECOND) for kind, t in events if kind == "row"], np.int64)
    k = len(packet)
    rows = Rows(
        0,
        packet,
        times,
        np.zeros((k, 1), np.uint64),
        np.arange(k, dtype=float)[:, None],
        np.zeros((k, 1), np.uint8),
        np.zeros((k, 0), np.uint8),
        np.zeros(0, np.uint8),
    )
    found = Order(np.array([0]), time).feed(batch, rows, np.flatnonzero(~is_row))
    seconds = [float(t) / SECOND - BASE for p in found.pieces for t in p.ordered.time_ns]
    return [round(s, 3) for s in seconds], found.late.reason.tolist(), found


def rows(*times: float) -> list[tuple[str, float]]:
    return [("row", t) for t in times]


def test_first_row_waits_for_a_second_that_confirms_it() -> None:
    assert ordered(TimeSettings(), *rows(5))[0] == []
    assert ordered(TimeSettings(), *rows(5, 6))[0] == [5, 6]


def test_late_is_refused_and_equal_is_not() -> None:
    times, reasons, _ = ordered(TimeSettings(), *rows(5, 6, 6, 5.5, 7))
    assert times == [5, 6, 6, 7]
    assert reasons == [Reason.LATE]


def test_lateness_bound_reorders() -> None:
    times, reasons, _ = ordered(TimeSettings(lateness_s=2), *rows(5, 7, 6, 5.5, 9, 6.5, 12))
    assert times == [5, 5.5, 6, 7, 9]
    assert reasons == [Reason.LATE]


def test_one_wild_time_stamp_makes_nothing_late() -> None:
    times, reasons, _ = ordered(TimeSettings(jump_s=10), *rows(5, 6, 99_999, 7, 8, 9, 10))
    assert times == [5, 6, 7, 8, 9, 10]
    assert reasons == [Reason.TIME_JUMP]


def test_a_confirmed_jump_counts() -> None:
    times, reasons, found = ordered(TimeSettings(jump_s=10), *rows(5, 6, 1000, 1001, 1002, 7, 1003))
    assert times == [5, 6, 1000, 1001, 1002, 1003]
    assert reasons == [Reason.LATE]
    assert found.kind.tolist() == [LIVE, LIVE, AHEAD, AHEAD, LIVE, ODD, LIVE]


def test_ticks_move_a_silent_container_on() -> None:
    _, _, out = ordered(
        TimeSettings(silence_s=5), *rows(5, 6), ("tick", 4), ("tick", 8), ("tick", 20)
    )
    # heard last at reception 1: silent for 7 s and 19 s, of which 5 s are granted
    assert [round(t / SECOND - BASE) for t in out.pieces[0].ordered.advance_ns] == [8, 20]


def resampled(
    rule: ResampleRule, points: list[tuple[float, float]], mark: float | None = None
) -> list[tuple[float, Any, set[str]]]:
    time = np.array([round((BASE + t) * SECOND) for t, _ in points], np.int64)
    value = np.array([[x] for _, x in points])
    quality = np.where(np.isnan(value), int(Quality.INVALID), 0).astype(np.uint8)
    k = len(points)
    advance = [] if mark is None else [round((BASE + mark) * SECOND)]
    given = Ordered(
        time,
        np.arange(k),
        value,
        quality,
        np.full(len(advance), k),
        np.array(advance, np.int64),
        np.zeros(len(advance), np.int64),
    )
    found = []
    for g in Resample(np.array([0]), rule).feed(given):
        for i in range(len(g.time_ns)):
            words = {q.name.lower() for q in Quality if q & int(g.quality[i, 0])}
            x = float(g.value[i, 0])
            found.append(
                (g.time_ns[i] / SECOND - BASE, None if np.isnan(x) else round(x, 6), words)
            )
    return found


def test_last_holds_then_goes_stale_then_comes_back() -> None:
    got = resampled(ResampleRule(max_age_s=2), [(0.2, 1.0), (1.1, 2.0), (9.5, 3.0), (10.5, 4.0)])
    assert got == [
        (1, 1.0, set()),
        (2, 2.0, set()),
        (3, 2.0, {"held"}),
        (4, None, {"stale"}),
        (10, 3.0, {"after_gap"}),
    ]


def test_a_sample_on_the_grid_counts_for_its_own_time() -> None:
    assert resampled(ResampleRule(), [(0, 1.0), (1, 2.0), (2.5, 3.0)]) == [
        (0, 1.0, set()),
        (1, 2.0, set()),
        (2, 2.0, {"held"}),
    ]


def test_repeated_times_take_the_last() -> None:
    assert resampled(ResampleRule(), [(1, 1.0), (1, 5.0), (1.5, 2.0)])[0] == (1, 5.0, set())


def test_linear_interpolates_and_never_crosses_a_gap() -> None:
    rule = ResampleRule(method="linear", max_age_s=2)
    got = resampled(rule, [(0.5, 0.0), (1.5, 10.0), (2.0, 20.0), (8.0, 80.0), (9.0, 90.0)])
    assert got == [
        (1, 5.0, {"interpolated"}),
        (2, 20.0, set()),
        (3, None, {"stale"}),
        (8, 80.0, {"after_gap"}),
        (9, 90.0, set()),
    ]


def test_mean_is_of_the_good_samples_since_the_grid_time_before() -> None:
    nan = float("nan")
    points = [(0.5, 1.0), (0.9, nan), (1.0, 4.0), (1.1, nan), (1.2, 6.0), (1.7, 8.0), (2.4, nan),
              (4.5, 2.0), (9.5, 3.0), (10.5, 5.0)]  # fmt: skip
    assert resampled(ResampleRule(method="mean", max_age_s=2), points) == [
        (1, 2.5, set()),
        (2, 7.0, set()),
        (3, None, {"invalid"}),
        (4, None, {"invalid", "held"}),
        (5, 2.0, set()),
        (6, 2.0, {"held"}),
        (7, None, {"stale"}),
        (10, 3.0, {"after_gap"}),
    ]


@pytest.mark.parametrize("seed", range(5))
def test_mean_of_many(seed: int) -> None:
    rng = np.random.default_rng(seed)
    t = np.sort(rng.uniform(0, 60, 5000))
    x = rng.normal(1e6, 1, 5000)
    got = resampled(ResampleRule(method="mean"), list(zip(t.tolist(), x.tolist(), strict=True)))
    assert len(got) == 59
    for at, mean, words in got:
        inside = x[(t > at - 1) & (t <= at)]
        assert mean == pytest.approx(inside.mean(), abs=1e-5)
        assert not words


def test_silence_ends_in_one_stale_row() -> None:
    for method in ("last", "linear", "mean"):
        got = resampled(ResampleRule(method=method, max_age_s=1), [(0.0, 1.0), (1.0, 2.0)], mark=60)
        assert [w for _, _, w in got].count({"stale"}) == 1
        assert got[-1][2] == {"stale"}


def test_invalid_is_never_held_as_good() -> None:
    got = resampled(ResampleRule(), [(0.5, 1.0), (1.5, float("nan")), (2.5, 3.0), (3.5, 4.0)])
    assert got == [(1, 1.0, set()), (2, None, {"invalid"}), (3, 3.0, set())]
