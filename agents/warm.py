"""Runs every kernel once, on a moment of the simulated vehicle: types do not depend on missions."""

from __future__ import annotations

import tempfile
from pathlib import Path

from pipeline.chain import Chain
from pipeline.formats.importing import mission_toml
from pipeline.mission import load_mission
from pipeline.run import load_recording, run_flight
from pipeline.simulate import simulate


def warm_up() -> None:
    """Compile what is not in the cache, before a group is joined: it takes half a minute once."""
    moment = simulate(0, (), -3.0, 1.0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "warm.xml").write_bytes(moment.xtce)
        (folder / "mission.toml").write_text(mission_toml("warm", "warm.xml"))
        packets = folder / "packets.bin"
        packets.write_bytes(moment.packets)
        mission = load_mission(folder)
        chain = Chain(mission)
        for _ in run_flight(load_recording(packets, mission, chain).flight, chain):
            pass
