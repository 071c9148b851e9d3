"""Runs the kernels once, before anything waits for them: their types do not depend on missions.

`python -m agents.warm` compiles what is not in the cache, and says how long it took.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from pipeline.alarms.flapping import Flapping
from pipeline.chain import Chain
from pipeline.chain.program.program import Program
from pipeline.flights.run import load_recording, run_flight
from pipeline.formats.importing import mission_toml
from pipeline.kernel import CACHE
from pipeline.mission.folder import Mission, load_mission
from pipeline.models.families import FAMILIES
from pipeline.models.shared.contract import GroupParameter
from pipeline.packets.record_batches import COUNT, HEAD, Columns, heads, parse_batch
from pipeline.simulate import simulate
from pipeline.timeline.unwrap import Unwrap
from schemas.columns import SECOND, Grid, Transitions
from schemas.mission import IntegerEncoding, ParameterType

_HERE = Path(__file__).parent.parent  # numba keeps its files by the place of their source
HELP_S = 300.0
_ROWS = 3
_BEHIND = "behind-the-decoder"  # what the helper is told
# stages that a mission must ask for
_MISSION = """segmented_apids = [2000]
[[statistics]]
window_s = 2
pane_s = 1
"""
_PHASES = """[phases]
parameter = "PHASE"
labels = ["ASCENT"]
[[level]]
match = "BATT_*"
enabled = true
"""


def warm_up() -> float:
    """Returns the seconds it took: half a minute and more if the cache was empty, else one or two.

    Not compiled here but when first called, in a second each: alarms of states, of changes and in
    contexts, which only an XTCE document can define.
    """
    begun = time.monotonic()
    done = Path(CACHE) / f"warm-{hashlib.sha256(str(_HERE).encode()).hexdigest()[:16]}"
    alone = done.exists() or (os.cpu_count() or 1) < 2
    with contextlib.nullcontext() if alone else _helped():
        _fetch()
        _fly(_MISSION)
        _fly(_MISSION + _PHASES)
    _judge()
    with contextlib.suppress(OSError):  # a cache that may only be read has what it needs, or not
        done.touch()
    return time.monotonic() - begun


@contextmanager
def _helped() -> Iterator[None]:
    """What comes behind the decoder is compiled by a process of its own: numba does one at a time.
    What it could not do within HELP_S more is left to this one.

    A kernel has one signature, so where both compile the same one they keep the same code."""
    with subprocess.Popen(
        [sys.executable, "-m", "agents.warm", _BEHIND], cwd=_HERE,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as helper:  # fmt: skip
        try:
            yield
            with contextlib.suppress(subprocess.TimeoutExpired):
                helper.wait(HELP_S)
        finally:
            helper.kill()


def _fetch() -> None:
    """A fetch without records: a lane parses in the thread that keeps its group's heartbeat."""
    content = np.frombuffer(bytes(HEAD), np.uint8)
    heads(content, np.zeros((1, COUNT + 1), np.int64))
    head = np.zeros(COUNT + 1, np.int64)
    parse_batch(content, 0, 0, head, False, 0, Columns.empty(0, 0), 0, 0)


def _fly(settings: str) -> None:
    """A moment of the simulated vehicle, from its packets on."""
    with _moment(settings) as (mission, packets):
        chain = Chain(mission)
        for _ in run_flight(load_recording(packets, mission, chain).flight, chain):
            pass


def _behind_the_decoder() -> None:
    """The stages of a chain that are run in one call over all containers: made, they are compiled
    from the types of their arrays alone."""
    with _moment(_MISSION) as (mission, _):
        chain = Chain(mission)
        Program(chain.containers, chain.statistics.pool)


@contextmanager
def _moment(settings: str) -> Iterator[tuple[Mission, Path]]:
    """A mission of the simulated vehicle, and four seconds of its packets."""
    moment = simulate(0, (), -3.0, 1.0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "warm.xml").write_bytes(moment.xtce)
        (folder / "mission.toml").write_text(mission_toml("warm", "warm.xml") + settings)
        packets = folder / "packets.bin"
        packets.write_bytes(moment.packets)
        yield load_mission(folder), packets


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
    if sys.argv[1:] == [_BEHIND]:
        _behind_the_decoder()
        _judge()
        sys.exit()
    sys.stdout.write(f"Kernels are compiled, in {warm_up():.0f} s.\n")
