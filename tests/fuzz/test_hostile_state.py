"""A snapshot of a stranger: well-shaped, with any value at any place. It is refused, or what is fed
after it is judged wrongly; the process neither dies nor hangs.

In a process of its own: what is wrong here ends it.
"""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.chain import Chain
from pipeline.flights.run import load_recording, raw_records
from pipeline.mission.folder import Mission, load_mission
from pipeline.simulate import simulate
from schemas.records import RawRecord
from tests.conftest import PROJECT

TRIES = 700
WILD = (-7, -1, 1, 2, 9, 200, 65_537, 2**31, 2**40, -(2**40), 2**62, 2**63 - 1, -(2**63))
FIRST = "segmented_apids = [2000]\n"
EXTRA = """
[[shape]]
enabled = true
[[seasonal]]
enabled = true
period_s = 60
[[departure]]
enabled = true
"""


def mission(folder: Path) -> Mission:
    """The demo's, with stages that it does without."""
    demo = PROJECT / "missions" / "demo"
    (folder / "hl1.xml").write_bytes((demo / "hl1.xml").read_bytes())
    text = (demo / "mission.toml").read_text()
    (folder / "mission.toml").write_text(FIRST + text + EXTRA)
    return load_mission(folder)


def flight(folder: Path, its: Mission) -> list[RawRecord]:
    path = folder / "packets.bin"
    path.write_bytes(simulate(2, start=-1.0, end=3.0).packets)
    whole = load_recording(path, its, Chain(its)).flight
    return list(raw_records(whole))


def wild(rnd: random.Random, kind: np.dtype[Any]) -> Any:
    """A value that a kernel would rather not have."""
    if kind.kind == "f":
        return rnd.choice((np.nan, np.inf, -np.inf, 0.0, -1.0, 1e-300, 1e300, -1e38, 1e9))
    info = np.iinfo(kind) if kind.kind != "b" else np.iinfo(np.uint8)
    return min(max(rnd.choice(WILD), info.min), info.max)


def attack(seed: int, folder: Path) -> None:
    rnd, its = random.Random(seed), mission(folder)
    given = flight(folder, its)
    half = len(given) // 2
    chain = Chain(its)
    chain.feed(given[:half])
    state = chain.snapshot()
    names = [n for n, a in sorted(state.items()) if a.size and a.dtype.kind in "iubf"]
    after, refused = given[half : half + 12], 0
    for _ in range(TRIES):
        name = rnd.choice(names)
        array = state[name].copy()
        for _ in range(rnd.choice((1, 1, array.size))):
            array.reshape(-1)[rnd.randrange(array.size)] = wild(rnd, array.dtype)
        sys.stdout.write(f"{name}\n")
        sys.stdout.flush()
        try:
            chain.restore(state | {name: array})
        except ValueError:
            refused += 1
            continue
        chain.feed(after)
    sys.stdout.write(f"refused {refused}\n")


def test_any_value_at_any_place(seed: int, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.test_hostile_state", str(seed), str(tmp_path)],
        capture_output=True, text=True, timeout=240, cwd=PROJECT, check=False,
    )  # fmt: skip
    last = done.stdout.splitlines()[-1:]
    assert done.returncode == 0, f"status {done.returncode} at {last}: {done.stderr[-1500:]}"
    assert int(last[0].split()[1]) > TRIES // 20


if __name__ == "__main__":
    attack(int(sys.argv[1]), Path(sys.argv[2]))
