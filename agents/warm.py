"""Runs the kernels once, before anything waits for them: their types do not depend on missions.

`python -m agents.warm` compiles what is not in the cache, and says how long it took.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from pipeline.alarms.flapping import Flapping
from pipeline.chain import Chain
from pipeline.flights.run import load_recording, run_flight
from pipeline.formats.importing import mission_toml
from pipeline.mission.folder import load_mission
from pipeline.models.families import FAMILIES
from pipeline.models.shared.contract import GroupParameter
from pipeline.packets.record_batches import COUNT, HEAD, Columns, heads, parse_batch
from pipeline.simulate import simulate
from pipeline.timeline.unwrap import Unwrap
from schemas.columns import SECOND, Grid, Transitions
from schemas.mission import IntegerEncoding, ParameterType

_ROWS = 3
# stages that a mission must ask for
_MISSION = """segmented_apids = [2000]
[[statistics]]
window_s = 2
pane_s = 1
"""
_PHASES = """[phases]
parameter = "PHASE"
labels = ["ASCENT"]
"""


def warm_up() -> float:
    """Returns the seconds it took: minutes if the cache was empty, else three or four.

    Not compiled here but when first called, in a second each: alarms of states, of changes and in
    contexts, which only an XTCE document can define.
    """
    begun = time.monotonic()
    _fetch()
    _fly(_MISSION)
    _fly(_MISSION + _PHASES)
    _judge()
    return time.monotonic() - begun


def _fetch() -> None:
    """A fetch without records: a lane parses in the thread that keeps its group's heartbeat."""
    content = np.frombuffer(bytes(HEAD), np.uint8)
    heads(content, np.zeros((1, COUNT + 1), np.int64))
    head = np.zeros(COUNT + 1, np.int64)
    parse_batch(content, 0, 0, head, False, 0, Columns.empty(0, 0), 0, 0)


def _fly(settings: str) -> None:
    """A moment of the simulated vehicle, from its packets on."""
    moment = simulate(0, (), -3.0, 1.0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "warm.xml").write_bytes(moment.xtce)
        (folder / "mission.toml").write_text(mission_toml("warm", "warm.xml") + settings)
        packets = folder / "packets.bin"
        packets.write_bytes(moment.packets)
        mission = load_mission(folder)
        chain = Chain(mission)
        for _ in run_flight(load_recording(packets, mission, chain).flight, chain):
            pass


def _judge() -> None:
    """Run a few rows through every family: a model activated in flight must not wait to compile."""
    kind = ParameterType("warm", "float", IntegerEncoding(16))
    never = (float("inf"),) * 5
    parameters = [GroupParameter(n, kind, tuple(-x for x in never), never) for n in "ab"]
    whole = np.arange(_ROWS)
    none = whole[:0]
    grid = Grid(
        whole * SECOND, whole, np.zeros((_ROWS, 2)), np.zeros((_ROWS, 2), np.uint8), whole,
        none, none, none,
    )  # fmt: skip
    Unwrap(np.arange(2), np.ones(2)).feed(grid.value, grid.quality)
    one = np.zeros(1, np.int64)
    raised = Transitions(one, one, one.astype(np.uint8), np.ones(1, np.uint8), one, one)
    Flapping(2).feed(one, raised)
    for family in FAMILIES:
        family(parameters, SECOND, [family.Rule(**family.example)] * 2).feed(grid)


if __name__ == "__main__":
    sys.stdout.write(f"Kernels are compiled, in {warm_up():.0f} s.\n")
