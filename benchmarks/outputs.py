"""What outputs and families cost, an alert, and a feed of one record (docs/mission.md)."""

from __future__ import annotations

import gc
import statistics
import time
from dataclasses import replace
from typing import Any

import numpy as np

from agents.lane.service import GC
from benchmarks.chain import BEGIN, chunks, mission, records, records_of, tables
from benchmarks.goals import ALERT_US, FEED_MS, SAMPLE_BYTES
from pipeline.chain import Chain
from pipeline.formats.spec import Recorded, Table
from pipeline.mission.folder import Mission
from pipeline.models.families import FAMILIES
from schemas import topics
from schemas.records import Records
from schemas.settings import OutputSettings

PARAMETERS, SECONDS, CHUNK_S = 1000, 2000, 400
ROUNDS = 5
DEFAULT = ("residual", "time_to_limit", "flat")
COLUMNS = (topics.SAMPLES, topics.STATISTICS, topics.DEFINITIONS)


def fly(made: Mission, given: list[Records]) -> tuple[float, dict[str, int]]:
    """Seconds of all but the first chunk, and bytes of each topic."""
    chain, size, taken = Chain(made), dict.fromkeys(topics.OUTPUTS, 0), 0.0
    for i, chunk in enumerate(given):
        begun = time.perf_counter()
        fed = chain.feed(chunk)
        taken += (time.perf_counter() - begun) if i else 0.0
        for _, output in fed.outputs:
            size[output.topic] += len(output.value)
    return taken, size


def with_outputs(made: Mission, **settings: Any) -> Mission:
    outputs = OutputSettings(**settings)
    return replace(made, settings=replace(made.settings, outputs=outputs))


def without(made: Mission, *families: str) -> Mission:
    by_name = {f.name: f for f in FAMILIES}
    off = {n: (by_name[n].Rule(**by_name[n].example | {"enabled": False}),) for n in families}
    return replace(made, settings=replace(made.settings, models=dict(made.settings.models) | off))


def costs() -> list[str]:
    """Each switch by itself, against all of them on, in turn."""
    made = mission(tables(PARAMETERS))
    given = chunks(records(tables(PARAMETERS), SECONDS), 2 * CHUNK_S)
    samples = PARAMETERS * (SECONDS - CHUNK_S)
    switches = {
        "samples": with_outputs(made, samples="off"),
        "statistics published": with_outputs(made, statistics="off"),
        "columns in place of JSON": with_outputs(made, statistics="json"),
        **{name: without(made, name) for name in DEFAULT},
    }
    every = {"": made, **switches}
    best = dict.fromkeys(every, float("inf"))
    for _ in range(ROUNDS):
        for name, other in every.items():
            best[name] = min(best[name], fly(other, given)[0])
    ns = {name: 1e9 * taken / samples for name, taken in best.items()}
    lines = [f"what each costs, {PARAMETERS} parameters, ns a sample of {ns.pop(''):.0f}"]
    lines[0] += " (the fastest of several runs, less that without it)"
    whole = 1e9 * best[""] / samples
    return [*lines, *(f"  {name:28s}{whole - rest:8.1f}" for name, rest in ns.items())]


def sizes() -> list[str]:
    lines = ["bytes a sample, by topic"]
    for parameters, seconds in ((1000, 1200), (10, 12_000)):
        given = chunks(records(tables(parameters), seconds), 1200)
        _, size = fly(mission(tables(parameters)), given)
        told = ", ".join(f"{t.split('.')[1]} {size[t] / parameters / seconds:.2f}" for t in COLUMNS)
        lines.append(f"  {parameters:5d} parameters: {told} (samples {SAMPLE_BYTES[parameters]})")
    return lines


def alerts() -> list[str]:
    """The same flight with and without crossings of limits: a slow wave on every parameter."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC)  # as the worker does
    found, seconds = tables(PARAMETERS), 200
    taken = {height: _waves(found, seconds, height) for height in (2.0, 70.0)}
    (quiet, none), (loud, many) = taken.values()
    each = 1e6 * (loud - quiet) / (many - none)
    return [f"CPU of an alert: {each:.1f} us ({many} alerts; {ALERT_US})"]


def _waves(found: list[Table], seconds: int, height: float) -> tuple[float, int]:
    at = np.arange(seconds)
    flown = []
    for table in found:
        columns: dict[str, Any] = {
            c.name: np.where((at + 3 * i) % 100 < 40, height, 1.0).astype(np.float32)
            for i, c in enumerate(table.columns)
        }
        flown.append(Recorded(table, BEGIN + at * 10**9 + 300_000_000, columns))
    made, given = mission(found), chunks(records_of(flown), 100)
    best, n = float("inf"), 0
    for _ in range(ROUNDS):
        chain, begun = Chain(made), time.process_time()
        every = [o for chunk in given for _, o in chain.feed(chunk).outputs]
        best = min(best, time.process_time() - begun)
        n = sum(o.topic in topics.ALERTS_OF_ALL for o in every)
    return best, n


def one_by_one() -> list[str]:
    """A packet of every container and a tick, fed alone: what a lane at the head does."""
    lines = ["one record and a tick a feed, 1,000 parameters"]
    for width, goal in FEED_MS.items():
        found = tables(PARAMETERS, width)
        given = chunks(records(found, 80), 2)
        chain = Chain(mission(found))
        taken = []
        for chunk in given:
            begun = time.perf_counter()
            chain.feed(chunk)
            taken.append(time.perf_counter() - begun)
        middle = 1e3 * statistics.median(taken[20:])
        lines.append(f"  {len(found):4d} containers: {middle:6.2f} ms ({goal})")
    return lines


def run() -> list[str]:
    return [*costs(), "", *sizes(), "", *alerts(), "", *one_by_one()]


if __name__ == "__main__":
    print("\n".join(run()))
