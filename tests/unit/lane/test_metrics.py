"""What Prometheus is told before anything has happened, and when nobody sends."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
from prometheus_client import CollectorRegistry

from agents.lane.chains import Chains
from agents.lane.metrics import Metrics
from pipeline.chain import Chain, Fed
from pipeline.chain.groups import gauged
from pipeline.flights.records import Flight, pack
from pipeline.mission.folder import Mission
from pipeline.outputs.refusals import Refusals
from schemas.control import Control, ModelStage, encode_control
from schemas.records import CONTROL_HEADERS, RawRecord
from tests.laws.gated_cases import artefact_of


def one(demo_mission: Mission) -> tuple[CollectorRegistry, Metrics, Chains]:
    """A lane that has read something of the source, which is when it has a chain."""
    registry = CollectorRegistry()
    metrics, chains = Metrics(registry, 200), Chains({"demo": demo_mission}, 0)
    chains.chains["demo"] = Chain(demo_mission)
    metrics.begin(0, chains)
    return registry, metrics, chains


def test_the_first_alert_is_an_increase(demo_mission: Mission) -> None:
    registry, metrics, chains = one(demo_mission)
    chain = chains.chains["demo"]
    metrics.observe(0, "demo", chain, Fed([], 0, Refusals()), silent=False)
    labels = {"source": "demo", "level": "critical", "kind": "limit"}
    assert registry.get_sample_value("heartline_alerts_total", labels) == 0


def test_the_newest_record_is_told(demo_mission: Mission) -> None:
    registry, metrics, _ = one(demo_mission)
    name, labels = "heartline_last_record_seconds", {"source": "demo"}
    assert registry.get_sample_value(name, labels) is None  # not known is no number
    metrics.appended(0, {"demo": 1_500, "stranger": 9_000})
    assert registry.get_sample_value(name, labels) == 1.5
    assert metrics.newest() == {"demo": 1.5}
    metrics.forget(0)
    assert registry.get_sample_value(name, labels) is None


def test_the_phase_and_what_models_cost(demo_mission: Mission, small_flight: Flight) -> None:
    """As the packets told them, of every source; nothing is said before."""
    registry, metrics, chains = one(demo_mission)
    chain = chains.chains["demo"]
    told = partial(registry.get_sample_value, "heartline_phase")
    assert told({"source": "demo", "phase": "COUNTDOWN"}) is None
    model = ModelStage(
        "quiet", "active", artefact_of(demo_mission, "residual", "quiet", ("/HL1/LOX_T",))
    )
    value = encode_control(Control("model", "", "Ada", "tested", 7, "", model=model))
    packets = (RawRecord(i, r.value, r.headers) for i, r in enumerate(pack(small_flight), 1))
    records = [RawRecord(0, value, CONTROL_HEADERS), *packets]
    fed = chain.feed(records)
    metrics.observe(0, "demo", chain, fed, silent=False)
    phases = {phase: told({"source": "demo", "phase": phase}) for phase in
              demo_mission.settings.phases.names}  # fmt: skip
    assert {phase for phase, now in phases.items() if now} == {"ASCENT"}
    assert set(phases.values()) == {0.0, 1.0}
    of = {"source": "demo", "model": "quiet"}
    assert registry.get_sample_value("heartline_model_false_alarms", of) is not None
    expected = registry.get_sample_value("heartline_model_expected_false_alarms", of)
    days = chain.models.parts("quiet")[0].budget.parameter_days
    assert expected == pytest.approx(
        days * demo_mission.settings.gate.false_alarms_per_parameter_day
    )
    assert expected > 0
    stages = {s: registry.get_sample_value("heartline_models", {"source": "demo", "stage": s})
              for s in ("active", "shadow")}  # fmt: skip
    assert stages == {"active": 1, "shadow": 0}


def test_a_header_is_not_gauged(demo_mission: Mission) -> None:
    """It has no statistics, and would take the place of what has some."""
    _, _, chains = one(demo_mission)
    every = replace(demo_mission, settings=replace(demo_mission.settings, gauges=("*",)))
    plans = chains.chains["demo"].plans.plans
    names = gauged(every, plans)
    assert "/HL1/PC" in names
    header = [p.qualified_name for p in demo_mission.mdb.parameters.values() if p.name == "APID"]
    assert header
    assert not set(header) & set(names)
