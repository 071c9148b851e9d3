"""What leaves the chain keeps to its published schemas."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.resources import files
from typing import Any

import orjson
import pytest
from jsonschema import Draft202012Validator

from pipeline.chain import Chain
from pipeline.flights.records import Flight
from pipeline.flights.run import run_flight
from pipeline.mission.folder import Mission
from pipeline.outputs.arrow import read_record
from pipeline.outputs.definitions import named_by
from schemas import topics
from schemas.columns import Output, Reason
from schemas.settings import OutputSettings
from tests.laws.streams import raw_records
from tests.laws.vehicle import vehicle_mission

KINDS = {topics.ALERTS: "alert", topics.STATISTICS: "statistics", topics.REJECTS: "reject"}
JSON = OutputSettings(statistics="json")


def schema(name: str) -> Any:
    return json.loads(files("schemas").joinpath(f"json/{name}.schema.json").read_text())


@pytest.fixture(scope="module")
def outputs(demo_mission: Mission, small_flight: Flight) -> list[Output]:
    settings = replace(demo_mission.settings, outputs=JSON)
    chain = Chain(replace(demo_mission, settings=settings))
    return [o for fed in run_flight(small_flight, chain) for _, o in fed.outputs]


def test_alerts_and_statistics_keep_to_their_schemas(outputs: list[Output]) -> None:
    seen = set()
    for output in outputs:
        if output.topic in KINDS:
            name = KINDS[output.topic]
            Draft202012Validator(schema(name)).validate(orjson.loads(output.value))
            seen.add(name)
    assert seen == {"alert", "statistics"}


def test_rejects_keep_to_their_schema(rng: Any) -> None:
    fed = Chain(vehicle_mission()).feed(raw_records(rng))
    rejects = [orjson.loads(o.value) for _, o in fed.outputs if o.topic == topics.REJECTS]
    assert len({r["reason"] for r in rejects}) >= 4
    for reject in rejects:
        Draft202012Validator(schema("reject")).validate(reject)


def test_the_schema_names_every_reason() -> None:
    assert set(schema("reject")["properties"]["reason"]["enum"]) == {r.word for r in Reason}


def test_alerts_show_their_work(outputs: list[Output]) -> None:
    kinds = set()
    for output in outputs:
        if output.topic != topics.ALERTS:
            continue
        alert = orjson.loads(output.value)
        kinds.add(alert["monitor"]["kind"])
        assert alert["input"]["first_offset"] <= alert["input"]["last_offset"]
        assert alert["since_ns"] <= alert["generation_ns"]
        foretold = alert["monitor"]["kind"] == "time_to_limit" and "lead_80_s" in alert
        assert foretold or alert["transition"] != "raised" or "lead_s" not in alert
        if foretold and alert["lead_80_s"] is not None:
            soon, late = alert["lead_80_s"]
            assert soon <= alert["lead_s"]
            assert late is None or alert["lead_s"] <= late
    assert {"limit", "time_to_limit"} <= kinds


def test_samples_read_back(outputs: list[Output], small_flight: Flight) -> None:
    definitions = {o.key.decode(): o.value for o in outputs if o.topic == topics.DEFINITIONS}
    rows = 0
    for o in outputs:
        if o.topic == topics.SAMPLES:
            rows += read_record(definitions[named_by(o.topic, o.headers)], o.value).num_rows
    assert len(small_flight.start) / 2 < rows <= len(small_flight.start)
