"""The models of a mission folder: `models/NAME.json`, its report, and the stage of each.

`models/stages.json` keeps every move: who moved which model to which stage, when and why. The last
move of a model is in force. A mission without that folder has no trained models.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from pipeline.errors import MissionError
from pipeline.gate.report import exposure_words
from schemas.artefact import RESERVED, Artefact, decode_artefact, encode_artefact
from schemas.control import STAGES, Control, GateReport, ModelStage

_KEPT = f"{RESERVED}.json"


@dataclass(frozen=True, slots=True)
class Move:
    """One model's way to a stage."""

    name: str
    stage: str
    sha256: str
    who: str
    why: str
    when_ns: int
    admitted: bool = False  # by who moved it, though too little was heard of it


class ModelFolder:
    """folder: the mission's. Everything that it reads is checked; errors name the file."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "models"

    def names(self) -> list[str]:
        files = self.path.glob("*.json")
        return sorted(f.stem for f in files if f.name != _KEPT and ".report" not in f.name)

    def artefact(self, name: str) -> Artefact:
        """MissionError where it is absent, or its content is not valid."""
        path = self.path / f"{name}.json"
        try:
            artefact = decode_artefact(path.read_bytes())
        except OSError:
            known = ", ".join(self.names()) or "none: `heartline models train` makes one"
            raise MissionError(f"{path}: no such model; there are {known}.") from None
        except ValueError as error:  # of orjson too
            raise MissionError(f"{path}: {error}.") from None
        if artefact.name != name:
            raise MissionError(f"{path}: holds a model called {artefact.name!r}.")
        return artefact

    def add(self, artefact: Artefact) -> Path:
        """MissionError where another of that name is in force."""
        stage = self.stages().get(artefact.name)
        if stage and stage.stage in ("shadow", "active") and stage.sha256 != artefact.sha256:
            raise MissionError(
                f"{self.path}: a model {artefact.name!r} is {stage.stage}: give the new one "
                "another name, or retire the old one."
            )
        self.path.mkdir(parents=True, exist_ok=True)
        path = self.path / f"{artefact.name}.json"
        path.write_bytes(encode_artefact(artefact) + b"\n")
        return path

    def add_report(self, name: str, report: dict[str, Any], text: str) -> Path:
        path = self.path / f"{name}.report.md"
        (self.path / f"{name}.report.json").write_bytes(
            orjson.dumps(report, option=orjson.OPT_INDENT_2)
        )
        path.write_text(text)
        return path

    def report(self, name: str) -> dict[str, Any] | None:
        try:
            report = orjson.loads((self.path / f"{name}.report.json").read_bytes())
        except (OSError, ValueError):
            return None
        return report if isinstance(report, dict) else None

    def _signed(self, move: Move) -> GateReport | None:
        """The signed gate report for a move to active, where the model's report has one."""
        told = (self.report(move.name) or {}).get("gate_report")
        if move.stage != "active" or not isinstance(told, dict):
            return None
        try:
            return GateReport(**told)
        except TypeError:
            raise MissionError(f"{self.path / move.name}.report.json: no gate's word.") from None

    def moves(self) -> list[Move]:
        """Every move, oldest first."""
        path = self.path / _KEPT
        if not path.exists():
            return []
        try:
            return [Move(**told) for told in orjson.loads(path.read_bytes())]
        except (OSError, ValueError, TypeError) as error:
            raise MissionError(f"{path}: cannot be read: {error}.") from None

    def stages(self) -> dict[str, Move]:
        return {move.name: move for move in self.moves()}

    def move(
        self, name: str, stage: str, who: str, why: str, when_ns: int, admitted: bool = False
    ) -> Move:
        """Move a model to a stage. MissionError says why that is not allowed.

        admitted: who moves it answers for it by name, though too little was heard of it."""
        now = self.stages().get(name)
        before = now.stage if now else STAGES[0]
        if stage == "retired":  # its file is not read: the file may be the reason
            if now is None:
                raise MissionError(f"model {name} stays {before}: it was never in force.")
            sha256 = now.sha256
        else:
            artefact = self.artefact(name)
            sha256 = artefact.sha256
            report = self.report(name)
            admitted = admitted and not _heard_enough(report)
            if why_not := _refused(artefact, before, stage, now, report, admitted):
                raise MissionError(f"model {name} stays {before}: {why_not}.")
        move = Move(name, stage, sha256, who, why, when_ns, admitted)
        content = [asdict(m) for m in (*self.moves(), move)]
        fresh = self.path / f"{_KEPT}.new"
        fresh.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2))
        fresh.replace(self.path / _KEPT)  # whole, or not at all
        return move

    def control(self, move: Move) -> Control:
        """The control record of a move, to be written to the input."""
        artefact = None if move.stage == "retired" else self.artefact(move.name)
        if artefact and artefact.sha256 != move.sha256:
            raise MissionError(
                f"{self.path / move.name}.json: is not the model that is {move.stage}."
            )
        staged = ModelStage(
            move.name, move.stage, artefact, self._signed(move), move.admitted
        )  # fmt: skip
        return Control("model", "", move.who, move.why, move.when_ns, "", model=staged)


def _heard_enough(report: dict[str, Any] | None) -> bool:
    """Nobody has to answer for it by name."""
    return bool(report and report.get("exposure", {}).get("enough"))


def _refused(
    artefact: Artefact, before: str, stage: str, now: Move | None, report: dict[str, Any] | None,
    admitted: bool,
) -> str:  # fmt: skip
    """Why a model may not go from one stage to the other; empty where it may."""
    if stage == "shadow":
        return "only an active model is admitted" if admitted else ""
    if before not in ("shadow", "active") or now is None or now.sha256 != artefact.sha256:
        return "it must be in the shadow first (--to shadow)"
    if report is None or report.get("sha256") != artefact.sha256:
        return "nothing is known of it: `heartline models validate` comes first"
    if reasons := report.get("reasons", ["its report is not one"]):
        return "; ".join(reasons)
    if "exposure" not in report:
        return "its report is of an earlier version: validate it anew"
    if not _heard_enough(report) and not admitted:
        return (
            f"{exposure_words(report)}. Or answer for it by name: --despite-exposure --who NAME "
            "--why REASON; both stand in its alerts"
        )
    return ""
