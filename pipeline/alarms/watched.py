"""Monitors of one kind as control records and screens see them: by name, each at its level."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pipeline.alarms.flapping import Flapping
from pipeline.alarms.monitor import Monitor
from pipeline.outputs.evidence import Origin
from schemas.columns import U1
from schemas.mission import Level


class Watched(NamedTuple):
    """Monitors of one kind: names[j] is the name of parameter j.
    model: which trained model, if any. flapping: the flapping filter of its alerts, if any.
    origin: of its alerts, if it belongs to a container."""

    kind: str
    names: tuple[str, ...]
    monitor: Monitor
    model: dict[str, Any] | None = None
    flapping: Flapping | None = None
    origin: Origin | None = None

    def levels(self) -> U1:
        """Level of each monitor, u1[f]; while it flaps, at least the highest level emitted."""
        levels: U1 = self.monitor.state["level"]
        if self.flapping:
            told = self.flapping.state
            levels = np.maximum(levels, told["level"] * told["flapping"])
        return levels

    def level(self, j: int) -> Level:
        return Level(int(self.levels()[j]))
