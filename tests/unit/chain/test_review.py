"""What a review found once: each must stay mended."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pytest

from pipeline.alarms import limit_check
from pipeline.alarms.monitor import Monitor
from pipeline.chain import Chain
from pipeline.models.families import BY_NAME
from pipeline.models.time_to_limit import TimeToLimit
from pipeline.outputs.alerts import sentence
from pipeline.packets import PacketReader
from pipeline.timeline.order import Order
from schemas import topics
from schemas.columns import PacketBatch, Quality, Rows, Scores
from schemas.records import PACKETS_HEADERS, TICK_HEADERS, Kind, RawRecord, classify, encode_tick
from schemas.settings import ResampleRule, TimeSettings
from tests.laws.case import SECOND
from tests.laws.streams import raw_records
from tests.laws.vehicle import vehicle_mission
from tests.ranges import plain_limits
from tests.unit.models.test_models import forecaster, grid
from tests.unit.timeline.test_order_resample import BASE as START
from tests.unit.timeline.test_order_resample import ordered, resampled, rows

BASE = {
    "parameter": "/S/P",
    "name": "P",
    "unit": "V",
    "level_before": "watch",
    "level_after": "warning",
}


@pytest.mark.parametrize("kind", ["limit", *BY_NAME])
def test_a_sentence_for_any_evidence(kind: str) -> None:
    alert: dict[str, Any] = BASE | {
        "monitor": {"kind": kind}, "transition": "changed", "observed": None, "limit": None,
        "predicted": None, "score": None, "threshold": 8.0,
    }  # fmt: skip
    words = BY_NAME[kind].sentence if kind in BY_NAME else limit_check.sentence
    assert "P is unknown V" in sentence(alert, words)


def test_a_change_into_the_deadband_is_told() -> None:
    inf = float("inf")
    high = np.array([[inf, 100.0, inf, 110.0, inf]]).T
    limits = plain_limits(np.full((5, 1), -inf), high, np.array([2.0]))
    assert limits.crossed(0, 2, 99.0) is None


def test_an_alarm_rises_though_the_clock_went_back() -> None:
    one = np.array([1], np.int64)
    enter = np.full((20, 1), 4, np.uint8)
    time = np.arange(20) * SECOND
    time[0] += 3600 * SECOND  # the first violating packet's stamp is damaged
    none = np.empty((0, 1))
    t = Monitor(one * 5, one * 0, one).feed(time, time, Scores(enter, enter, none, none, none))
    assert t.row.tolist() == [4]


@pytest.mark.parametrize(
    "headers",
    [
        (*PACKETS_HEADERS, ("time_offset_ns", None)),
        (*PACKETS_HEADERS, ("time_offset_ns", b"9" * 30)),
        (("kind", None), ("kind", b"packets")),
    ],
)
def test_odd_headers_are_an_unknown_kind(headers: Any) -> None:
    assert classify(headers) == (Kind.UNKNOWN, 0)


def test_a_container_slower_than_the_jump_bound_is_heard() -> None:
    events: list[tuple[str, float]] = []
    for k in range(4):
        events += [("row", 600.0 * k)]
        events += [("tick", 600.0 * k + s) for s in range(100, 600, 100)]
    n = len(events)
    reception = [at for _, at in events]
    z = np.zeros(n, np.int64)
    batch = PacketBatch(
        np.zeros(16, np.uint8), z, np.ones(n, np.int32), np.zeros(n, np.uint16),
        np.zeros(n, np.uint16), ((START + np.array(reception)) * SECOND).astype(np.int64), z,
        np.arange(n), np.zeros(n, np.uint8), np.arange(n, dtype=np.int32), z,
    )  # fmt: skip
    is_row = np.array([kind == "row" for kind, _ in events])
    at = np.flatnonzero(is_row)
    time = batch.reception_ns[at]
    given = Rows(
        0,
        at,
        time,
        np.zeros((4, 1), np.uint64),
        np.ones((4, 1)),
        np.zeros((4, 1), np.uint8),
        np.zeros((4, 0), np.uint8),
        np.zeros(0, np.uint8),
    )
    found = Order(np.array([0]), TimeSettings()).feed(batch, given, np.flatnonzero(~is_row))
    (piece,) = found.pieces
    assert len(piece.ordered.time_ns) == 4
    assert not len(found.late)


def test_one_wrong_tick_is_ignored() -> None:
    reader = PacketReader()
    seconds = [100, 101, 3700, 102, 103, 2**33, 104]
    records = [RawRecord(i, encode_tick(s * SECOND), TICK_HEADERS) for i, s in enumerate(seconds)]
    batch, _ = reader.feed(records)
    assert (batch.reception_ns // SECOND).tolist() == [101, 102, 103, 104]


def test_linear_between_extremes_stays_finite() -> None:
    got = resampled(ResampleRule(method="linear"), [(0.5, 1.5e308), (1.5, -1.5e308), (2.5, 0.0)])
    assert all(x is None or abs(x) < float("inf") for _, x, _ in got)


def test_one_huge_value_does_not_blind_the_forecast(rng: np.random.Generator) -> None:
    x = 0.5 * np.arange(150) + rng.normal(0, 0.2, 150)
    x[10] = 1e200
    scores = forecaster(high=100.0).feed(grid(x))
    assert (scores.enter[:, 0] == 2).any()


def test_a_full_reorder_buffer_keeps_the_order() -> None:
    late = [1000.0 + k / 100 for k in range(600)]
    late.insert(400, late[400] - 2.56)
    times, _, _ = ordered(TimeSettings(lateness_s=10), *rows(*late))
    assert times == sorted(times)


def test_a_jump_refused_later_has_the_same_bytes_in_any_chunking(rng: np.random.Generator) -> None:
    stream = raw_records(rng)
    whole = Chain(vehicle_mission()).feed(stream).outputs
    chain = Chain(vehicle_mission())
    single = [pair for record in stream for pair in chain.feed([record]).outputs]
    assert [o.value for _, o in whole] == [o.value for _, o in single]
    rejects = [orjson.loads(o.value) for _, o in whole if o.topic == topics.REJECTS]
    assert any(r["data"] for r in rejects)


def test_quality_bits_are_the_published_ones() -> None:
    assert [q.value for q in Quality] == [1, 2, 4, 8, 16, 32, 64, 128]


def test_beyond_the_limit_is_not_ahead_of_it() -> None:
    alert: dict[str, Any] = BASE | {
        "monitor": {"kind": "time_to_limit"}, "transition": "raised", "observed": 36.9,
        "limit": 33.0, "lead_s": 0.0, "lead_80_s": [0.0, 0.0],
    }  # fmt: skip
    told = sentence(alert, TimeToLimit.sentence)
    assert "will cross" not in told
    assert "beyond 33 V already" in told
