"""What all tests share: the data folder, seeds, and a small mission on the simulated vehicle."""

from __future__ import annotations

import os
import random
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from agents.broker.security import in_use, use
from agents.settings import PREFIX
from pipeline.chain import Chain
from pipeline.flights.records import Flight
from pipeline.flights.run import load_recording
from pipeline.mission.folder import Mission, load_mission
from pipeline.simulate import simulate

HERE = Path(__file__).parent
PROJECT = HERE.parent
DATA = Path(os.environ.get("TELEMETRY_DATA", PROJECT.parent / "shared" / "data"))


def demo_without_phases(folder: Path) -> Path:
    """The demo's mission in a folder of its own, with one past for the whole flight."""
    shutil.copytree(PROJECT / "missions" / "demo", folder)
    toml = folder / "mission.toml"
    toml.write_text(re.sub(r"\[phases\]\n(?:.+\n)+", "", toml.read_text()))
    return folder


@pytest.fixture(scope="session")
def data() -> Path:
    """Real packets and flights; a test that needs them skips where the folder is absent."""
    if not DATA.is_dir():
        pytest.skip(f"real data not found: TELEMETRY_DATA={DATA}")
    return DATA


@pytest.fixture(autouse=True)
def own_settings() -> Iterator[None]:
    """Restores settings after a test: a command that it runs here sets them for the process."""
    security, before = in_use(), {k: v for k, v in os.environ.items() if k.startswith(PREFIX)}
    yield
    for key in [k for k in os.environ if k.startswith(PREFIX)]:
        del os.environ[key]
    os.environ.update(before)
    use(security)


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """A fresh seed each run, printed where the test fails; HEARTLINE_SEED repeats one."""
    chosen = int(os.environ.get("HEARTLINE_SEED", random.SystemRandom().randrange(2**32)))
    request.node.user_properties.append(("seed", chosen))
    print(f"HEARTLINE_SEED={chosen}")  # noqa: T201 - pytest shows it with a failure
    return chosen


@pytest.fixture
def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture(scope="session")
def demo_mission() -> Mission:
    return load_mission(PROJECT / "missions" / "demo")


@pytest.fixture(scope="session")
def small_flight(demo_mission: Mission, tmp_path_factory: pytest.TempPathFactory) -> Flight:
    """The simulated vehicle around lift-off, without its 1 kHz packets but with faults."""
    path = tmp_path_factory.mktemp("flight") / "packets.bin"
    path.write_bytes(simulate(3, start=-12.0, end=75.0).packets)
    flight = load_recording(path, demo_mission, Chain(demo_mission)).flight
    apid = flight.data[flight.start + 1]  # low byte of the APID
    keep = apid != 104
    return Flight(flight.data, flight.start[keep], flight.length[keep], flight.reception_ns[keep])
