"""The models that are in force in a mission folder, each checked against the mission first."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.chain import Chain
from pipeline.errors import MissionError
from pipeline.flights.records import FlightRecord
from pipeline.gate.folder import ModelFolder
from pipeline.mission.folder import Mission
from schemas.control import Control, ModelStage, encode_control
from schemas.records import CONTROL_HEADERS


def check_fit(chain: Chain, staged: ModelStage) -> None:
    """Apply a model to a chain. MissionError where it does not fit the chain's mission."""
    try:
        chain.models.apply(staged)
    except ValueError as error:
        raise MissionError(f"model {staged.name} does not fit this mission: {error}.") from None


def in_force(mission: Mission) -> Iterator[Control]:
    """The control that puts each model in force. MissionError where a model does not fit."""
    folder = ModelFolder(mission.folder)
    moves = [m for m in folder.stages().values() if m.stage in ("shadow", "active")]
    if not moves:
        return
    chain = Chain(mission)
    for move in moves:
        control = folder.control(move)
        assert control.model
        check_fit(chain, control.model)
        yield control


def models_first(mission: Mission, when_ns: int) -> Iterator[FlightRecord]:
    """Control records that put a mission's models in force, before the flight begins at when_ns."""
    for control in in_force(mission):
        yield FlightRecord(when_ns, encode_control(control), CONTROL_HEADERS, 0)
