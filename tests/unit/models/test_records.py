"""The families that judge by records, on signals whose answer is known."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from jsonschema import Draft202012Validator

from pipeline.chain import Chain
from pipeline.errors import MissionError
from pipeline.mission.folder import load_mission
from pipeline.models.activity import FLOOR, Activity
from pipeline.models.forecaster import TERMS, Forecaster
from pipeline.models.level import LevelModel
from pipeline.models.seasonal import Seasonal, SeasonalRule
from pipeline.models.shape import BOOK, POINTS, RADIUS, SKIP, STRIDES, Shape
from pipeline.models.shared.extent import HISTORY
from pipeline.models.shared.record import CALM, CAUTION, LEAST, PATIENCE, SETTLE
from pipeline.models.shared.rules import LEAST_HISTORY, RecordRule
from pipeline.models.shared.window import ROWS
from schemas import topics
from schemas.columns import NO_VERDICT, Quality
from schemas.records import PACKETS_HEADERS, TICK_HEADERS, RawRecord, encode_packets, encode_tick
from tests.unit.alarms.test_alarms import SCHEMA, SECOND
from tests.unit.lane.test_health import CONTAINERS, PARAMETERS, TYPES
from tests.unit.mdb.test_mdb import document
from tests.unit.models.test_models import grid, parameter

Rng = np.random.Generator


def said(family: Any, x: Any, quality: Any = 0, **rule: Any) -> Any:
    """Rows in which a family says something."""
    model = family([parameter()], SECOND, [RecordRule(**rule)])
    enter = model.feed(grid(x, quality)).enter[:, 0].copy()
    return np.flatnonzero((enter > 0) & (enter != NO_VERDICT))


def test_a_value_beyond_all_before_and_one_within(rng: Rng) -> None:
    """The margin at row n is .2 · (1 + CAUTION / n) of the extent, of rows that waited."""
    x = rng.uniform(0, 1, 1000)
    x[900 - 2 * PATIENCE : 900] = 0.5
    margin = 0.2 * (1 + CAUTION / 900) * np.ptp(x[:900])
    x[900] = x[:900].max() + 1.01 * margin
    assert said(LevelModel, x).tolist() == [900]
    x[900] = x[:900].max() + 0.99 * margin
    assert not len(said(LevelModel, x))
    x[900] = x[:900].min() - 1.01 * margin
    assert said(LevelModel, x).tolist() == [900]


def test_a_fault_that_creeps_does_not_teach_the_limits() -> None:
    """It grows by a tenth of the margin a row; learnt at once, nothing would ever be said."""
    x = np.concatenate([np.arange(2000) % 2.0, 1.0 + 0.04 * np.arange(200)])
    found = said(LevelModel, x)
    assert len(found)
    assert found[0] < 2000 + 2 * PATIENCE


def test_nothing_is_said_before_there_is_a_past() -> None:
    x = np.arange(LEAST + 1) % 2.0
    x[LEAST - 1] = 1e6
    assert not len(said(LevelModel, x))


def test_the_same_in_millivolts_and_megavolts(rng: Rng) -> None:
    """Every family measures in what the parameter itself has shown."""
    x = np.sin(np.arange(1500) / 7) + rng.normal(0, 0.01, 1500)
    x[1200:1230] = 3.0
    for family in (LevelModel, Activity, Shape, Forecaster):
        rows = said(family, x).tolist()
        assert set(rows) & set(range(1200, 1264))
        # powers of two, so that nothing is rounded otherwise
        assert said(family, x * 2.0**-20).tolist() == rows
        assert said(family, x * 2.0**30).tolist() == rows


def test_an_old_value_at_the_wrong_place_is_seen_by_shape_alone() -> None:
    """A sine that stands still for a moment never leaves its range."""
    x = np.round(np.sin(np.arange(3000) * 2 * np.pi / 100), 3)
    x[2500:2520] = x[2500]
    assert not len(said(LevelModel, x))
    assert set(said(Shape, x)) <= set(range(2500, 2580))
    assert len(said(Shape, x))
    assert not len(said(Shape, np.round(np.sin(np.arange(3000) * 2 * np.pi / 100), 3)))


def test_a_shape_within_the_radius_is_known_whatever_the_record_is() -> None:
    """Once what the book learnt at first has left the history, the record of its distance is 0."""
    x = np.tile([0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0], 250)
    x[1497] = 0.9 * RADIUS * POINTS**0.5  # 0.9 RADIUS from the nearest entry
    assert not len(said(Shape, x, history=600))
    x[1497] = 1.1 * RADIUS * POINTS**0.5
    assert said(Shape, x, history=600)[0] == 1497


def test_a_forecaster_learns_what_switches_now_and_then(rng: Rng) -> None:
    """Learnt from its worst rows alone, all are wrong by about as much: .41 for the flag."""
    flag = (rng.random(20_000) < 0.02) * 1.0
    square = np.where(np.arange(20_000) // 40 % 2, 1.0, -1.0)
    for x, most in ((flag, 0.05), (square, 0.1)):
        model = Forecaster([parameter()], SECOND, [RecordRule()])
        predicted = model.feed(grid(x)).predicted[5000:, 0]
        assert np.median(np.abs(predicted - x[5000:])) < most
    x = square.copy()
    x[15_000:15_400] += rng.normal(0, 0.5, 400)
    assert len(set(said(Forecaster, x)) & set(range(15_000, 15_400))) > 200


def test_a_season_that_begins_with_a_zero(rng: Rng) -> None:
    """What stands at power-on is no scale for what comes."""
    t = np.arange(31_000)
    x = 1e9 + np.sin(t * 2 * np.pi / 640) + rng.normal(0, 0.01, len(t))
    x[0], x[30_000:30_300] = 0.0, x[30_000:30_300] + 2.0
    model = Seasonal([parameter()], SECOND, [SeasonalRule(period_s=640, history=400)])
    enter = model.feed(grid(x)).enter[:, 0]
    odd = (enter > 0) & (enter != NO_VERDICT)
    assert odd[30_000:30_300].mean() > 0.5


def test_a_book_as_it_is_written(rng: Rng) -> None:
    """Row by row against distances by numpy in double precision, to every entry of the book."""
    x = np.repeat(rng.normal(0, 1, 40), 8)[rng.integers(0, 4, 700).cumsum() % 320]
    model = Shape([parameter()], SECOND, [RecordRule()])
    found = dict.fromkeys(("known", "learnt"), 0)
    for row in range(len(x)):
        before = {k: v.copy() for k, v in model.state.items()}
        model.feed(grid(x[row : row + 1]))
        first, scale = before["first"][0], before["scale"][0]
        if row < (POINTS - 1) * max(STRIDES) or scale == 0.0:
            continue
        radius = RADIUS * np.ptp(x[: row + 1])
        for s, stride in enumerate(STRIDES):
            window = (x[row - (POINTS - 1) * stride : row + 1 : stride] - first) * scale
            book, after = before["book"][0, s], model.state["book"][0, s]
            far = np.sqrt(((window[:, None] - book) ** 2).mean(0)) / scale
            told, changed = model._features[0, s, 0], (book != after).any(0)
            if before["missed"][0, s] >= BOOK and (row + 1) % SKIP:
                assert np.isnan(told)
                assert not changed.any()
            elif abs(far.min() / radius - 1) < 1e-4:
                continue  # either, by the last bits of single precision
            elif far.min() < radius:
                found["known"] += 1
                assert not changed.any()
                assert np.isclose(far, told, 1e-4, 1e-6).any()
                assert told <= radius * 1.0001
            else:
                found["learnt"] += 1
                assert (
                    told == pytest.approx(far.min(), 1e-4) if far.min() < np.inf else told != told
                )
                assert np.flatnonzero(changed).tolist() == [model.state["latest"][0, s]]
                assert not before["marked"][0, s] >> model.state["latest"][0, s] & 1
                np.testing.assert_array_equal(after[:, changed][:, 0], window.astype(np.float32))
    assert min(found.values()) > 50, found


@pytest.mark.parametrize(("begin", "mean"), [([0.0], 1e8), ([0.0, 1e-22], 0.0)])
def test_a_book_whose_first_scale_was_none_begins_anew(begin: list[float], mean: float) -> None:
    """At power-on a sensor says 0, or moves by next to nothing."""
    x = mean + np.round(np.sin(np.arange(30_000) * 2 * np.pi / 100), 3)
    x[: len(begin)] = begin
    x[25_000:25_020] = x[25_000]
    found = said(Shape, x)
    assert set(found) & set(range(25_000, 25_080))


def test_a_book_outlasts_a_rest() -> None:
    """Its parameter stands still for longer than any extent remembers, far from its first value."""
    pulse = np.repeat([0.0, 3.0, 0.0, 5.0], 10)
    x = np.concatenate([np.tile(pulse, 50), np.full(2 * HISTORY, 3.0), pulse])
    model = Shape([parameter()], SECOND, [RecordRule()])
    model.feed(grid(x[: 50 * len(pulse)]))
    before = model.state["book"].copy()
    model.feed(grid(x[50 * len(pulse) :]))
    assert (model.state["book"] == before).all(2).mean() > 0.5


def test_of_noise_a_book_looks_at_every_fourth_row_until_something_is_known() -> None:
    x = np.random.default_rng(1).normal(0, 1, 400)  # of another seed two windows may be alike
    x[300:] = 0.0
    model = Shape([parameter()], SECOND, [RecordRule()])
    model.feed(grid(x))
    looked = np.flatnonzero(~np.isnan(model._features[:400, 0, 0]))
    first = POINTS - 1  # of it nothing is said: the book is empty
    assert looked[: BOOK - 1].tolist() == list(range(first + 1, first + BOOK))
    assert set(np.diff(looked[(looked >= BOOK + POINTS) & (looked < 300)])) == {SKIP}
    assert looked[-60:].tolist() == list(range(340, 400))


def test_a_forecaster_hears_noise_for_a_day_and_says_nothing(rng: Rng) -> None:
    """Least squares whose spread is not symmetric come apart after some 37,000 rows."""
    model = Forecaster([parameter()], SECOND, [RecordRule()])
    said_ = 0
    for _ in range(8):
        enter = model.feed(grid(rng.normal(0, 1, 10_000))).enter
        said_ += int(((enter > 0) & (enter != NO_VERDICT)).sum())
    spread = model.state["spread"].reshape(TERMS, TERMS)
    np.testing.assert_array_equal(spread, spread.T)
    assert np.linalg.eigvalsh(spread).min() > 0
    assert model.state["error"][0] < 1.5
    assert said_ <= 20


@pytest.mark.parametrize("history", [1, 20, 47, 200])
def test_a_record_that_rests_on_nothing_judges_nothing(rng: Rng, history: int) -> None:
    """A block may close before the rows in it have waited long enough to be learnt."""
    x = rng.uniform(0, 1, 6000)
    model = LevelModel([parameter()], SECOND, [RecordRule(history=history)])
    scores = model.feed(grid(x))
    odd = (scores.enter[:, 0] > 0) & (scores.enter[:, 0] != NO_VERDICT)
    assert np.isfinite(scores.detail[odd, :, 0]).all()
    assert odd.mean() < 0.5 if history < LEAST_HISTORY else not odd.any()


@pytest.mark.parametrize("rows", [np.inf, 1e300, 2.0**63])
def test_rows_that_weights_claim_are_numbers(rows: float) -> None:
    model = LevelModel([parameter()], SECOND, [RecordRule()])
    told = model.evidence(0, np.array([0.0, 1.0, 0.0, 0.5, rows]))
    assert orjson.loads(orjson.dumps(told))["record_rows"] == 2**53


def test_the_window_kept_up_by_differences_is_the_window(rng: Rng) -> None:
    """Far from zero, over a gap, with a value a million times the others that comes and goes."""
    x = 1e6 + np.cumsum(rng.normal(0, 0.1, 3000)) + rng.normal(0, 1, 3000)
    x[1111] = 1e12
    quality = np.zeros(3000, np.uint8)
    quality[700] = Quality.AFTER_GAP
    model = Activity([parameter()], SECOND, [RecordRule()])
    features, none = np.empty((3000, 2, 1)), np.empty((3000, 1))
    model._extent = np.zeros((3000, 1))
    model.extract(grid(x, quality), features, none)
    for i in range(0, 3000, 7):
        window = x[max(i - ROWS + 1, 700 if i >= 700 else 0) : i + 1]
        mean, lively = features[i, :, 0]
        if len(window) < ROWS:
            assert np.isnan(mean)
            continue
        extent = np.ptp(x[: i + 1])
        want = 0.5 * np.log(window.var() + (FLOOR * extent) ** 2)
        assert abs(mean - window.mean()) < 1e-9 * extent
        assert abs(lively - want) < 1e-6


def test_a_mean_that_moves_by_less_than_the_floor_is_no_record() -> None:
    """A value that repeats exactly has one mean, and the record of it no width."""
    x = np.tile([0.0, 1.0], 1500)
    x[2000:2003:2] += 0.4 * ROWS * FLOOR
    assert not len(said(Activity, x))
    x[2000:2003:2] += 0.2 * ROWS * FLOOR
    assert len(said(Activity, x))


def test_a_parameter_that_is_a_little_less_lively_is_no_record() -> None:
    x = np.tile([0.0, 1.0], 1500)
    x[0] = -1.0  # so that half a pair more or less does not move the mean by FLOOR
    x[2500:] = 0.5 + (x[2500:] - 0.5) * 0.92
    assert not len(said(Activity, x))
    x[2500:] = 0.5 + (x[2500:] - 0.5) * 0.6
    assert len(said(Activity, x))


@pytest.mark.parametrize("factor", [10.0, 0.001])
def test_a_sensor_that_shakes_and_one_that_falls_silent(rng: Rng, factor: float) -> None:
    x = np.concatenate([rng.normal(0, 1, 2000), rng.normal(0, factor, 200)])
    found = said(Activity, x)
    assert len(found)
    assert 2000 <= found[0] < 2064


def test_what_could_be_said_and_suddenly_cannot(rng: Rng) -> None:
    x = np.sin(np.arange(4000) / 5.0)
    x[3000:3200] = rng.uniform(-1, 1, 200)
    found = said(Forecaster, x)
    assert len(found)
    assert 3000 <= found[0] < 3020
    noise = rng.uniform(-1, 1, 4000)
    assert not len(said(Forecaster, noise))


def test_after_a_gap_it_settles_first(rng: Rng) -> None:
    """Half of the first rows do not fit: the past is forgotten, nobody is told."""
    x = np.concatenate([rng.uniform(0, 1, 1000), rng.uniform(10, 11, 1000)])
    quality = np.zeros(2000, np.uint8)
    assert len(said(LevelModel, x, quality, let_go=200)) == 201
    quality[1000] = Quality.AFTER_GAP
    assert not len(said(LevelModel, x, quality))
    x[1000 + SETTLE + LEAST] = 1000.0
    assert said(LevelModel, x, quality).tolist() == [1000 + SETTLE + LEAST]


def test_what_happens_again_is_said_less_and_less(rng: Rng) -> None:
    """Half of an alarm's excess is known once it is over; the margin holds the rest in the end."""
    x = rng.uniform(0, 1, 6000)
    x[1000::500] = 3.0
    found = said(LevelModel, x).tolist()
    assert found[0] == 1000
    assert len(found) < 10
    assert 5500 not in found


def test_bad_samples_are_no_news(rng: Rng) -> None:
    x = rng.uniform(0, 1, 1000)
    x[900] = 1e6
    for bit in (Quality.INVALID, Quality.OUT_OF_RANGE, Quality.HELD, Quality.STALE):
        quality = np.zeros(1000, np.uint8)
        quality[900] = bit
        assert not len(said(LevelModel, x, quality))


def test_an_alert_tells_which_feature_and_what_record(tmp_path: Path, rng: Rng) -> None:
    """From mission.toml to an alert that holds to its schema, cleared after CALM rows."""
    (tmp_path / "x.xml").write_text(document(TYPES, PARAMETERS, CONTAINERS))
    (tmp_path / "mission.toml").write_text(
        'name = "m"\nxtce = "x.xml"\n[[level]]\nmatch = "A"\nenabled = true\n[[residual]]\n'
        "enabled = false\n[[time_to_limit]]\nenabled = false\n"
    )
    chain, records = Chain(load_mission(tmp_path)), []
    for t in range(1200):
        value = 50.0 if 1000 <= t < 1010 else float(rng.uniform(0, 1))
        for apid in (1, 2):  # the family is on for A alone
            packet = struct.pack(">HHHf", apid, 0xC000 | t, 3, value)
            content = encode_packets([(1_700_000_000 + t) * SECOND], packet)
            records.append(RawRecord(len(records), content, PACKETS_HEADERS))
        tick = encode_tick((1_700_000_000 + t + 1) * SECOND)
        records.append(RawRecord(len(records), tick, TICK_HEADERS))
    alerts = [
        orjson.loads(o.value) for _, o in chain.feed(records).outputs if o.topic == topics.ALERTS
    ]
    for alert in alerts:
        Draft202012Validator(orjson.loads(SCHEMA.read_bytes())).validate(alert)
    raised, cleared = alerts
    assert (raised["parameter"], raised["monitor"]) == (
        "/S/A",
        {"kind": "level", "name": f"level/{LevelModel.version}"},
    )
    assert raised["feature"] == "value"
    assert raised["feature_value"] == 50.0
    assert 0 <= raised["record"][0] < raised["record"][1] <= 1
    assert raised["record_rows"] == 1000
    assert "A is 50: its value is 50, beyond the" in raised["sentence"]
    assert cleared["generation_ns"] - raised["generation_ns"] == (10 + CALM - 1) * SECOND


@pytest.mark.parametrize(
    ("line", "why"),
    [("margin = 0.0", "margin"), ("history = 99", "history"), ("let_go = -1", "let_go")],
)
def test_settings_that_mean_nothing_are_refused(tmp_path: Path, line: str, why: str) -> None:
    (tmp_path / "x.xml").write_text(document(TYPES, PARAMETERS, CONTAINERS))
    (tmp_path / "mission.toml").write_text(f'name = "m"\nxtce = "x.xml"\n[[shape]]\n{line}\n')
    with pytest.raises(MissionError, match=f"mission.toml:4: .*{why}"):
        load_mission(tmp_path)
