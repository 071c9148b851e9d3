"""Costs other than time a sample: allocations a batch, time to readiness, all families on."""

from __future__ import annotations

import gc
import os
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from agents.broker.embedded import EmbeddedBroker, free_port
from benchmarks.chain import begun, mission, records, stages, tables
from benchmarks.goals import READY_S
from benchmarks.timing import median_of_fresh
from pipeline.chain import Chain
from pipeline.formats.importing import mission_toml
from pipeline.formats.xtce import write_xtce
from pipeline.models.bands import BandsRule
from pipeline.models.coupled import CoupledRule
from pipeline.models.departure import DepartureRule
from pipeline.models.resonance import ResonanceRule
from pipeline.models.seasonal import SeasonalRule
from pipeline.models.voting import VotingRule
from pipeline.scoring.column import SPACECRAFT

PARAMETERS, SECONDS = 1000, 1500
RECORDS = 820  # a batch: 16,384 packets and their ticks


def allocations() -> list[str]:
    """Python's and numpy's memory before a batch, at its height, and after it."""
    found = tables(PARAMETERS)
    given, chain = records(found, 15 * RECORDS // 2), Chain(mission(found))
    parts = [given[i : i + RECORDS] for i in range(0, len(given), RECORDS)]
    for part in parts[:4]:  # buffers grow to the size of a batch
        chain.feed(part)
    tracemalloc.start()
    chain.feed(parts[4])
    gc.collect()
    first, heights = tracemalloc.get_traced_memory()[0], []
    for part in parts[5:]:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        chain.feed(part)
        heights.append(tracemalloc.get_traced_memory()[1] - before)
    gc.collect()
    kept = (tracemalloc.get_traced_memory()[0] - first) / len(heights)
    tracemalloc.stop()
    told = (
        f"allocations a batch of {RECORDS // 2 * PARAMETERS} samples, outputs made and let go: "
        f"{statistics.median(heights) / 1e6:.1f} MB at the height, {kept / 1e3:+.1f} kB kept"
    )
    return [told]


def families() -> list[str]:
    """The chain with every family on, against the default."""
    found = tables(PARAMETERS)
    given, plain = records(found, SECONDS), mission(found)
    on: dict[str, Any] = {f.name: (f.Rule(enabled=True),) for f in SPACECRAFT}
    every = replace(plain, settings=replace(plain.settings, models=dict(on)))
    on |= {
        "departure": (DepartureRule(enabled=True),),
        "seasonal": (SeasonalRule(enabled=True, period_s=5400),),
        "bands": (BandsRule(enabled=True),),
        "resonance": (ResonanceRule(enabled=True, low_hz=0.1, high_hz=0.4),),
        "coupled": (CoupledRule(enabled=True),),
        "voting": (VotingRule(enabled=True, tolerance=1e9),),
    }
    whole = replace(plain, settings=replace(plain.settings, models=on))
    lines = [f"families, {PARAMETERS} parameters, 25 a packet: M samples/s, kB a parameter"]
    told = (("default: 3 families", plain), (f"{3 + len(SPACECRAFT)} families", every),
            (f"{len(on) + 3} families", whole))  # fmt: skip
    for words, one in told:
        work = partial(stages, given=given[2:], batch=RECORDS)
        samples = PARAMETERS * (SECONDS - 1)
        taken = median_of_fresh(partial(begun, one, given[:2]), work)
        chain = Chain(one)
        chain.feed(given[:200])
        size = sum(a.nbytes for n, a in chain.snapshot().items() if not n.startswith("packets"))
        lines.append(f"  {words:20s}{samples / taken / 1e6:6.2f}{size / PARAMETERS / 1e3:8.1f}")
    lines[-2] += "   goal 2.5 M, 16 kB"
    return lines


def start() -> list[str]:
    """Time from `heartline worker` typed until /healthz answers: with kernels compiled before, and
    in a home where none are."""
    found = tables(PARAMETERS)
    with tempfile.TemporaryDirectory() as name, EmbeddedBroker() as broker:
        folder = Path(name)
        (folder / "x.xml").write_bytes(write_xtce("B", found))
        (folder / "mission.toml").write_text(mission_toml("bench", "x.xml"))
        _ready(broker.bootstrap, folder, "w", os.environ)
        warm = [_ready(broker.bootstrap, folder, f"w{k}", os.environ) for k in range(3)]
        empty = {**os.environ, "HOME": str(folder / "home")}
        cold = _ready(broker.bootstrap, folder, "c", empty)
    return [
        "worker typed to ready",
        f"  kernels compiled before: {statistics.median(warm):.1f} s ({READY_S['warm']})",
        f"  in a home without them: {cold:.1f} s ({READY_S['cold']})",
    ]


def _ready(bootstrap: str, folder: Path, namespace: str, environment: Mapping[str, str]) -> float:
    port, begun = free_port(), time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "agents", "worker", "--bootstrap", bootstrap, "--namespace",
         namespace, "--source", f"bench={folder}", "--metrics-port", str(port)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment,
    )  # fmt: skip
    try:
        while process.poll() is None:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2):
                    return time.perf_counter() - begun
            except (urllib.error.URLError, OSError):
                time.sleep(0.02)
        raise RuntimeError(f"the worker ended with {process.returncode}")
    finally:
        process.terminate()
        process.wait()


def run() -> list[str]:
    return [*families(), *allocations(), *start()]
