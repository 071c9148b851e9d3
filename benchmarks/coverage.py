"""`make coverage`: how often the 80 % interval of time to limit holds (docs/benchmarks.md).

Simulated: every forecast that is raised on a parameter of a slow fault, against the crossing of the
noise-free value. Recorded: every numeric parameter of every flight under `flights`, with limits
inside its own range (at tenths of it, one at a time), against its first crossing.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.lead_time import PROJECT, SEEDS
from benchmarks.real_flights import FLIGHTS
from pipeline.alarms.monitor import Monitor
from pipeline.chain import Chain
from pipeline.flights.run import load_recording, run_flight
from pipeline.gate.grids import Heard, hear, read_flight
from pipeline.mission.folder import load_mission
from pipeline.models.shared.contract import GroupParameter
from pipeline.models.time_to_limit import TimeToLimit, TimeToLimitRule
from pipeline.simulate import simulate
from pipeline.simulate.faults import KINDS
from schemas import topics
from schemas.columns import F8, Grid

LEVELS = tuple(k / 10 for k in range(1, 10))
MANY_ROWS = 200_000  # of one recording, looked at from its beginning


@dataclass(frozen=True)
class Forecast:
    """lead, soonest, latest, real: s from the alert on; real inf: no crossing was seen."""

    lead: float
    soonest: float | None
    latest: float | None
    real: float
    heard: float  # s from the alert to the end of what was recorded

    @property
    def holds(self) -> bool | None:
        """None where the recording ended too early to tell."""
        low, high = self.soonest or 0.0, math.inf if self.latest is None else self.latest
        if math.isfinite(self.real):
            return low <= self.real <= high
        return False if self.heard > high else None


def simulated(seeds: list[int]) -> Iterator[tuple[str, Forecast]]:
    mission = load_mission(PROJECT / "missions" / "demo")
    with tempfile.TemporaryDirectory() as name:
        for seed in seeds:
            flown, path = simulate(seed, KINDS), Path(name) / "packets.bin"
            path.write_bytes(flown.packets)
            chain, truth = Chain(mission), flown.truth
            flight = load_recording(path, mission, chain).flight
            events = (o.event for fed in run_flight(flight, chain) for _, o in fed.outputs
                      if o.topic == topics.ALERTS and o.event)  # fmt: skip
            forecasts = [e for e in events if e.get("lead_80_s") and e["transition"] == "raised"]
            for fault in truth["faults"]:
                for parameter, crossing in fault["crossings"].items() if fault["slow"] else ():
                    for e in forecasts:
                        at = (e["generation_ns"] - truth["t0_ns"]) / 1e9
                        mine = e["parameter"].rsplit("/", 1)[1] == parameter
                        if mine and fault["onset"] <= at < crossing:
                            yield fault["kind"], _told(e, crossing - at, math.inf)


def _told(evidence: dict[str, Any], real: float, heard: float) -> Forecast:
    soonest, latest = evidence["lead_80_s"]
    return Forecast(evidence["lead_s"], soonest, latest, real, heard)


def recorded(data: Path) -> Iterator[tuple[str, Forecast]]:
    with tempfile.TemporaryDirectory() as name:
        for flight, prepare in FLIGHTS.items():
            made = prepare(data, Path(name))
            mission = load_mission(made.mission, made.mdb)
            for heard in hear(read_flight(made.packets, mission), mission, ("*",)):
                for j in range(len(heard.columns)):
                    yield from ((flight, f) for f in _of(heard, j))


def _of(heard: Heard, j: int) -> Iterator[Forecast]:
    """Of one column, a limit at a time on either side; one forecast a run of the monitor."""
    grid = _column(heard.whole, j)
    x = grid.value[:, 0]
    good = np.isfinite(x)
    if good.sum() < 100 or np.ptp(x[good]) == 0:
        return
    low, high = float(x[good].min()), float(x[good].max())
    for share, (side, bound) in ((s, b) for s in LEVELS for b in (("low", high), ("high", low))):
        limit = bound + share * (low - high if side == "low" else high - low)
        yield from _against(grid, x, side, limit, heard.period_ns)


def _column(grid: Grid, j: int) -> Grid:
    n = min(len(grid.time_ns), MANY_ROWS)
    return Grid(
        grid.time_ns[:n], grid.packet[:n], grid.value[:n, [j]].copy(), grid.quality[:n, [j]].copy(),
        grid.age_ns[:n], *(np.zeros(0, np.int64),) * 3,
    )  # fmt: skip


def _against(grid: Grid, x: F8, side: str, limit: float, period_ns: int) -> Iterator[Forecast]:
    none, far = (-math.inf,) * 5, (math.inf,) * 5
    only = (limit,) * 5
    known = GroupParameter("x", None, only if side == "low" else none,  # type: ignore[arg-type]
                           only if side == "high" else far)  # fmt: skip
    model = TimeToLimit([known], period_ns, [TimeToLimitRule()])
    scores = model.feed(grid)
    t = Monitor(model.min_samples, model.min_ns, model.leave_samples).feed(
        grid.time_ns, grid.packet, scores
    )
    beyond = np.flatnonzero(x <= limit if side == "low" else x >= limit)
    for row, after in zip(t.row.tolist(), t.after.tolist(), strict=True):
        if not after or not 0 < scores.enter[row, 0] < 255:
            continue
        told = model.evidence(0, scores.detail[row, :, 0])
        if not told["lead_s"]:
            continue
        later = beyond[beyond > row]
        if len(later) and len(beyond[beyond <= row]) and beyond[beyond <= row][-1] == row:
            continue
        real = (grid.time_ns[later[0]] - grid.time_ns[row]) / 1e9 if len(later) else math.inf
        heard = (grid.time_ns[-1] - grid.time_ns[row]) / 1e9
        yield _told(told, float(real), float(heard))


def table(found: list[tuple[str, Forecast]], name: str) -> None:
    """A row for each kind, and one for all of them by this name."""
    for kind in dict.fromkeys(k for k, _ in found):
        line(kind, [f for k, f in found if k == kind])
    line(name, [f for _, f in found])


def line(name: str, mine: list[Forecast]) -> None:
    told = [f for f in mine if f.holds is not None]
    holds = sum(bool(f.holds) for f in told)
    soon = sum(not f.holds and f.real < (f.soonest or 0) for f in told)
    widths = sorted(
        math.inf if f.latest is None else (f.latest - (f.soonest or 0)) / f.lead for f in told
    )
    width = f"{widths[len(widths) // 2]:.0%}" if widths else "–"
    share = f"{holds / len(told):.0%}" if told else "–"
    print(
        f"| {name} | {len(told)} | {share} | {soon} | {len(told) - holds - soon} | "
        f"{len(mine) - len(told)} | {width} |",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, nargs="*", default=list(SEEDS))
    given = parser.parse_args()
    print("Width: of the interval, in the forecast's own lead, the median.\n")
    print("| | forecasts | interval holds | too soon | too late | cannot be told | width |")
    print("|---|---|---|---|---|---|---|")
    flown, real = list(simulated(given.seeds)), list(recorded(given.data))
    table(flown, "all simulated")
    table(real, "all recorded")
    line("all", [f for _, f in flown + real])


if __name__ == "__main__":
    main()
