"""Trained models under the laws: a chain with an active one that alerts far too often."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.chain import Chain
from pipeline.mission.folder import Mission
from pipeline.models.families import BY_NAME
from schemas.artefact import Artefact, Part
from schemas.control import ModelStage

# settings that a family cannot do without, on a grid of one row a second
NEEDED: dict[str, dict[str, Any]] = {
    "seasonal": {"period_s": 20.0},
    "resonance": {"low_hz": 0.1, "high_hz": 0.4},
    "voting": {"tolerance": 1e3},
    "bands": {"edges_hz": (0.1, 0.2, 0.4)},
}
SETS = ("coupled", "voting", "peers")  # which look at several parameters of one container together


def artefact_of(
    mission: Mission, family_name: str, name: str, wanted: tuple[str, ...], **settings: Any
) -> Artefact:
    """An untrained model of the parameters whose qualified names are in wanted."""
    family = BY_NAME[family_name]
    parts = []
    for container in Chain(mission).containers:
        for group in container.groups:
            names = group.group.qualified_names
            columns = [i for i, n in enumerate(names) if n in wanted]
            if not columns:
                continue
            chosen = [group.group.parameters[i] for i in columns]
            rule = BY_NAME[family_name].Rule(**settings)
            model = family(chosen, group.period_ns, [rule] * len(chosen))
            none = np.zeros(len(columns))
            known = {"low": none, "high": none, "step": none}
            mine = tuple(names[i] for i in columns)
            parts.append(Part(mine, settings, model.snapshot(), known))
    return Artefact(name, family_name, family.version, tuple(parts), (), {"version": "test"})


NAMES = (  # most of them without limits, which would confirm an alarm
    "ACOU_LOW", "ACOU_MID", "ACOU_HIGH", "LOX_LEVEL", "FUEL_LEVEL", "LOX_T", "BARO_P_A", "BARO_P_B",
    "BATT_V",
)  # fmt: skip
_MADE: dict[str, Artefact] = {}


def gated_chain(mission: Mission) -> Chain:
    """A chain whose model is active from the first record on, and demoted soon."""
    if "noisy" not in _MADE:
        names = tuple(f"/HL1/{n}" for n in NAMES)
        _MADE["noisy"] = artefact_of(
            mission, "residual", "noisy", names, threshold=0.5, warm_up_s=2.0, min_samples=1,
            min_seconds=0.0,
        )  # fmt: skip
    chain = Chain(mission)
    chain.models.apply(ModelStage("noisy", "active", _MADE["noisy"]))
    return chain
