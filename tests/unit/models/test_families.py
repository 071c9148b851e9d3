"""Departure, season, bands, resonance, coupling and voting, on signals whose answer is known."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from jsonschema import Draft202012Validator

from pipeline.chain import Chain
from pipeline.errors import MissionError
from pipeline.mission.folder import load_mission
from pipeline.models.bands import Bands, BandsRule
from pipeline.models.coupled import REFRESH, RIDGE, WARM, Coupled, CoupledRule
from pipeline.models.departure import ROWS, Departure, DepartureRule
from pipeline.models.level import LevelModel
from pipeline.models.resonance import Resonance, ResonanceRule
from pipeline.models.seasonal import Seasonal, SeasonalRule
from pipeline.models.shared.rules import RecordRule
from pipeline.models.shared.spectrum import HOP, frequencies, tables
from pipeline.models.voting import Voting, VotingRule
from pipeline.timeline.phases import Phases, phase_of
from schemas import topics
from schemas.columns import NO_VERDICT, Grid, Quality, Rows
from schemas.mission import Level
from schemas.records import PACKETS_HEADERS, TICK_HEADERS, RawRecord, encode_packets, encode_tick
from tests.unit.alarms.test_alarms import SCHEMA, SECOND
from tests.unit.mdb.test_mdb import document
from tests.unit.models.test_models import parameter

Rng = np.random.Generator
CENTISECOND = SECOND // 100  # 100 Hz


def rows(*columns: Any, period_ns: int = SECOND, quality: Any = None) -> Grid:
    value = np.column_stack(columns).astype(float)
    q = np.zeros(value.shape, np.uint8) if quality is None else np.asarray(quality, np.uint8)
    time, none = np.arange(len(value)) * period_ns, np.zeros(0, np.int64)
    return Grid(time, np.arange(len(value)), value, q, none, none, none, none)


def said(model: Any, given: Grid) -> list[list[int]]:
    """Rows in which something is said, of each parameter."""
    enter = model.feed(given).enter
    return [np.flatnonzero((e > 0) & (e != NO_VERDICT)).tolist() for e in enter.T]


def test_a_spike_within_the_range_is_seen_by_departure_alone(rng: Rng) -> None:
    wander = 10 * np.sin(np.arange(4000) / 300.0) + rng.normal(0, 0.1, 4000)
    wander[3000] += 12.0 if wander[3000] < 0 else -12.0
    assert said(LevelModel([parameter()], SECOND, [RecordRule()]), rows(wander)) == [[]]
    model = Departure([parameter()], SECOND, [DepartureRule()])
    (found,) = said(model, rows(wander))
    assert found[0] == 3000
    # the mean of the rows before, as numpy has it
    predicted = model.feed(rows(wander)).predicted[500, 0]
    assert predicted == pytest.approx(wander[500 - ROWS : 500].mean(), abs=1e-12)


def test_an_old_value_at_the_wrong_time_of_the_orbit(rng: Rng) -> None:
    """From the third turn on it knows the profile; six rows of last turn's noon at midnight."""
    turn = np.sin(2 * np.pi * np.arange(6000) / 600)
    x = turn + rng.normal(0, 0.02, 6000)
    x[5400:5406] = 0.9  # where it should pass through 0
    assert said(LevelModel([parameter()], SECOND, [RecordRule()]), rows(x)) == [[]]
    model = Seasonal([parameter()], SECOND, [SeasonalRule(period_s=600)])
    scores = model.feed(rows(x))
    assert np.flatnonzero((scores.enter[:, 0] > 0) & (scores.enter[:, 0] != NO_VERDICT))[0] == 5400
    assert np.isnan(scores.predicted[:1200, 0]).all()
    assert np.abs(scores.predicted[1300:5400, 0] - turn[1300:5400]).max() < 0.11
    with pytest.raises(ValueError, match="period_s"):
        Seasonal([parameter()], SECOND, [SeasonalRule()])


def test_a_tone_has_its_variance_in_its_bin() -> None:
    """Hann's window leaves a whole tone's power in three bins; all of them are its variance."""
    made, n = tables(), np.arange(64)
    tone = 3.0 * np.sin(2 * np.pi * 10 * n / 64 + 0.3)
    power = (tone @ made.cosine) ** 2 + (tone @ made.sine) ** 2
    assert power.sum() == pytest.approx(4.5, rel=1e-9)
    assert set(np.argsort(power)[-3:]) == {8, 9, 10}
    assert frequencies(CENTISECOND)[9] == pytest.approx(15.625)


def vibration(rng: Rng, n: int = 12000) -> Any:
    """A pump at 12 Hz in noise, sampled at 100 Hz."""
    return 3 * np.sin(2 * np.pi * 12 * np.arange(n) / 100) + rng.normal(0, 0.3, n)


def test_a_band_that_rises_is_named_and_the_level_does_not_see_it(rng: Rng) -> None:
    rule = BandsRule(edges_hz=(5.0, 20.0, 25.0, 40.0), names=("pump", "blade", "rest"))
    x, t = vibration(rng), np.arange(12000) / 100
    x[10000:] += 1.5 * np.sin(2 * np.pi * 22.5 * t[10000:])
    assert said(LevelModel([parameter()], CENTISECOND, [RecordRule()]), rows(x)) == [[]]
    model = Bands([parameter()], CENTISECOND, [rule])
    scores = model.feed(rows(x, period_ns=CENTISECOND))
    found = np.flatnonzero((scores.enter[:, 0] > 0) & (scores.enter[:, 0] != NO_VERDICT))
    assert len(found)
    assert 10000 <= found[0] < 10000 + 64 + 10 * HOP
    told = {model.evidence(0, scores.detail[i, :, 0])["feature"] for i in found.tolist()}
    assert "log of the amplitude of blade, 20 to 25 Hz" in told


def test_impacts_are_seen_by_kurtosis_or_crest_factor(rng: Rng) -> None:
    """A bearing's first knocks: within the range of all that was, but in a calm stretch."""
    x = rng.normal(0, 1.0, 16000)
    x[8000:] = rng.normal(0, 0.2, 8000)
    x[14000:14400:50] += 3.0
    model = Bands([parameter()], CENTISECOND, [BandsRule(let_go=100)])
    scores = model.feed(rows(x, period_ns=CENTISECOND))
    enter = scores.enter[:, 0]
    found = np.flatnonzero((enter > 0) & (enter != NO_VERDICT) & (np.arange(16000) >= 14000))
    assert len(found)
    told = {model.evidence(0, scores.detail[i, :, 0])["feature"] for i in found.tolist()}
    assert told & {"kurtosis", "crest factor"}


def test_a_resonance_that_sinks(rng: Rng) -> None:
    """18 Hz is 15 Hz after a third of the stiffness is gone: no louder than before."""
    n = 14000
    hz = np.where(np.arange(n) < 12000, 18.0, 15.0)
    x = np.sin(2 * np.pi * np.cumsum(hz) / 100) + rng.normal(0, 0.3, n)
    model = Resonance([parameter()], CENTISECOND, [ResonanceRule(low_hz=10, high_hz=25)])
    scores = model.feed(rows(x, period_ns=CENTISECOND))
    enter = scores.enter[:, 0]
    found = np.flatnonzero((enter > 0) & (enter != NO_VERDICT))
    assert len(found)
    assert 12000 <= found[0] < 12000 + 20 * HOP
    told = model.evidence(0, scores.detail[found[-1], :, 0])
    assert 14.5 < told["feature_value"] < 16.5
    assert told["record"][0] > 17
    with pytest.raises(ValueError, match="two bins"):
        Resonance([parameter()], CENTISECOND, [ResonanceRule(low_hz=60, high_hz=70)])


def test_of_noise_a_resonance_says_nothing(rng: Rng) -> None:
    x = np.sin(2 * np.pi * 3 * np.arange(8000) / 100) + rng.normal(0, 0.02, 8000)
    model = Resonance([parameter()], CENTISECOND, [ResonanceRule(low_hz=30, high_hz=40)])
    assert (model.feed(rows(x, period_ns=CENTISECOND)).enter[:, 0] == NO_VERDICT).all()


def subsystem(rng: Rng, n: int) -> Any:
    """A drives; B and C follow it, each with noise."""
    a = np.cumsum(rng.normal(0, 1, n)) * 0.1 + 5 * np.sin(np.arange(n) / 40)
    return [a, 2 * a + rng.normal(0, 0.1, n), -a + 3 + rng.normal(0, 0.1, n)]


def test_the_expected_value_is_the_conditional_mean(rng: Rng) -> None:
    """Against numpy's own regression over the rows that the inverse knows."""
    n = WARM + 6 * REFRESH
    x = np.column_stack(subsystem(rng, n + 1))
    model = Coupled([parameter()] * 3, SECOND, [CoupledRule(memory=1e12)] * 3)
    predicted = model.feed(rows(*x.T)).predicted[n]
    extent, before = np.ptp(x[: n + 1], 0), np.ptp(x[:n], 0)  # of the row itself none is expected
    seen = [np.ptp(x[: i + 1], 0) for i in range(n)]
    mean, spread = np.zeros(3), np.zeros((3, 3))
    for i in range(n):  # as in the docstring, with α = 1/rows
        d = np.divide(x[i] - mean, seen[i], out=np.zeros(3), where=seen[i] > 0).clip(-4, 4)
        share = 1 / (i + 1)
        mean += share * (x[i] - mean)
        spread = (1 - share) * (spread + share * np.outer(d, d))
    c = spread + RIDGE * np.eye(3)
    d = (x[n] - mean) / extent
    for j in range(3):
        others = [k for k in range(3) if k != j]
        weights = np.linalg.solve(c[np.ix_(others, others)], c[others, j])
        expected = mean[j] + before[j] * (weights @ d[others])
        assert predicted[j] == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_the_parameter_that_leaves_the_others_is_named(rng: Rng) -> None:
    """B is off by a fifth of its range, which none of the six leaves."""
    a, b, c = subsystem(rng, 3000)
    more = [k * a + rng.normal(0, 0.1, 3000) for k in (1.5, -2.0, 3.0)]
    b[2600:2700] += 4.0 * np.sign(b[:2600].mean() - b[2600:2700])
    model = Coupled([parameter()] * 6, SECOND, [CoupledRule()] * 6)
    scores = model.feed(rows(a, b, c, *more))
    speaks = (scores.enter > 0) & (scores.enter != NO_VERDICT)
    first = np.flatnonzero(speaks.any(1))[0]
    assert 2600 <= first < 2660
    worst = np.nanargmax(np.nan_to_num(np.abs(scores.score[first : first + 60])).max(0))
    assert worst == 1
    assert not speaks[:2600].any()


def test_nothing_is_said_of_a_row_in_which_one_is_not_heard(rng: Rng) -> None:
    x = subsystem(rng, 1000)
    quality = np.zeros((1000, 3), np.uint8)
    quality[900:, 2] = Quality.HELD
    scores = Coupled([parameter()] * 3, SECOND, [CoupledRule()] * 3).feed(rows(*x, quality=quality))
    assert (scores.enter[900:] == NO_VERDICT).all()


def test_a_sensor_that_leaves_two_others_is_voted_out(rng: Rng) -> None:
    truth = np.sin(np.arange(300) / 20)
    three = [truth + rng.normal(0, 0.01, 300) for _ in range(3)]
    three[1][100:] += np.linspace(0, 4, 200)
    model = Voting([parameter()] * 3, SECOND, [VotingRule(tolerance=0.5, memory_s=20)] * 3)
    scores = model.feed(rows(*three))
    levels = np.where(scores.enter == NO_VERDICT, 0, scores.enter)
    assert set(np.unique(levels[:, [0, 2]])) == {0}
    first = np.flatnonzero(levels[:, 1])[0]
    assert 122 <= first <= 128  # 0.02 a row, 0.5 is allowed
    assert levels[first, 1] == Level.WARNING
    assert np.isnan(scores.predicted).all()  # a vote knows the row that it is of
    votes = [model.evidence(1, d)["vote"] for d in scores.detail[:, :, 1]]
    assert np.abs(votes - truth).max() < 0.05
    told = model.evidence(1, scores.detail[299, :, 1])
    assert told["members"] == 3
    assert told["off"] == pytest.approx(4, abs=0.05)
    assert told["drift_per_s"] == pytest.approx(4 / 200, rel=0.1)
    # an exponential mean of a ramp lags it by its memory
    assert told["bias"] == pytest.approx(4 - 20 * 4 / 200, abs=0.1)


def test_of_two_both_are_told_and_of_one_nothing(rng: Rng) -> None:
    a, b = rng.normal(0, 0.01, 100), rng.normal(0, 0.01, 100)
    b[50:] += 1
    quality = np.zeros((100, 2), np.uint8)
    quality[80:, 1] = Quality.STALE
    model = Voting([parameter()] * 2, SECOND, [VotingRule(tolerance=0.5)] * 2)
    enter = model.feed(rows(a, b, quality=quality)).enter
    assert (enter[:50] == 0).all()
    assert (enter[50:80] == Level.WATCH).all()
    assert (enter[80:] == NO_VERDICT).all()


@pytest.mark.parametrize("n", [3, 4, 5, 8])
def test_the_vote_is_the_median(rng: Rng, n: int) -> None:
    x = rng.normal(0, 1, (200, n))
    model = Voting([parameter()] * n, SECOND, [VotingRule(tolerance=0.5)] * n)
    detail = model.feed(rows(*x.T)).detail
    votes = [[model.evidence(j, d[:, j])["vote"] for j in range(n)] for d in detail]
    assert (np.array(votes) == np.median(x, 1)[:, None]).all()


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: Voting([parameter()], SECOND, [VotingRule(tolerance=1)]), "names 1 parameters"),
        (lambda: Voting([parameter()] * 2, SECOND, [VotingRule()] * 2), "tolerance must be given"),
        (lambda: Coupled([parameter()] * 65, SECOND, [CoupledRule()] * 65), "names 65 parameters"),
    ],
)
def test_sets_that_cannot_be_looked_at_are_refused(make: Callable[[], Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        make()


TYPES = (
    '<IntegerParameterType name="U11"><IntegerDataEncoding sizeInBits="11"/></IntegerParameterType>'
    '<FloatParameterType name="F"><FloatDataEncoding sizeInBits="32"/></FloatParameterType>'
)
NAMES = ("A1", "A2", "A3", "B1")
PARAMETERS = '<Parameter name="APID" parameterTypeRef="U11"/>' + "".join(
    f'<Parameter name="{n}" parameterTypeRef="F"/>' for n in NAMES
)
START = (
    '<LocationInContainerInBits referenceLocation="containerStart"><FixedValue>{}</FixedValue>'
    "</LocationInContainerInBits>"
)
CONTAINERS = (
    '<SequenceContainer name="R" abstract="true"><EntryList><ParameterRefEntry parameterRef="APID">'
    f"{START.format(5)}</ParameterRefEntry></EntryList></SequenceContainer>"
    '<SequenceContainer name="C"><EntryList><ParameterRefEntry parameterRef="A1">'
    f"{START.format(48)}</ParameterRefEntry>"
    + "".join(f'<ParameterRefEntry parameterRef="{n}"/>' for n in NAMES[1:])
    + '</EntryList><BaseContainer containerRef="R"><RestrictionCriteria>'
    '<Comparison parameterRef="APID" value="1"/></RestrictionCriteria></BaseContainer>'
    "</SequenceContainer>"
)
EVERY = """
[[resample]]
hz = 10
[[residual]]
enabled = false
[[time_to_limit]]
enabled = false
[[flat]]
enabled = false
[[departure]]
enabled = true
[[seasonal]]
enabled = true
period_s = 30
[[bands]]
enabled = true
edges_hz = [0.5, 2, 4]
[[resonance]]
enabled = true
low_hz = 0.5
high_hz = 3
[[coupled]]
enabled = true
[[voting]]
match = "A?"
enabled = true
tolerance = 2
"""


def mission(folder: Path, settings: str) -> Any:
    (folder / "x.xml").write_text(document(TYPES, PARAMETERS, CONTAINERS))
    (folder / "mission.toml").write_text(f'name = "m"\nxtce = "x.xml"\n{settings}')
    return load_mission(folder)


def test_from_mission_toml_to_alerts_that_hold_to_their_schema(tmp_path: Path, rng: Rng) -> None:
    chain, records, base = Chain(mission(tmp_path, EVERY)), [], 1_700_000_000 * SECOND
    n = 9000
    truth = np.sin(2 * np.pi * np.arange(n) / 300) + 0.3 * np.sin(2 * np.pi * np.arange(n) / 9)
    values = truth[:, None] * [1, 1, 1, 2] + rng.normal(0, 0.05, (n, 4))
    values[8000:8010, 1] += 5.0
    values[8500:8700, 3] = rng.normal(0, 0.05, 200)
    for i, row in enumerate(values.tolist()):
        time = base + i * SECOND // 10
        packet = struct.pack(">HHH4f", 1, 0xC000 | i & 0x3FFF, 15, *row)
        records.append(RawRecord(len(records), encode_packets([time], packet), PACKETS_HEADERS))
        if i % 10 == 9:
            tick = encode_tick(time + SECOND // 10)
            records.append(RawRecord(len(records), tick, TICK_HEADERS))
    fed = chain.feed(records).outputs
    alerts = [orjson.loads(o.value) for _, o in fed if o.topic == topics.ALERTS]
    for alert in alerts:
        Draft202012Validator(orjson.loads(SCHEMA.read_bytes())).validate(alert)
    kinds = {a["monitor"]["kind"] for a in alerts if a["transition"] == "raised"}
    assert kinds >= {"departure", "seasonal", "bands", "coupled", "voting"}
    voted = next(a for a in alerts if a["monitor"]["kind"] == "voting")
    assert voted["parameter"] == "/S/A2"
    assert "where the 3 sensors of it vote" in voted["sentence"]
    assert "2 is allowed (warning)." in voted["sentence"]


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ("[[voting]]\nenabled = true\n", "tolerance must be given"),
        ('[[voting]]\nmatch = "B1"\nenabled = true\ntolerance = 1\n', "names 1 parameters"),
        ("[[seasonal]]\nenabled = true\n", "period_s must be given"),
        ("[[bands]]\nedges_hz = [3, 2]\n", "edges_hz must rise"),
        ('[[bands]]\nedges_hz = [1, 2]\nnames = ["a", "b"]\n', "one a band"),
        ("[[bands]]\nedges_hz = 3\n", "must be a list"),
        ("[[bands]]\nenabled = true\nedges_hz = [100, 200]\n", "no bin of the spectrum"),
        ("[[seasonal]]\nenabled = true\nperiod_s = 1e-12\n", "4 rows or more"),
        ("[[resonance]]\nenabled = true\nlow_hz = 3\nhigh_hz = 2\n", "is not below"),
        ("[[resonance]]\nenabled = true\nlow_hz = 2\nhigh_hz = 2.1\n", "two bins or more"),
        ("[[coupled]]\nmemory = 1\n", "memory = 1"),
    ],
)
def test_settings_that_mean_nothing_are_refused(tmp_path: Path, settings: str, why: str) -> None:
    with pytest.raises(MissionError, match=why):
        Chain(mission(tmp_path, settings))


def test_what_is_nominal_on_the_pad_is_not_in_ascent(tmp_path: Path, rng: Rng) -> None:
    """A1 is about 0 in phase 1 and about 10 in phase 2. Without phases every change of them is
    news; with them only the 0.5 in phase 2 is."""
    heads = "[[level]]\nmatch = 'A1'\nenabled = true\n[[resample]]\nhz = 10\n" + "".join(
        f"[[{k}]]\nenabled = false\n" for k in ("residual", "time_to_limit", "flat")
    )
    phases = '[phases]\nparameter = "B1"\nlabels = ["1", "2"]\n'
    n, base = 8000, 1_700_000_000 * SECOND
    phase = np.arange(n) // 2000 % 2 + 1
    a1 = 10.0 * (phase - 1) + rng.uniform(0, 1, n)
    a1[7500:7510] = 0.5
    found = {}
    for words in ("", phases):
        chain, records = Chain(mission(tmp_path, words + heads)), []
        for i in range(n):
            time = base + i * SECOND // 10
            packet = struct.pack(">HHH4f", 1, 0xC000 | i & 0x3FFF, 15, a1[i], 0, 0, phase[i])
            records.append(RawRecord(i, encode_packets([time], packet), PACKETS_HEADERS))
        parts = (records[k : k + 1000] for k in range(0, n, 1000))
        outputs = [o for part in parts for _, o in chain.feed(part).outputs]
        alerts = [orjson.loads(o.value) for o in outputs if o.topic == topics.ALERTS]
        for alert in alerts:
            Draft202012Validator(orjson.loads(SCHEMA.read_bytes())).validate(alert)
        found[words] = [a for a in alerts if a["transition"] == "raised"]
    assert {2000, 4000, 6000} <= {a["input"]["first_offset"] // 10 * 10 for a in found[""]}
    (raised,) = found[phases]
    assert 7500 <= raised["input"]["last_offset"] <= 7503
    assert raised["phase"] == "2"
    assert 9.9 < raised["record"][0] < raised["record"][1] < 11.1


def _told(*said: tuple[int, int]) -> dict[int, Rows]:
    """(time, phase) of packets, in order of arrival."""
    n, none = len(said), np.zeros((0, 0), np.uint8)
    time, value = (np.array(column, np.int64) for column in zip(*said, strict=True))
    quality = np.zeros((n, 1), np.uint8)
    raw = np.zeros((n, 1), np.uint64)
    return {0: Rows(0, np.arange(n), time, raw, value[:, None].astype(float), quality, none, none)}


@pytest.mark.parametrize(
    ("said", "phases"),
    [
        # one stamp far ahead, with a phase that is true
        ([(10, 1), (20, 1), (10**12, 2), (40, 2), (50, 2), (60, 2)], [1, 1, 2, 2, 2, 2]),
        # a clock that is set back, in a phase that goes on
        ([(1000, 2), (1010, 2), (5, 2), (15, 2), (25, 2)], [2, 2, 2, 2, 2]),
        # one late packet of the phase before
        ([(10, 1), (20, 1), (30, 2), (15, 1), (40, 2), (50, 2)], [1, 1, 2, 1, 2, 2]),
        # enumerations may have several values to a label
        ([(10, 3), (20, 4), (30, 7)], [2, 2, 0]),
    ],
)
def test_a_damaged_or_late_time_begins_no_phase(
    said: list[tuple[int, int]], phases: list[int]
) -> None:
    """The phase of each packet's own row, once the packet after it was heard."""
    stage = Phases(((1.0,), (2.0, 3.0, 4.0)), {0: 0}, 1000)
    changes = stage.feed(_told(*said))
    times, n = np.array([t for t, _ in said]), len(said)
    assert phase_of(times, np.minimum(np.arange(n) + 1, n - 1), changes).tolist() == phases


def test_a_window_does_not_reach_over_a_gap_of_which_the_first_row_is_bad() -> None:
    x = np.concatenate([np.zeros(500), np.full(500, 50.0)])
    quality = np.zeros((1000, 1), np.uint8)
    quality[500] = Quality.AFTER_GAP | Quality.OUT_OF_RANGE
    predicted = (
        Departure([parameter()], SECOND, [DepartureRule()])
        .feed(rows(x, quality=quality))
        .predicted[:, 0]
    )
    assert np.isnan(predicted[500 : 500 + ROWS]).all()
    assert (predicted[501 + ROWS :] == 50).all()


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('parameter = "NONE"\nlabels = ["1"]', "is not in"),
        ('parameter = "B1"', "labels must be 1 to 16"),
        ('parameter = "B1"\nlabels = ["PAD"]', "no label of B1"),
        ('parameter = "B1"\nlabels = 3', "must be a list"),
        ('parameter = "B1"\nlabels = [3]', "no label of B1"),
        ('parameter = "B1"\nlabels = ["--5"]', "no label of B1"),
        ('parameter = "B1"\nlabels = ["1", "1"]', "twice"),
    ],
)
def test_phases_that_are_none_are_refused(tmp_path: Path, line: str, why: str) -> None:
    with pytest.raises(MissionError, match=why):
        mission(tmp_path, f"[phases]\n{line}\n")


def _computers(folder: Path, settings: str) -> Any:
    """Three flight computers, each with a packet of its own and one sensor of the same quantity."""
    parameters = '<Parameter name="APID" parameterTypeRef="U11"/>' + "".join(
        f'<Parameter name="P_{n}" parameterTypeRef="F"/>' for n in "ABC"
    )
    containers = CONTAINERS[: CONTAINERS.index('<SequenceContainer name="C">')] + "".join(
        f'<SequenceContainer name="C{n}"><EntryList><ParameterRefEntry parameterRef="P_{n}">'
        f'{START.format(48)}</ParameterRefEntry></EntryList><BaseContainer containerRef="R">'
        f'<RestrictionCriteria><Comparison parameterRef="APID" value="{k + 1}"/>'
        "</RestrictionCriteria></BaseContainer></SequenceContainer>"
        for k, n in enumerate("ABC")
    )
    (folder / "x.xml").write_text(document(TYPES, parameters, containers))
    (folder / "mission.toml").write_text(f'name = "m"\nxtce = "x.xml"\n{settings}')
    return load_mission(folder)


VOTE = '[[voting]]\nmatch = "P_?"\nenabled = true\ntolerance = 1\nacross = true\n'


def test_flight_computers_vote_across_their_containers(tmp_path: Path, rng: Rng) -> None:
    """C leaves the others at second 200; A is silent from 300 on, so two are left that differ."""
    made, records, base = _computers(tmp_path, VOTE), [], 1_700_000_000 * SECOND
    for t in range(400):
        for k in range(3):
            if k == 0 and t >= 300:
                continue
            value = np.sin(t / 9) + (2.5 if k == 2 and t >= 200 else 0.0)
            packet = struct.pack(">HHHf", k + 1, 0xC000 | t, 3, value)
            time = base + t * SECOND + k * SECOND // 5
            records.append(RawRecord(len(records), encode_packets([time], packet), PACKETS_HEADERS))
        tick = encode_tick(base + (t + 1) * SECOND)
        records.append(RawRecord(len(records), tick, TICK_HEADERS))
    whole = [o for _, o in Chain(made).feed(records).outputs]
    alerts = [orjson.loads(o.value) for o in whole if o.topic == topics.ALERTS]
    votes = [a for a in alerts if a["monitor"]["kind"] == "voting"]
    for alert in votes:
        Draft202012Validator(orjson.loads(SCHEMA.read_bytes())).validate(alert)
    told = [(a["parameter"], a["level_after"]) for a in votes]
    assert told[0] == ("/S/P_C", "warning")
    assert 200 <= (votes[0]["generation_ns"] / SECOND - 1_700_000_000) <= 206
    assert votes[0]["members"] == 3
    assert set(told[1:]) == {("/S/P_B", "watch"), ("/S/P_C", "watch")}
    assert all(a["members"] == 2 for a in votes[1:])

    pieces, other = Chain(made), Chain(made)  # however it is cut, and restored in between
    outputs, at = [], 0
    while at < len(records):
        end = at + int(rng.integers(1, 40))
        outputs += [o for _, o in pieces.feed(records[at:end]).outputs]
        other.restore(pieces.snapshot())
        pieces, other, at = other, pieces, end
    assert [(o.id, o.value) for o in outputs] == [(o.id, o.value) for o in whole]


def test_a_relation_across_containers_is_one_of_its_phase(tmp_path: Path, rng: Rng) -> None:
    """A says the phase. C follows B in phase 1 and mirrors it in phase 2, until it follows it there
    too: of all phases together there is no relation to break."""
    settings = '[[coupled]]\nmatch = "P_[BC]"\nenabled = true\nacross = true\n' + "".join(
        f"[[{k}]]\nenabled = false\n" for k in ("residual", "time_to_limit", "flat")
    )
    phases = '[phases]\nparameter = "P_A"\nlabels = ["1", "2"]\n'
    n, base = 4000, 1_700_000_000 * SECOND
    phase = np.arange(n) // 1000 % 2 + 1
    b = np.sin(np.arange(n) / 9) + rng.normal(0, 0.02, n)
    c = np.where(phase == 2, -b, b) + rng.normal(0, 0.02, n)
    c[3800:3810] = 0.7
    b[3800:3810] = 0.7
    found = {}
    for words in ("", phases):
        records = []
        for t in range(n):
            for k, value in enumerate((phase[t], b[t], c[t])):
                packet = struct.pack(">HHHf", k + 1, 0xC000 | t & 0x3FFF, 3, value)
                time = base + t * SECOND + k * SECOND // 5
                records.append(
                    RawRecord(len(records), encode_packets([time], packet), PACKETS_HEADERS)
                )
            tick = encode_tick(base + (t + 1) * SECOND)
            records.append(RawRecord(len(records), tick, TICK_HEADERS))
        outputs = Chain(_computers(tmp_path, words + settings)).feed(records).outputs
        alerts = [orjson.loads(o.value) for _, o in outputs if o.topic == topics.ALERTS]
        found[words] = [
            (a["phase"] if words else "", round(a["generation_ns"] / SECOND - 1_700_000_000))
            for a in alerts
            if a["monitor"]["kind"] == "coupled" and a["transition"] == "raised"
        ]
    assert not [t for _, t in found[""] if 3795 <= t <= 3815]
    assert found[phases]
    assert all(p == "2" and 3800 <= t <= 3811 for p, t in found[phases])


def test_a_vote_across_of_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissionError, match=r"\[\[voting\]\] across containers: .*names 1"):
        Chain(_computers(tmp_path, VOTE.replace("P_?", "P_A")))
