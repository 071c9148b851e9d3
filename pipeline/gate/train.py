"""Training: a family runs over recorded nominal flights, and its state after that is the model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import FlightError
from pipeline.gate.baselines import baseline
from pipeline.gate.calibrate import Calibration, calibrate, fit
from pipeline.gate.grids import Heard, Recorded, hear, read_flight
from pipeline.kernel import source_sha256
from pipeline.mission.folder import Mission
from pipeline.models.families import BY_NAME
from pipeline.models.shared.phased import phases_of
from schemas.artefact import Artefact, Part, Trained, check_name, encode_artefact
from schemas.version import VERSION

Progress = Callable[[int, int], None]  # (steps done, of all)


def train(
    name: str, family_name: str, mission: Mission, paths: Sequence[Path | Sequence[Path]],
    patterns: Sequence[str], settings: dict[str, Any], on_progress: Progress,
) -> tuple[Artefact, Calibration]:  # fmt: skip
    """A model of every parameter that matches, and how its threshold was found on these flights.

    settings: of the family; a threshold among them is kept. FlightError where nothing matches,
    where no threshold stays within the mission's budget, or where the artefact would be too large.
    """
    try:
        check_name(name)
    except ValueError as error:
        raise FlightError(f"{error}.") from None
    family = BY_NAME[family_name]
    rule = family.Rule(**settings)
    if wrong := rule.mistake():
        raise FlightError(f"{family_name}: {wrong[1]}")
    if len(paths) < 2:
        raise FlightError("A threshold needs two nominal flights or more: each is left out once.")
    steps, done = len(paths), 0

    def step() -> None:
        nonlocal done
        done += 1
        on_progress(done, steps)

    flights: list[Recorded] = []
    heard = []
    for path in paths:
        flights.append(read_flight(path, mission))
        if any(flights[-1].sha256 == f.sha256 for f in flights[:-1]):
            raise FlightError(f"{flights[-1].name}: is given twice; each flight is left out once.")
        heard.append(hear(flights[-1], mission, patterns))
        step()
    groups: list[list[Heard]] = [list(g) for g in zip(*heard, strict=True)]
    names = [n for g in groups for n in g[0].names]
    if twice := [n for n in names if names.count(n) > 1]:
        raise FlightError(
            f"{twice[0]}: comes in several containers, and a model looks at one of each; leave it "
            "out."
        )
    steps += len(groups) * len(paths)
    if not groups:
        what = ", ".join(patterns)
        raise FlightError(f"{what}: no number of {mission.mdb.path} has such a name.")
    budget = mission.settings.gate.false_alarms_per_parameter_day
    phases = mission.settings.phases.names
    given = family.to_failure or family.theta in settings
    found = calibrate(groups, family, rule, phases, budget, step, given)
    rule = found.rule
    known = [fit(g, family, rule, phases) for g in groups]
    told = {k: v for k, v in asdict(rule).items() if k not in ("match", "enabled")}
    parts = [
        Part(g[0].names, told, state, baseline([f.whole for f in g]))
        for g, state in zip(groups, known, strict=True)
    ]
    code = {"version": VERSION, "sha256": source_sha256()}
    trained = tuple(_trained(f, [h[i] for h in groups]) for i, f in enumerate(flights))
    made = Artefact(
        name, family_name, family.version, tuple(parts), trained, code, phases_of(family, phases)
    )
    try:
        encode_artefact(made)
    except ValueError as error:
        raise FlightError(f"model {name}: {error}.") from None
    return made, found


def _trained(flight: Recorded, heard: list[Heard]) -> Trained:
    times = np.concatenate([h.whole.time_ns for h in heard])
    if not len(times):
        raise FlightError(f"{flight.name}: holds no row of these parameters.")
    return Trained(flight.name, flight.sha256, int(times.min()), int(times.max()), len(times))
