"""The model families, in the order in which their alerts of one packet are numbered.

A family joins by its file and its line here (`models.shared.family`).
"""

from __future__ import annotations

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
from pipeline.models.peers import Peers
from pipeline.models.remaining_life import RemainingLife
from pipeline.models.residual import Residual
from pipeline.models.resonance import Resonance
from pipeline.models.seasonal import Seasonal
from pipeline.models.shape import Shape
from pipeline.models.shared.family import Family
from pipeline.models.time_to_limit import TimeToLimit
from pipeline.models.voting import Voting
from schemas.settings import MissionSettings

MODEL_KINDS = ("integer", "float")  # enumerations and booleans have no trend

FAMILIES: tuple[type[Family], ...] = (
    Residual,
    TimeToLimit,
    Flat,
    LevelModel,
    Activity,
    Shape,
    Forecaster,
    Departure,
    Seasonal,
    Bands,
    Resonance,
    Coupled,
    Voting,
    Corridor,
    Fatigue,
    RemainingLife,
    Peers,
)
BY_NAME = {f.name: f for f in FAMILIES}


def rules_of(settings: MissionSettings, family: type[Family]) -> tuple[Any, ...]:
    """A mission's rules of a family. The last rule that matches is in force; the first rule matches
    all."""
    return settings.models.get(family.name, (family.Rule(),))
