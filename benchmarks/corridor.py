"""`make corridor`: a webcast launch judged by the corridor of the others (docs/benchmarks.md)."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.real_flights import PROJECT
from pipeline.alarms.monitor import Monitor
from pipeline.formats.importing import import_flight
from pipeline.formats.series import Options
from pipeline.gate.calibrate import fit
from pipeline.gate.grids import Heard, hear, read_flight
from pipeline.mission.folder import load_mission
from pipeline.models.corridor import CorridorRule
from pipeline.models.families import BY_NAME
from pipeline.timeline.after_gap import after_gap
from schemas.columns import F8, I8, Grid

STARTS = (61, 70, 80, 90, 100, 120, 140)  # s after lift-off, when tampering begins
TAMPERED = ("bias of 5 %", "stuck")


def flights(data: Path, folder: Path) -> Iterator[tuple[str, list[Heard]]]:
    """Every launch of the webcasts, imported."""
    for where in sorted(p for p in (data / "flights" / "spacex").iterdir() if p.is_dir()):
        files = [f for f in sorted(where.glob("*raw.json")) if not f.name.startswith("stage")]
        made = import_flight([files[0]], "spacex", Options())
        mine = folder / where.name
        mine.mkdir()
        (mine / "packets.bin").write_bytes(made.packets)
        (mine / "xtce.xml").write_bytes(made.xtce)
        mission = load_mission(PROJECT / "missions" / "spacex", mine / "xtce.xml")
        yield where.name, hear(read_flight(mine / "packets.bin", mission), mission, ("*",))


def raised(grid: Grid, heard: Heard, known: dict[str, F8 | I8], rule: CorridorRule) -> I8:
    """(row, parameter, level) of every alert that is raised or rises, in order."""
    family = BY_NAME["corridor"]
    parameters = [heard.group.parameters[i] for i in heard.columns]
    model = family(parameters, heard.period_ns, [rule] * len(parameters))
    model.restore(known)
    monitor = Monitor(model.min_samples, model.min_ns, model.leave_samples)
    t = monitor.feed(grid.time_ns, grid.packet, model.feed(grid))
    rising = t.after > t.before
    return np.stack([t.row[rising], t.parameter[rising], t.after[rising]], 1)


def tampered(grid: Grid, kind: str, row: int, column: int) -> Grid:
    value = grid.value.copy()
    value[row:, column] = value[row:, column] * 1.05 if kind == TAMPERED[0] else value[row, column]
    return replace(grid, value=value)


def delays(
    heard: Heard, known: dict[str, F8 | I8], rule: CorridorRule, kind: str
) -> Sequence[float]:
    """Seconds until the corridor alerts on the parameter, for each start of STARTS."""
    found = []
    for start in STARTS:
        for column in range(len(heard.columns)):
            grid = after_gap(heard.whole)[0]
            row = int(np.searchsorted(grid.time_ns - grid.time_ns[0], start * 1_000_000_000))
            said = raised(tampered(grid, kind, row, column), heard, known, rule)
            mine = said[(said[:, 0] >= row) & (said[:, 1] == column), 0]
            period = heard.period_ns / 1e9
            found.append((int(mine[0]) - row) * period if len(mine) else np.inf)
    return found


def main() -> None:
    data, rule = Path(os.environ.get("TELEMETRY_DATA", "../shared/data")), CorridorRule()
    family = BY_NAME["corridor"]
    with tempfile.TemporaryDirectory() as name:
        every = {who: heard[0] for who, heard in flights(data, Path(name))}
    columns = ["launch", "watch, warning", *(f"{k}: ≤ 3 s, ≤ 10 s, worst" for k in TAMPERED)]
    print("| " + " | ".join(columns) + " |")
    print("|---" * (2 + len(TAMPERED)) + "|")
    all_delays: dict[str, list[float]] = {k: [] for k in TAMPERED}
    for who, heard in every.items():
        past = [h for other, h in every.items() if other != who]
        known = fit(past, family, rule, ())
        grid = after_gap(heard.whole)[0]
        said = raised(grid, heard, known, rule)
        times = [f"{(grid.time_ns[r] - grid.time_ns[0]) / 1e9:.0f}" for r, _, v in said if v >= 2]
        watch, warning = (int(np.sum(said[:, 2] == v)) for v in (1, 2))
        cells = [f"{watch}, {warning}" + (f" (T+{', '.join(times)})" if times else "")]
        for kind in TAMPERED:
            got = delays(heard, known, rule, kind)
            all_delays[kind] += got
            cells.append(_told(got))
        print(f"| {who} | " + " | ".join(cells) + " |", flush=True)
    print("| all | | " + " | ".join(_told(all_delays[k]) for k in TAMPERED) + " |")


def _told(found: Sequence[float]) -> str:
    got = np.array(found)
    worst = "missed" if np.isinf(got.max()) else f"{got.max():.1f} s"
    return f"{np.mean(got <= 3):.0%}, {np.mean(got <= 10):.0%}, {worst}"


main()
