"""Trained models: the artefact, the gate, the stages, and the budget that shows them out."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from agents.cli import main
from pipeline.chain import Chain
from pipeline.chain.budget import Budget, at_least
from pipeline.chain.control import decode_control
from pipeline.errors import FlightError, MissionError
from pipeline.flights.run import load_recording, run_flight
from pipeline.gate.calibrate import Rate
from pipeline.gate.folder import ModelFolder
from pipeline.gate.knowledge import knowledge
from pipeline.gate.report import markdown, told
from pipeline.gate.train import train
from pipeline.gate.validate import Event, timing, validate
from pipeline.gate.words import calibration_words
from pipeline.mission.folder import Mission, load_mission
from pipeline.models.families import FAMILIES
from pipeline.models.shared.contract import GroupParameter
from pipeline.simulate import simulate
from schemas import topics
from schemas.artefact import Artefact, Part, decode_artefact, encode_artefact
from schemas.columns import Grid, Transitions
from schemas.control import Control, ModelStage, encode_control
from schemas.mission import FloatEncoding, ParameterType
from schemas.records import CONTROL_HEADERS, RawRecord
from schemas.settings import GateSettings
from tests.conftest import PROJECT, demo_without_phases
from tests.laws.gated_cases import NEEDED, SETS, artefact_of, gated_chain
from tests.laws.streams import raw_records
from tests.laws.vehicle import vehicle_mission
from tests.unit.alarms.test_alarms import SCHEMA

FAULTS = ("slow_leak", "tank_warming")
NAMES = ("/HL1/HE_P", "/HL1/LOX_T", "/HL1/LOX_P", "/HL1/BATT_V")


def noisy(name: str = "noisy", threshold: float = 0.5) -> Artefact:
    return artefact_of(
        vehicle_mission(), "residual", name, NAMES, threshold=threshold, warm_up_s=2.0,
        min_samples=1, min_seconds=0.0,
    )  # fmt: skip


def staged(offset: int, stage: str, artefact: Artefact, name: str = "") -> RawRecord:
    model = ModelStage(name or artefact.name, stage, None if stage == "retired" else artefact)
    control = Control("model", "", "Ada", "tested", 7, "", model=model)
    return RawRecord(offset, encode_control(control), CONTROL_HEADERS)


def events(chain: Chain, records: list[RawRecord]) -> list[tuple[str, dict[str, Any]]]:
    """(topic, alert) of all, each held against the schema."""
    schema = Draft202012Validator(orjson.loads(SCHEMA.read_bytes()))
    found = []
    for _, output in chain.feed(records).outputs:
        if output.topic in (topics.ALERTS, topics.SHADOW):
            alert = orjson.loads(output.value)
            schema.validate(alert)
            found.append((output.topic, alert))
    return found


def moved(records: list[RawRecord], by: int) -> list[RawRecord]:
    return [replace(r, offset=r.offset + by) for r in records]


# --- artefacts -------------------------------------------------------------------------------


def test_an_artefact_reads_back_exactly() -> None:
    made = noisy()
    made.parts[0].weights["level"][:] = [0.1, -math.pi, 5e-324][: len(made.parts[0].parameters)]
    back = decode_artefact(encode_artefact(made))
    assert back.sha256 == made.sha256
    for one, other in zip(made.parts, back.parts, strict=True):
        for key, array in one.weights.items():
            np.testing.assert_array_equal(array, other.weights[key])
            assert array.dtype == other.weights[key].dtype


def test_an_artefact_of_before_phases_says_what_to_do() -> None:
    old = orjson.loads(encode_artefact(noisy())) | {"format": 1}
    del old["phases"]
    with pytest.raises(ValueError, match="train it anew"):
        decode_artefact(orjson.dumps(old))


@pytest.mark.parametrize("baseline", [{}, {"low": 1}, {"low": 0, "high": 0}])
def test_an_artefact_without_a_baseline_is_refused(baseline: dict[str, Any]) -> None:
    told_ = orjson.loads(encode_artefact(noisy()))
    first = told_["parts"][0]
    first["baseline"] = dict.fromkeys(baseline, first["baseline"]["low"])
    with pytest.raises(ValueError, match="a baseline must hold"):
        decode_artefact(orjson.dumps(told_))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"format": 1}, "train it anew"),
        ({"name": "No/Good"}, "name"),
        ({"family": "oracle"}, "changed"),
        ({"parts": []}, "one part"),
        ({"version": -1}, "whole number"),
        ({"code": {"run": 1}}, "texts"),
        ({"more": 1}, "nothing else"),
        ({"name": "other"}, "it was changed"),
        ({"trained": [{"flight": "x"}]}, "trained"),
        ({"family": []}, "no family's name"),
        ({"name": "stages"}, "can be called"),
        ({"phases": "ascent"}, "list"),
        ({"phases": ["x"] * 18}, "phases"),
        ({"phases": [1]}, "phases"),
    ],
)
def test_a_changed_artefact_is_refused(change: dict[str, Any], says: str) -> None:
    told_ = orjson.loads(encode_artefact(noisy())) | change
    with pytest.raises(ValueError, match=says):
        decode_artefact(orjson.dumps(told_))


@pytest.mark.parametrize(
    ("array", "says"),
    [
        ({"type": "f8", "shape": [2**40, 2**20], "values": "1"}, "numbers, not"),
        ({"type": "O", "shape": [1], "values": "1"}, "type"),
        ({"type": [], "shape": [1], "values": "1"}, "type"),
        ({"type": "f8", "shape": [1], "values": "x"}, "no number"),
        ({"type": "u1", "shape": [1], "values": "256"}, "no number"),
        ({"type": "f8", "shape": [1] * 9, "values": "1"}, "type"),
    ],
)
def test_weights_that_are_none(array: dict[str, Any], says: str) -> None:
    told_ = orjson.loads(encode_artefact(noisy()))
    told_["parts"][0]["weights"]["level"] = array
    with pytest.raises(ValueError, match=says):
        decode_artefact(orjson.dumps(told_))


def test_every_flipped_bit_of_the_weights_is_caught(rng: np.random.Generator) -> None:
    content = encode_artefact(noisy())
    for at in rng.integers(0, len(content) * 8, 200):
        bent = bytearray(content)
        bent[at // 8] ^= 1 << (at % 8)
        try:
            back = decode_artefact(bytes(bent))
        except ValueError:
            continue
        assert encode_artefact(back) == content  # white space, or the same number


# --- stages, by control records ---------------------------------------------------------------


def test_a_model_says_nothing_aloud_until_it_is_active(rng: np.random.Generator) -> None:
    records, made = raw_records(rng), noisy()
    silent = [a for t, a in events(Chain(vehicle_mission()), records) if t == topics.SHADOW]
    assert not silent
    chain = Chain(vehicle_mission())
    said = events(chain, [staged(0, "shadow", made), *moved(records, 1)])
    first, rest = said[0], said[1:]
    assert first[1]["transition"] == "shadowed"
    assert first[1]["model"] == {"id": "noisy", "stage": "shadow", "weights_sha256": made.sha256}
    shadow = [a for t, a in rest if t == topics.SHADOW]
    assert shadow
    assert all(a["monitor"] == {"kind": "residual", "name": "noisy"} for a in shadow)
    aloud = [a for t, a in rest if t == topics.ALERTS]
    assert not any("stage" in a.get("model", {}) for a in aloud)


def test_one_that_goes_bad_is_demoted_and_says_so(rng: np.random.Generator) -> None:
    records = raw_records(rng)
    said = [a for t, a in events(gated_chain(vehicle_mission()), records) if t == topics.ALERTS]
    mine = [a for a in said if a.get("model", {}).get("id") == "noisy"]
    out = [a for a in mine if a["transition"] == "demoted" and a["level_before"] == "normal"]
    assert out, "never demoted"
    cost = out[0]["budget"]
    assert cost["false_alarms"] >= 3 > cost["expected"]
    assert "is demoted to shadow" in out[0]["sentence"]
    level: dict[str, str] = {}
    for a in mine:  # what it took back was what it had said
        if a["transition"] == "demoted":
            assert a["level_before"] == level.get(a["parameter"], "normal")
        level[a["parameter"]] = a["level_after"]


def test_hot_swap_keeps_what_was_learnt(rng: np.random.Generator) -> None:
    """Shadow to active and back is the same instance: the residual's level goes on."""
    records, made = raw_records(rng), noisy()
    plain, swapped = Chain(vehicle_mission()), Chain(vehicle_mission())
    events(plain, [staged(0, "shadow", made), *moved(records, 1)])
    half = len(records) // 2
    swapped.feed([staged(0, "shadow", made), *moved(records[:half], 1)])
    swapped.feed([staged(half + 1, "active", made)])
    swapped.feed([staged(half + 2, "shadow", made), *moved(records[half:], half + 3)])
    one, other = (c.models.parts("noisy")[0].model.snapshot() for c in (plain, swapped))
    for key, array in one.items():
        np.testing.assert_array_equal(array, other[key])


def test_another_artefact_of_the_name_takes_its_place(rng: np.random.Generator) -> None:
    records, made, other = raw_records(rng), noisy(), noisy(threshold=0.7)
    chain = Chain(vehicle_mission())
    chain.feed([staged(0, "active", made), *moved(records, 1)])
    said = events(chain, [staged(9000, "active", other)])
    assert said[0][1]["model"]["weights_sha256"] == other.sha256
    assert chain.models.working["noisy"].artefact.sha256 == other.sha256
    assert events(chain, [staged(9001, "retired", other)])[0][1]["transition"] == "retired"
    assert not chain.models.working
    assert not chain.models.parts("noisy")


WRONG = ("parameter", "version", "shape", "settings", "huge", "unknown", "twice", "order", "empty")


@pytest.mark.parametrize("what", WRONG)
def test_what_does_not_fit_is_refused_and_changes_nothing(what: str) -> None:
    made, chain = noisy(), Chain(vehicle_mission())
    part = max(made.parts, key=lambda p: len(p.parameters))
    others = [p for p in made.parts if p is not part]
    if what == "parameter":
        part = replace(part, parameters=("/HL1/NOT_THERE", *part.parameters[1:]))
    elif what == "shape":
        part = replace(part, weights=part.weights | {"level": np.zeros(99)})
    elif what == "settings":
        part = replace(part, settings={"threshold": 1.0, "magic": 1})
    elif what == "huge":
        part = replace(part, settings=part.settings | {"min_samples": 2**63 - 1})
    elif what == "twice":
        part = replace(part, parameters=part.parameters[:1] * 2)
    elif what == "order":
        part = replace(part, parameters=part.parameters[::-1])
    elif what == "empty":
        part = replace(part, weights={})
    made = replace(made, parts=(*others, part), version=99 if what == "version" else 1)
    record = staged(0, "retired" if what == "unknown" else "active", made)
    fed = chain.feed([record])
    told = [o.topic for _, o in fed.outputs if o.topic != topics.DEFINITIONS]
    assert told == [topics.REJECTS]
    assert not chain.models.working


@pytest.mark.parametrize("told", [b"[" * 300 + b"]" * 300, b'{"a":' * 300 + b"1" + b"}" * 300])
def test_an_artefact_nested_for_ever_is_refused(told: bytes) -> None:
    good = orjson.loads(staged(0, "active", noisy()).value)
    del good["artefact"]
    value = orjson.dumps(good)[:-1] + b',"artefact":' + told + b"}"
    fed = Chain(vehicle_mission()).feed([RawRecord(0, value, CONTROL_HEADERS)])
    told = [o.topic for _, o in fed.outputs if o.topic != topics.DEFINITIONS]
    assert told == [topics.REJECTS]


def test_what_is_accepted_can_be_stored() -> None:
    """Numbers may be written short; as they are stored they must still fit."""
    made = noisy()
    known = {k: v[:1] for k, v in made.parts[0].baseline.items()}
    whole = Part(("/HL1/X",), {}, {"a": np.zeros(440_000)}, known)
    content = replace(made, parts=(whole,)).content
    short = orjson.loads(content) | {"sha256": replace(made, parts=(whole,)).sha256}
    short["parts"][0]["weights"]["a"]["values"] = "0 " * 440_000
    assert len(orjson.dumps(short)) < 900_000 < len(content)
    with pytest.raises(ValueError, match="larger than"):
        decode_artefact(orjson.dumps(short))


def test_a_model_heads_for_its_own_limits_beside_contexts(tmp_path: Path) -> None:
    """A parameter with context alarms has several rows in the table of limits."""
    from tests.unit.alarms.test_alarms import ROOT, numeric
    from tests.unit.mdb.test_mdb import document

    context = (
        "<ContextAlarmList><ContextAlarm><ContextMatch>"
        '<Comparison parameterRef="P" value="1"/></ContextMatch><StaticAlarmRanges>'
        '<WarningRange maxInclusive="20"/></StaticAlarmRanges></ContextAlarm></ContextAlarmList>'
    )
    plain = '<DefaultAlarm><StaticAlarmRanges><WarningRange maxInclusive="10"/></StaticAlarmRanges></DefaultAlarm>'
    (tmp_path / "x.xml").write_text(document(numeric(plain + context), containers=ROOT))
    (tmp_path / "mission.toml").write_text('name = "m"\nxtce = "x.xml"\n')
    mission = load_mission(tmp_path)
    chain = Chain(mission)
    made = artefact_of(mission, "level", "one", ("/S/P",))
    chain.models.apply(ModelStage("one", "active", made))
    assert chain.models.parts("one")[0].budget.state["ranges"].tolist() == [[-math.inf, 10.0]]


def test_a_family_that_is_none_is_not_put_to_work() -> None:
    odd = replace(noisy(), family="oracle")
    with pytest.raises(ValueError, match="family 'oracle' is none of residual, time_to_limit"):
        Chain(vehicle_mission()).models.apply(ModelStage("noisy", "active", odd))


def test_a_snapshot_puts_the_models_to_work_again(rng: np.random.Generator) -> None:
    records = raw_records(rng)
    first = gated_chain(vehicle_mission())
    first.feed(records[:200])
    second = Chain(vehicle_mission())
    second.restore(first.snapshot())
    assert [o.value for _, o in second.feed(records[200:]).outputs] == [
        o.value for _, o in first.feed(records[200:]).outputs
    ]


@pytest.mark.parametrize(
    "change",
    [{"stage": "loud"}, {"artefact": None}, {"name": "x"}, {"parameter": "/HL1/HE_P"}, {"name": 1}],
)
def test_controls_of_models_are_checked(change: dict[str, Any]) -> None:
    good = orjson.loads(staged(0, "active", noisy()).value)
    assert decode_control(orjson.dumps(good)).model
    with pytest.raises(ValueError, match=r"stage|artefact|name|unknown"):
        decode_control(orjson.dumps(good | change))


# --- budget ----------------------------------------------------------------------------------


@pytest.mark.parametrize("mean", [400.0, 600.0, 1e4, 1e6])
def test_many_are_as_good_as_normal(mean: float) -> None:
    """Far beyond what e^-λ can be: half of the counts are above the mean, and few far above."""
    assert at_least(round(mean), mean) == pytest.approx(0.5, abs=0.02)
    assert at_least(round(mean + 4 * mean**0.5), mean) < 1e-3
    assert at_least(round(mean - 4 * mean**0.5), mean) > 0.999


def budget_of(x: list[float], levels: list[int], ahead_s: float = 0.0) -> Budget:
    """After rows a second apart whose alarm is at these levels; warning above 10, confirm 5 s."""
    kind = ParameterType("T", "float", FloatEncoding(64))
    inf = math.inf
    one = GroupParameter("P", kind, (-inf,) * 5, (inf, 10.0, inf, inf, inf))
    made = Budget([one], 10**9, GateSettings(confirm_s=5), ahead_s)
    n, none = len(x), np.zeros(0, np.int64)
    time = np.arange(n) * 10**9
    value, quality = np.array(x)[:, None], np.zeros((n, 1), np.uint8)
    grid = Grid(time, time, value, quality, time, none, none, none)
    at = [i for i in range(n) if levels[i] != (levels[i - 1] if i else 0)]
    before = np.array([levels[i - 1] if i else 0 for i in at], np.uint8)
    after = np.array([levels[i] for i in at], np.uint8)
    rows, zero = np.array(at, np.int64), np.zeros(len(at), np.int64)
    made.feed(grid, Transitions(rows, zero, before, after, zero, zero))
    return made


def test_what_speaks_of_the_next_minute_is_not_wrong_after_five_seconds() -> None:
    standing = [0, *[1] * 20]
    assert budget_of([0.0] * 21, standing).false_alarms == 1
    assert budget_of([0.0] * 21, standing, ahead_s=60.0).false_alarms == 0
    assert budget_of([0.0] * 71, [0, *[1] * 70], ahead_s=60.0).false_alarms == 1
    assert budget_of([0.0] * 20 + [11.0] * 51, [0, *[1] * 70], ahead_s=60.0).false_alarms == 0
    assert budget_of([0.0] * 10, [0, 1, 1, 1, 0, 0, 0, 0, 0, 0], ahead_s=60.0).false_alarms == 1


@pytest.mark.parametrize(
    ("x", "levels", "false"),
    [
        ([0, 1, 0, 0], [0, 1, 0, 0], 1),  # it ends, and nothing was beyond
        ([0, 11, 0, 0], [0, 1, 0, 0], 0),  # beyond in the very row that raised it
        ([0, 1, 11, 0], [0, 1, 1, 0], 0),
        ([0, 1, 1, 1, 1, 1, 1, 1], [0, 1, 1, 1, 1, 1, 1, 1], 1),  # it lasts
        ([0, 1, 1, 1], [0, 1, 1, 1], 0),  # not yet
    ],
)
def test_which_alarms_are_false(x: list[float], levels: list[int], false: int) -> None:
    assert budget_of(x, levels).false_alarms == false


def test_a_silenced_alarm_is_not_judged() -> None:
    made = budget_of([0, 1, 1], [0, 1, 1])
    made.follow(np.zeros(1, np.uint8))
    assert made.levels == [0]
    assert made.state["open"].tolist() == [-1]


@pytest.mark.parametrize(("n", "mean"), [(0, 3.0), (1, 0.1), (3, 2.5), (10, 4.0)])
def test_poisson_tail(n: int, mean: float) -> None:
    wanted = 1 - sum(math.exp(-mean) * mean**k / math.factorial(k) for k in range(n))
    assert at_least(n, mean) == pytest.approx(wanted, abs=1e-12)


def test_the_interval_of_a_rate_is_garwoods() -> None:
    """Bounds of a Poisson mean by its own tail (Garwood 1936); of no alarm, -log 0.1 above."""
    low, high = Rate(0, 2.0).interval
    assert low == 0.0
    assert high == pytest.approx(-math.log(0.1) / 2.0)
    low, high = Rate(5, 1.0).interval
    assert at_least(5, low) == pytest.approx(0.1)
    assert at_least(6, high) == pytest.approx(0.9)


def test_timing_quality_after_esa_adb() -> None:
    event = Event("f", "k", ("p",), 0, 100, None)
    assert timing(event, 0) == 1.0
    assert timing(event, 50) == pytest.approx(0.5)
    assert timing(event, 100) == 0.0
    assert timing(event, 10) > timing(event, 20)


# --- train, validate, promote ------------------------------------------------------------------


@pytest.fixture(scope="module")
def flights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Count-downs: three nominal ones, three with a leak and a warming tank."""
    folder, found = tmp_path_factory.mktemp("flights"), {}
    for name, seed, faults in (
        ("n1", 301, ()), ("n2", 302, ()), ("n3", 303, ()),
        ("f1", 304, FAULTS), ("f2", 305, FAULTS), ("f3", 306, FAULTS),
    ):  # fmt: skip
        made = simulate(seed, faults, start=-300.0, end=-5.0)
        (folder / name).mkdir()
        found[name] = folder / name / "packets.bin"
        found[name].write_bytes(made.packets)
        (folder / name / "truth.json").write_bytes(orjson.dumps(made.truth))
    return found


@pytest.fixture
def mission(tmp_path: Path) -> Mission:
    return load_mission(demo_without_phases(tmp_path / "m"))


def trained(mission: Mission, name: str, *paths: Path) -> Artefact:
    made, _ = train(name, "level", mission, paths, ("HE_P", "LOX_T"), {}, lambda *_: None)
    ModelFolder(mission.folder).add(made)
    return made


def test_the_gate(mission: Mission, flights: dict[str, Path]) -> None:
    """A good model goes through it by its stages; one trained on faults is refused."""
    folder = ModelFolder(mission.folder)
    good = trained(mission, "good", flights["n1"], flights["n2"])
    bad = trained(mission, "bad", flights["f1"], flights["f3"])
    with pytest.raises(MissionError, match="must be in the shadow first"):
        folder.move("good", "active", "Ada", "in a hurry", 7)
    for made in (good, bad):
        assert folder.move(made.name, "shadow", "Ada", "to be looked at", 7).sha256 == made.sha256
    with pytest.raises(MissionError, match="validate"):
        folder.move("good", "active", "Ada", "in a hurry", 7)
    held = [flights["f2"], flights["n3"]]
    reports = {}
    for made in (good, bad):
        reports[made.name] = told(validate(made, mission, held), mission)
        folder.add_report(made.name, reports[made.name], markdown(reports[made.name]))
    assert not reports["good"]["reasons"]
    assert reports["good"]["judges"][0]["found"] == 2
    assert folder.move("good", "active", "Ada", "passed", 7, admitted=True).stage == "active"
    assert not reports["bad"]["passed"]
    with pytest.raises(MissionError, match="must be found"):
        folder.move("bad", "active", "Ada", "please", 7, admitted=True)
    assert {n: m.stage for n, m in folder.stages().items()} == {"good": "active", "bad": "shadow"}
    assert "| good | 2 of 2 | 0 |" in markdown(reports["good"])


def test_a_model_of_which_too_little_was_heard(mission: Mission, flights: dict[str, Path]) -> None:
    """No false alarm in a few minutes shows nothing: it is refused, and says what would show it;
    or a person answers for it, whose name and reason stand in each of its alerts."""
    folder = ModelFolder(mission.folder)
    made = trained(mission, "x", flights["n1"], flights["n2"])
    report = told(validate(made, mission, [flights["f2"], flights["n3"]]), mission)
    assert (report["passed"], report["reasons"]) == (False, [])
    days, budget = report["parameter_days"], mission.settings.gate.false_alarms_per_parameter_day
    # Garwood: without any, the bound is -ln(.1) over the exposure
    assert report["exposure"]["upper_80"] == pytest.approx(math.log(10) / days)
    assert report["exposure"]["needed_parameter_days"] == pytest.approx(math.log(10) / budget)
    text = markdown(report)
    assert "passes the gate but for its exposure" in text
    assert "46.1 would show it" in text
    folder.add_report("x", report, text)
    folder.move("x", "shadow", "Ada", "to be looked at", 7)
    with pytest.raises(MissionError, match=r"46\.1 would show it.*--despite-exposure"):
        folder.move("x", "active", "Ada", "it looks good", 7)
    with pytest.raises(MissionError, match="only an active model"):
        folder.move("x", "shadow", "Ada", "it looks good", 7, admitted=True)
    move = folder.move("x", "active", "Ada", "static fire on Monday", 7, admitted=True)
    record = RawRecord(0, encode_control(folder.control(move)), CONTROL_HEADERS)
    chain = Chain(mission)
    by = {"who": "Ada", "why": "static fire on Monday"}
    [(_, event)] = events(chain, [record])
    assert (event["transition"], event["model"]["admitted"]) == ("activated", by)
    again = Chain(mission)
    again.restore(chain.snapshot())
    for one in (chain, again):
        for part in one.models.parts("x"):
            assert [w.model["admitted"] for w in part.watched() if w.model] == [by]


def test_nobody_answers_for_what_was_shown(mission: Mission, flights: dict[str, Path]) -> None:
    folder = ModelFolder(mission.folder)
    made = trained(mission, "x", flights["n1"], flights["n2"])
    report = told(validate(made, mission, [flights["f2"], flights["n3"]]), mission)
    report["exposure"]["enough"] = True
    folder.add_report("x", report, "")
    folder.move("x", "shadow", "Ada", "to be looked at", 7)
    assert not folder.move("x", "active", "Ada", "passed", 7, admitted=True).admitted


def test_who_admitted_it_stands_in_its_alerts(rng: np.random.Generator) -> None:
    stage = ModelStage("noisy", "active", noisy(), admitted=True)
    control = Control("model", "", "Ada", "static fire", 7, "", model=stage)
    first = RawRecord(0, encode_control(control), CONTROL_HEADERS)
    said = events(Chain(vehicle_mission()), [first, *moved(raw_records(rng), 1)])
    mine = [a for _, a in said if a.get("model", {}).get("id") == "noisy"]
    active = [a for a in mine if a["model"]["stage"] == "active"]
    assert len(active) > 1
    for alert in active:
        assert alert["model"]["admitted"] == {"who": "Ada", "why": "static fire"}
    assert all("admitted" not in a["model"] for a in mine if a["model"]["stage"] == "shadow")


def test_enough_was_heard(mission: Mission) -> None:
    """The bound decides, not the rate: at half the budget, and with none at all."""
    budget = mission.settings.gate.false_alarms_per_parameter_day
    for n, days in ((0, 46.0), (0, 46.1), (5, 180.0), (5, 190.0)):
        rate = Rate(n, days)
        assert rate.a_day < budget
        assert (
            (rate.interval[1] <= budget)
            == (days >= rate.days_to_show(budget))
            == (days in (46.1, 190.0))
        )
    assert Rate(0, 1e9).days_to_show(0.0) == math.inf


def test_a_report_of_other_weights_opens_nothing(
    mission: Mission, flights: dict[str, Path]
) -> None:
    folder = ModelFolder(mission.folder)
    made = trained(mission, "one", flights["n1"], flights["n2"])
    report = told(validate(made, mission, [flights["f2"], flights["n3"]]), mission)
    folder.add_report("one", report, "")
    other = trained(mission, "one", flights["n1"], flights["n3"])
    assert other.sha256 != made.sha256
    folder.move("one", "shadow", "Ada", "x", 7)
    with pytest.raises(MissionError, match="nothing is known of it"):
        folder.move("one", "active", "Ada", "x", 7)


def test_a_model_is_retired_whatever_its_file(mission: Mission, flights: dict[str, Path]) -> None:
    folder = ModelFolder(mission.folder)
    trained(mission, "one", flights["n1"], flights["n2"])
    with pytest.raises(MissionError, match="never in force"):
        folder.move("one", "retired", "Ada", "x", 7)
    folder.move("one", "shadow", "Ada", "x", 7)
    (folder.path / "one.json").write_bytes(b"gone")
    for _ in range(2):  # once more, for a broker that did not hear it the first time
        assert folder.control(folder.move("one", "retired", "Ada", "x", 7)).model


def test_a_threshold_says_what_it_costs(mission: Mission, flights: dict[str, Path]) -> None:
    """A flight with faults among the nominal ones is named, and costs: with it nothing is found any
    more. One that is given is kept, whatever it costs."""
    paths, names = [flights[n] for n in ("n1", "f1", "n2", "n3")], ("HE_P", "LOX_T")
    _, found = train("x", "level", mission, paths, names, {}, lambda *_: None)
    alarms = [one.rate.false_alarms for one in found.tried]
    assert alarms == sorted(alarms, reverse=True)
    [(flight, without)] = found.odd
    assert paths[flight] == flights["f1"]
    _, nominal = train("x", "level", mission, [paths[0], *paths[2:]], names, {}, lambda *_: None)
    assert nominal.odd == ()
    assert without < nominal.chosen.threshold < found.chosen.threshold
    assert nominal.finds[nominal.chosen.threshold] == 1.0
    assert found.finds[found.chosen.threshold] is None
    words = "\n".join(calibration_words(found, "margin", 0.05, ["n1", "f1", "n2", "n3"]))
    assert "f1 is unlike the others: 2 false alarms" in words
    made, kept = train("x", "level", mission, paths, names, {"margin": 0.01}, lambda *_: None)
    assert {part.settings["margin"] for part in made.parts} == {0.01}
    assert (kept.given, len(kept.tried), kept.chosen.rate.a_day > 0.05) == (True, 1, True)
    assert "as given" in "\n".join(calibration_words(kept, "margin", 0.05, ["a", "b", "c", "d"]))


def test_training_refuses_what_it_cannot_do(mission: Mission, flights: dict[str, Path]) -> None:
    with pytest.raises(FlightError, match="two nominal flights"):
        trained(mission, "x", flights["n1"])
    with pytest.raises(FlightError, match="given twice"):
        trained(mission, "x", flights["n1"], flights["n1"])
    with pytest.raises(FlightError, match="no number"):
        train("x", "level", mission, [*flights.values()][:2], ("NOPE*",), {}, lambda *_: None)
    for name in ("stages", "../x", "Tanks"):
        with pytest.raises(FlightError, match=r"name|called"):
            trained(mission, name, flights["n1"], flights["n2"])
    both, where = [flights["n1"], flights["n2"]], {"zero_on": "ALT"}
    with pytest.raises(FlightError, match="zero_on"):
        train("x", "corridor", mission, both, ("HE_P",), where, lambda *_: None)
    made = trained(mission, "x", flights["n1"], flights["n2"])
    with pytest.raises(FlightError, match="was trained on it"):
        validate(made, mission, [flights["n1"]])


@pytest.mark.parametrize("family", [f.name for f in FAMILIES if not f.to_failure])
def test_every_family_is_trained_and_shows_what_it_knows(
    family: str, mission: Mission, flights: dict[str, Path]
) -> None:
    paths = [flights[n] for n in ("n1", "n2", "n3")]
    given = NEEDED.get(family, {})
    names = ("LOX_T", "LOX_P") if family in SETS else ("HE_P", "LOX_T")
    made, found = train("x", family, mission, paths, names, given, lambda *_: None)
    assert found.chosen.rate.a_day <= mission.settings.gate.false_alarms_per_parameter_day
    assert decode_artefact(encode_artefact(made)) == made
    chain = Chain(mission)
    chain.models.apply(ModelStage("x", "active", made))
    text = "\n".join(knowledge(made))
    assert made.sha256 in text
    assert "/HL1/LOX_T" in text
    assert str(flights["n1"].parent.name) in text


PHASES = '[phases]\nparameter = "PHASE"\nlabels = ["COUNTDOWN", "ASCENT"]\n'


def test_a_trained_model_has_a_past_for_each_phase(mission: Mission, tmp_path: Path) -> None:
    """A pump that loses head stays within what it did between the pad and full thrust: the model
    that was trained for the phases sees it, and without them nothing is seen."""
    paths = []
    for seed, faults in ((311, ()), (312, ()), (313, ()), (314, ("pump_losing_head",))):
        made = simulate(seed, faults, start=-90.0, end=110.0)
        paths.append(tmp_path / f"{seed}.bin")
        paths[-1].write_bytes(made.packets)
    toml = mission.folder / "mission.toml"
    toml.write_text(f"{toml.read_text()}\n{PHASES}")
    models, said = [], []
    for of in (mission, load_mission(mission.folder)):
        made, _ = train("x", "level", of, paths[:2], ("TP_SPEED", "TP_OUT_P"), {}, lambda *_: None)
        assert decode_artefact(encode_artefact(made)) == made
        models.append(made)
        for path in paths[2:]:
            chain = Chain(of)
            chain.models.apply(ModelStage("x", "active", made))
            flight = load_recording(path, of, Chain(of)).flight
            alerts = [
                o.event for fed in run_flight(flight, chain) for _, o in fed.outputs if o.event
            ]
            mine = [a for a in alerts if a.get("model", {}).get("id") == "x"]
            said.append({(a["parameter"], a["phase"]) for a in mine})
    nominal, pump = set[tuple[str, str]](), {"/HL1/TP_SPEED", "/HL1/TP_OUT_P"}
    assert said == [nominal, nominal, nominal, {(name, "ASCENT") for name in pump}]
    assert [m.phases for m in models] == [(), ("other", "COUNTDOWN", "ASCENT")]
    assert "phase2 ASCENT" in "\n".join(knowledge(models[1]))
    for of, other in ((mission, models[1]), (load_mission(mission.folder), models[0])):
        with pytest.raises(ValueError, match="train it anew"):
            Chain(of).models.apply(ModelStage("x", "shadow", other))
    folder = ModelFolder(mission.folder)
    folder.add(models[1])
    folder.move("x", "shadow", "Ada", "to be looked at", 7)
    good = CliRunner().invoke(main, ["check", str(mission.folder)])
    assert (good.exit_code, "1 trained in force: good" in good.output) == (0, True), good.output
    toml.write_text(toml.read_text().replace('"COUNTDOWN", "ASCENT"', '"ASCENT", "COUNTDOWN"'))
    for command in (["check"], ["run", str(paths[2]), "--out", str(tmp_path / "o"), "--mission"]):
        wrong = CliRunner().invoke(main, [*command, str(mission.folder)])
        assert wrong.exit_code != 0
        told_ = " ".join(wrong.output.split())
        assert "model x does not fit this mission: is trained for the phases" in told_, told_


def _raised(model: str, parameter: str, second: float, stage: str = "shadow") -> dict[str, Any]:
    return {
        "id": "x", "sentence": "", "source": "demo", "parameter": parameter, "transition": "raised",
        "generation_ns": round(second * 1e9), "model": {"id": model, "stage": stage},
    }  # fmt: skip


def test_two_models_are_compared_by_the_alerts_they_raised(tmp_path: Path) -> None:
    """The same alarm where they are no further apart than confirm_s, 600 s."""
    shadow = [
        _raised("new", "/HL1/A", 90),
        _raised("new", "/HL1/A", 3000),
        _raised("new", "/HL1/B", 10),
        _raised("new", "/HL1/C", 0) | {"source": "another"},
    ]
    aloud = [
        _raised("old", "/HL1/A", 100, "active"),
        _raised("old", "/HL1/C", 5, "active"),
        _raised("old", "/HL1/A", 200, "active") | {"transition": "cleared"},
        {**_raised("old", "/HL1/B", 11), "model": {"id": "old"}},  # not a trained one
    ]
    (tmp_path / "alerts.jsonl").write_bytes(b"\n".join(map(orjson.dumps, aloud)))
    (tmp_path / "alerts.shadow.jsonl").write_bytes(b"\n".join(map(orjson.dumps, shadow)))
    words = ["models", "compare", "old", "new", "--mission", str(PROJECT / "missions/demo")]
    done = CliRunner().invoke(main, [*words, "--from", str(tmp_path)])
    assert done.exit_code == 0, done.output
    rows = [[c.strip() for c in line.split("│")[1:-1]] for line in done.output.splitlines()]
    assert [r for r in rows if r and r[0].startswith("/")] == [
        ["/HL1/A", "1", "0", "1", "10.0 s"],
        ["/HL1/B", "0", "0", "1", ""],
        ["/HL1/C", "0", "1", "0", ""],
    ]
    neither = CliRunner().invoke(main, words)
    assert neither.exit_code == 2
    assert "say one of" in neither.output
