"""Checks everything that a check gets from its file and its line, on one just added.

Run by test_checks in a process of its own, whose CHECKS have one more.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import orjson
from jsonschema import Draft202012Validator

import tests.contracts.added_check  # noqa: F401  before everything of the pipeline
from pipeline.chain import Chain
from pipeline.chain.alert_schema import brought_up, published
from pipeline.flights.run import load_recording, run_flight
from pipeline.formats.importing import mission_toml
from pipeline.mission.folder import load_mission
from pipeline.simulate import simulate
from schemas import topics

# tanks are filled to their pressure in count-down: a value that grows fast passes its double
ALARM = "[alarms.TP_SPEED]\ncritical = [-1e9, 1e9]\nmin_violations = 1\noverride = true\n"


def test_it(folder: Path) -> None:
    flight = simulate(5, (), -3.0, 9.0)
    (folder / "hl1.xml").write_bytes(flight.xtce)
    (folder / "packets.bin").write_bytes(flight.packets)
    (folder / "mission.toml").write_text(mission_toml("m", "hl1.xml") + ALARM)
    mission = load_mission(folder)
    chain = Chain(mission)
    assert any("live/doubled/last" in name for name in chain.snapshot())
    recording = load_recording(folder / "packets.bin", mission, chain)
    outputs = [o for fed in run_flight(recording.flight, chain) for _, o in fed.outputs]
    alerts = [orjson.loads(o.value) for o in outputs if o.topic == topics.ALERTS]
    validator = Draft202012Validator(brought_up(published()))
    for alert in alerts:
        validator.validate(alert)
    mine = [a for a in alerts if any(r["check"] == "doubled" for r in a.get("reasons", ()))]
    assert mine, "a test about nothing"
    assert " times what it was." in mine[0]["sentence"]
    again = Chain(mission)
    again.restore(chain.snapshot())


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        test_it(Path(name))
    sys.stdout.write("it flies\n")
