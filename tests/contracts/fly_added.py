"""Checks everything that a family gets from its file and its line, on one just added.

Run by test_added_family in a process of its own, whose FAMILIES have one more.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from jsonschema import Draft202012Validator

import tests.contracts.added_family  # noqa: F401  before everything of the pipeline
from pipeline.chain import Chain
from pipeline.chain.alert_schema import brought_up, published
from pipeline.chain.control import MONITORS
from pipeline.chain.explain import explain
from pipeline.errors import MissionError
from pipeline.flights.run import load_recording, run_flight
from pipeline.formats.importing import mission_toml
from pipeline.gate.train import train
from pipeline.mission.folder import load_mission
from pipeline.mission.schema import mission_schema
from pipeline.scoring.lead_time import score_alerts
from pipeline.simulate import simulate
from schemas import topics
from schemas.control import ModelStage

RULE = '[[steady]]\nmatch = "TP_SPEED"\nenabled = true\nmost = {most}\n'


def test_it(folder: Path) -> None:
    flight = simulate(5, (), -5.0, 12.0)
    (folder / "hl1.xml").write_bytes(flight.xtce)
    (folder / "packets.bin").write_bytes(flight.packets)
    toml = folder / "mission.toml"
    toml.write_text(mission_toml("m", "hl1.xml") + RULE.format(most=-1))
    with pytest.raises(
        MissionError,
        match=r"mission\.toml:\d+: \[\[steady\]\] number 1: most = -1.0 must be 0 to 1e",
    ):
        load_mission(folder)
    toml.write_text(mission_toml("m", "hl1.xml") + RULE.format(most=0))
    with pytest.raises(MissionError, match="by how much it may move from row to row"):
        load_mission(folder)
    toml.write_text(mission_toml("m", "hl1.xml") + RULE.format(most=200))
    mission = load_mission(folder)
    most = mission_schema()["properties"]["steady"]["items"]["properties"]["most"]
    assert most == {
        "type": "number", "default": 0.0, "minimum": 0, "maximum": 1e6,
        "description": "by how much it may move from row to row",
    }  # fmt: skip
    assert ("steady", "most 200") in explain(mission, "TP_SPEED")
    assert "steady" in MONITORS
    alerts = flown(folder)
    mine = [a for a in alerts if a["monitor"]["kind"] == "steady"]
    assert mine, "a test about nothing"
    assert " from the row before (warning)." in mine[0]["sentence"]
    validator = Draft202012Validator(brought_up(published()))
    for alert in alerts:
        validator.validate(alert)
    t0 = mine[0]["generation_ns"]
    fault = {
        "kind": "x",
        "slow": True,
        "onset": -1.0,
        "critical_s": 60.0,
        "parameters": ["TP_SPEED"],
    }
    truth = {"t0_ns": t0, "faults": [fault]}
    assert score_alerts(truth, mine).faults[0].predicted_by == "steady of TP_SPEED"
    paths = []
    for seed in (11, 12):
        paths.append(folder / f"{seed}.bin")
        paths[-1].write_bytes(simulate(seed, (), 20.0, 40.0).packets)
    made, _ = train(
        "calm", "steady", mission, paths, ("TP_SPEED",), {"most": 100.0}, lambda *_: None
    )
    Chain(mission).models.apply(ModelStage("calm", "active", made))
    odd = replace(made, version=2)
    with pytest.raises(ValueError, match="is of version 2 of steady"):
        Chain(mission).models.apply(ModelStage("calm", "active", odd))


def flown(folder: Path) -> list[dict[str, object]]:
    mission = load_mission(folder)
    chain = Chain(mission)
    recording = load_recording(folder / "packets.bin", mission, chain)
    outputs = [o for fed in run_flight(recording.flight, chain) for _, o in fed.outputs]
    return [orjson.loads(o.value) for o in outputs if o.topic == topics.ALERTS]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        test_it(Path(name))
    sys.stdout.write("it flies\n")
