"""Cases of the model families: each joins by its line of FAMILIES."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from pipeline.models.corridor import Corridor, CorridorRule
from pipeline.models.departure import Departure, DepartureRule
from pipeline.models.families import FAMILIES
from pipeline.models.shared.family import Family
from pipeline.models.shared.phased import Phased
from pipeline.models.shared.rules import RecordRule
from tests.laws.case import LONG, SECOND, Case, F, N, as_bytes, grid_of, parameters
from tests.laws.streams import long_numbers, spectrum_numbers, wild_numbers


def _feed_model(stage: Any, stream: Any, a: int, b: int) -> bytes:
    s = stage.feed(grid_of(stream, a, b))
    spoken = (s.enter > 0) & (s.enter < 255)
    return b"".join(
        as_bytes(s.enter[i], s.leave[i], s.predicted[i], s.score[i], s.detail[i][:, spoken[i]])
        for i in range(b - a)
    )


def _feed_phased(stage: Any, stream: Any, a: int, b: int) -> bytes:
    grid = grid_of(stream, a, b)
    s = stage.feed(replace(grid, phase=grid.time_ns // (97 * SECOND) % 3))
    spoken = (s.enter > 0) & (s.enter < 255)
    return b"".join(
        as_bytes(s.enter[i], s.predicted[i], s.score[i], s.detail[i][:, spoken[i]])
        for i in range(b - a)
    )


_SHORT: dict[str, Any] = {"history": 40, "let_go": 20}  # settings of a RecordRule


def _corridor() -> Corridor:
    """A corridor whose mission time begins with a parameter, trained on four similar flights."""
    made = Corridor(parameters(), SECOND, [CorridorRule(zero_on="P1", margin=0.05)] * F)
    for seed in range(4):
        made.learn(grid_of(wild_numbers(np.random.default_rng(seed)), 0, N))
    return made


def family_case(family: type[Family]) -> Case:
    """A case of any family, made only from its example. Where it judges by records or spectra, it
    is long enough for them to be made and broken."""
    short = _SHORT if issubclass(family.Rule, RecordRule) else {}
    rule = family.Rule(**short | family.example)

    def make() -> Any:
        made = family(parameters(), SECOND, [rule] * F)
        if family.trained_alone:
            made.learn_all(
                [grid_of(wild_numbers(np.random.default_rng(seed)), 0, N) for seed in range(6)]
            )
        return made

    spectral = "smooth" in make().state
    stream, length = (spectrum_numbers, 3 * LONG) if spectral else (long_numbers, LONG)
    if not short:
        stream, length = wild_numbers, N
    return Case(f"family {family.name}", make, stream, _feed_model, length)


CASES = [
    *map(family_case, FAMILIES),
    Case("corridor from a parameter on", _corridor, wild_numbers, _feed_model),
    Case(
        "phased",
        lambda: Phased(
            [Departure(parameters(), SECOND, [DepartureRule(**_SHORT)] * F) for _ in range(3)]
        ),
        long_numbers,
        _feed_phased,
        LONG,
    ),
]
