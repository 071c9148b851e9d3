"""The model families, in the order in which their alerts of one packet are numbered.

A family joins here and, with its settings, in `schemas.settings.MODEL_RULES`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pipeline.models.activity import Activity
from pipeline.models.bands import Bands
from pipeline.models.corridor import Corridor
from pipeline.models.coupled import Coupled
from pipeline.models.departure import Departure
from pipeline.models.fatigue import Fatigue
from pipeline.models.flat import Flat
from pipeline.models.forecaster import Forecaster
from pipeline.models.level import LevelModel
from pipeline.models.residual import Residual
from pipeline.models.resonance import Resonance
from pipeline.models.seasonal import Seasonal
from pipeline.models.shape import Shape
from pipeline.models.shared.contract import Model
from pipeline.models.shared.record import RecordModel
from pipeline.models.time_to_limit import TimeToLimit
from pipeline.models.voting import Voting

MODEL_KINDS = ("integer", "float")  # enumerations and booleans have no trend


def chebyshev(score: float) -> float:
    """Least probability that a residual of `score` deviations is no chance (Chebyshev)."""
    return max(0.0, 1.0 - 1.0 / (score * score)) if score > 0 else 0.0


def normal_confidence(z: float) -> float:
    """Probability that a slope of z deviations has the sign it shows."""
    return 0.5 * (1.0 + math.erf(abs(z) / math.sqrt(2.0)))


def record_confidence(score: float) -> float:
    """That an excess `score` times what is allowed is no chance, were excesses as wild as 1/r²."""
    return max(0.0, 1.0 - 1.0 / score) if score > 0 else 0.0


def certain(score: float) -> float:  # noqa: ARG001
    """A sum is a sum; what it stands for is the S-N line's matter."""
    return 1.0


@dataclass(frozen=True, slots=True)
class Family:
    """make(parameters, period_ns, rules): a model of one group. confidence: of a score.
    theta: the setting that a budget of false alarms decides."""

    make: Callable[..., Model]
    confidence: Callable[[float], float]
    theta: str

    @property
    def name(self) -> str:
        made: Any = self.make
        return str(made.family)

    @property
    def judges_by_records(self) -> bool:
        return isinstance(self.make, type) and issubclass(self.make, RecordModel)

    @property
    def version(self) -> int:
        made: Any = self.make
        return int(made.version)


FAMILIES = (
    Family(Residual, chebyshev, "threshold"),
    Family(TimeToLimit, normal_confidence, "significance"),
    Family(Flat, record_confidence, "threshold"),
    Family(LevelModel, record_confidence, "margin"),
    Family(Activity, record_confidence, "margin"),
    Family(Shape, record_confidence, "margin"),
    Family(Forecaster, record_confidence, "margin"),
    Family(Departure, record_confidence, "margin"),
    Family(Seasonal, record_confidence, "margin"),
    Family(Bands, record_confidence, "margin"),
    Family(Resonance, record_confidence, "margin"),
    Family(Coupled, record_confidence, "margin"),
    Family(Voting, record_confidence, "tolerance"),
    Family(Corridor, record_confidence, "margin"),
    Family(Fatigue, certain, "threshold"),
)
BY_NAME = {f.name: f for f in FAMILIES}
