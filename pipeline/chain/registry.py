"""The trained models of one chain: which are at work, in which stage, with their artefacts.

They arrive only in control records (`schemas.control.ModelStage`), so the input says which were in
force. Their artefacts are part of the chain's state, since a restore must build them again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import orjson

from pipeline.chain.container import ContainerChain
from pipeline.chain.gated import Gated
from pipeline.chain.group import GroupChain
from schemas.artefact import Artefact, decode_artefact, encode_artefact
from schemas.columns import State
from schemas.control import ModelStage

Admitted = dict[str, str]
MAX_MODELS = 32  # at work at once; each is at most schemas.artefact.MAX_BYTES


@dataclass(slots=True)
class Working:
    """A model at work. slot: its number among them, which orders its alerts. admitted: who let it
    speak, and why, though too little was heard of it; empty where nobody had to."""

    artefact: Artefact
    slot: int
    admitted: Admitted = field(default_factory=dict)


class Cost(NamedTuple):
    """False alarms of a model since it was made active, and how many its budget allows."""

    model: str
    active: bool
    false_alarms: int
    expected: float


class Registry:
    """Puts models to work in the groups of a chain's containers, and takes them away."""

    def __init__(self, containers: Sequence[ContainerChain]) -> None:
        self._containers = containers
        self.working: dict[str, Working] = {}

    def parts(self, name: str) -> list[Gated]:
        """A model at work, a part for each group that it looks at."""
        groups = (g for c in self._containers for g in c.groups)
        return [m for g in groups if (m := g.gated(name))]

    def costs(self) -> list[Cost]:
        """Of every model at work."""
        found = []
        for name in list(self.working):
            parts = self.parts(name)
            found.append(Cost(
                name, any(p.active for p in parts), sum(p.budget.false_alarms for p in parts),
                sum(p.budget.expected for p in parts),
            ))  # fmt: skip
        return found

    def apply(self, change: ModelStage, who: str = "", why: str = "") -> list[tuple[str, int]]:
        """Set a model's stage; returns (parameter, level) of its alarms that were active until now.

        who, why: of the control record.

        The same artefact keeps all that it has learnt; a different one of that name begins with its
        own weights. ValueError if it does not fit this mission; then nothing is changed.
        """
        old = self.working.get(change.name)
        standing = [said for part in self.parts(change.name) for said in part.standing()]
        if change.artefact is None:
            if old is None:
                raise ValueError(f"no model {change.name!r} is at work")
            self._remove(change.name)
            return standing
        if old is None or old.artefact != change.artefact:
            install = self._prepare(change.artefact, old.slot if old else self._free())
            self._remove(change.name)
            install()
        admitted = {"who": who, "why": why} if change.admitted else {}
        self._admit(change.name, admitted)
        for part in self.parts(change.name):
            part.activate(change.stage == "active")
        return standing

    def _free(self) -> int:
        used = {w.slot for w in self.working.values()}
        free = next(i for i in range(MAX_MODELS + 1) if i not in used)
        if free == MAX_MODELS:
            raise ValueError(f"{MAX_MODELS} models are at work already: retire one")
        return free

    def _prepare(self, artefact: Artefact, slot: int) -> Callable[[], None]:
        """Check that all of it fits; returns the function that then installs it."""
        made: list[tuple[ContainerChain, GroupChain, Gated]] = []
        for part in artefact.parts:
            holder = self._holder(part.parameters)
            if holder is None:
                raise ValueError(
                    f"no group of one container and one rate holds all of {part.parameters}"
                )
            made.append((*holder, holder[1].prepare(artefact, part, slot)))
        if len({id(group) for _, group, _ in made}) < len(made):
            raise ValueError("two parts of it are of one group")

        def install() -> None:
            for container, group, gated in made:
                group.install(gated)
                container.tell_limits(gated)
            self.working[artefact.name] = Working(artefact, slot)

        return install

    def _holder(self, names: tuple[str, ...]) -> tuple[ContainerChain, GroupChain] | None:
        pairs = ((c, g) for c in self._containers for g in c.groups)
        return next(((c, g) for c, g in pairs if g.holds(names)), None)

    def _remove(self, name: str) -> None:
        self.working.pop(name, None)
        for container in self._containers:
            for group in container.groups:
                group.remove(name)

    def snapshot(self) -> State:
        told: list[Any] = [
            {
                "slot": w.slot,
                "artefact": orjson.Fragment(encode_artefact(w.artefact)),
                "admitted": w.admitted,
            }
            for w in self.working.values()
        ]
        return {"working": np.frombuffer(orjson.dumps(told), np.uint8).copy()}

    def restore(self, state: State) -> None:
        """Must run before the groups restore their own state. ValueError: a model does not fit."""
        for name in list(self.working):
            self._remove(name)
        for told in orjson.loads(state["working"].tobytes()):
            artefact = decode_artefact(orjson.dumps(told["artefact"]))
            self._prepare(artefact, told["slot"])()
            admitted = told.get("admitted", {})
            if not isinstance(admitted, dict) or not all(
                isinstance(x, str) for x in admitted.values()
            ):
                raise ValueError("snapshot with impossible values: who admitted a model")
            self._admit(artefact.name, admitted)

    def _admit(self, name: str, admitted: Admitted) -> None:
        self.working[name].admitted = admitted
        for part in self.parts(name):
            part.admitted = admitted
