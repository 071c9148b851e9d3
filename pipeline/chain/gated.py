"""A trained model at work: in the shadow until it is made active, and back in the shadow when it
raises more false alarms than the mission allows (`chain.budget`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from pipeline.alarms.watched import Watched
from pipeline.chain.budget import Budget
from pipeline.chain.modelled import Modelled, Site
from pipeline.errors import MissionError
from pipeline.mission.folder import Mission, read_rule
from pipeline.models.families import BY_NAME, FAMILIES, MODEL_KINDS
from pipeline.models.shared.contract import Model
from pipeline.models.shared.phased import make, phases_of
from pipeline.outputs.alerts import alert_output
from pipeline.outputs.evidence import input_of
from pipeline.outputs.pending import Pending
from pipeline.timeline.after_gap import first_heard
from schemas.artefact import Artefact, Part
from schemas.columns import I8, Grid, PacketBatch, Stage
from schemas.mission import Five, Level
from schemas.state import Stateful


class _Flags(Stateful):
    def __init__(self, f: int) -> None:
        # fresh: no valid sample since the training, so the parameter's first comes after a gap
        self.state = {"active": np.zeros(1, np.uint8), "fresh": np.ones(f, np.uint8)}


class Gated(Modelled):
    """One part of an artefact. ValueError where it does not fit the group or the family."""

    def __init__(
        self, artefact: Artefact, part: Part, slot: int, site: Site, mission: Mission,
        period_ns: int,
    ) -> None:  # fmt: skip
        if artefact.family not in BY_NAME:
            raise ValueError(f"family {artefact.family!r} is none of {', '.join(BY_NAME)}")
        family = BY_NAME[artefact.family]
        columns = np.array([site.group.qualified_names.index(p) for p in part.parameters])
        if (np.diff(columns) <= 0).any():
            raise ValueError("its parameters stand in another order now: train it anew")
        parameters = [site.group.parameters[i] for i in columns]
        if odd := [p.name for p in parameters if p.type.kind not in MODEL_KINDS]:
            raise ValueError(f"{odd[0]} is no number")
        try:
            rule = read_rule(artefact.family, part.settings)
        except MissionError as error:
            raise ValueError(str(error)) from None
        if family.version != artefact.version:
            raise ValueError(
                f"is of version {artefact.version} of {family.name}, this one is {family.version}"
            )
        phases = phases_of(family, mission.settings.phases.names)
        if phases != artefact.phases:
            raise ValueError(
                f"is trained for {_listed(artefact.phases)}, and the mission has "
                f"{_listed(phases)}: train it anew"
            )
        new = partial(make, family, period_ns=period_ns, phases=phases)
        # a model of a set of parameters needs two or more
        _check_size([new(parameters[:n], rules=[rule] * len(parameters[:n])) for n in (2, 3)], part)
        model = new(parameters, rules=[rule] * len(parameters))
        model.restore(part.weights)
        model.named([t.flight for t in artefact.trained])
        super().__init__(family, len(FAMILIES) + slot, site, columns, model, phases)
        self.artefact = artefact
        self.admitted: dict[str, str] = {}  # by whom, and why, though too little was heard of it
        self._digest = artefact.sha256
        ahead_s = getattr(rule, family.ahead) if family.ahead else 0.0
        self.budget = Budget(parameters, period_ns, mission.settings.gate, ahead_s)
        self._flags = _Flags(len(parameters))

    @property
    def stages(self) -> dict[str, Stage]:
        return super().stages | {"budget": self.budget, "flags": self._flags}

    def watched(self) -> Iterator[Watched]:
        which = self.label(self.active) | {"weights_sha256": self._digest}
        yield Watched(self.model.name, self.names, self.monitor, which)

    @property
    def active(self) -> bool:
        return bool(self._flags.state["active"][0])

    def label(self, active: bool) -> dict[str, Any]:
        if not active:
            return {"id": self.artefact.name, "stage": "shadow"}
        admitted = {"admitted": self.admitted} if self.admitted else {}
        return {"id": self.artefact.name, "stage": "active"} | admitted

    def sha256(self, parameter: int) -> str:  # noqa: ARG002
        return self._digest

    def activate(self, active: bool) -> None:
        """Make it active from here on, at normal and with a new budget; or put it in the shadow."""
        if active:
            self.budget.reset()
            for j in range(len(self.columns)):
                self.monitor.begin(j)
        self._flags.state["active"][0] = int(active)

    def set_limits(self, parameter: str, low: Five, high: Five) -> None:
        super().set_limits(parameter, low, high)
        if parameter in self.names:
            self.budget.set_limits(self.names.index(parameter), low, high)

    def standing(self) -> list[tuple[str, int]]:
        """(parameter, level) of its active alarms; none while in the shadow."""
        levels = self.monitor.state["level"].tolist() if self.active else []
        return [(name, v) for name, v in zip(self.names, levels, strict=False) if v]

    def feed(self, grid: Grid, offset: I8, batch: PacketBatch, out: list[Pending]) -> None:
        # the first valid sample of each parameter comes after a gap, since the training
        mine = first_heard(self.of(grid), self._flags.state["fresh"])
        self.budget.follow(self.monitor.state["level"])
        scores = self.model.feed(mine)
        t = self.monitor.feed(grid.time_ns, offset, scores)
        if not self.active:
            self.emit(mine, scores, t, batch, out, -1)
            return
        row = self.budget.feed(mine, t)
        if row is None:
            self.emit(mine, scores, t, batch, out)
            return
        self.emit(mine, scores, t, batch, out, row)
        self._demote(mine, row, offset, batch, out)

    def _demote(
        self, grid: Grid, row: int, offset: I8, batch: PacketBatch, out: list[Pending]
    ) -> None:
        """Put the model back in the shadow, take back its active alarms, and report both."""
        packet, now = int(grid.packet[row]), int(grid.time_ns[row])
        b = self.budget
        cost = {
            "false_alarms": b.false_alarms,
            "expected": b.expected,
            "parameter_days": b.parameter_days,
        }
        at = int(offset[row])
        head = {
            "monitor": {"kind": self.model.name, "name": self.artefact.name},
            "transition": "demoted", "generation_ns": now,
            "reception_ns": int(batch.reception_ns[packet]), "since_ns": now,
            "input": input_of(
                self._site.origin.partition, at, at, batch.digests[batch.record[packet]]
            ),
            "observed": None, "unit": "", "quality": [], "confidence": 1.0, "budget": cost,
            "model": {"id": self.artefact.name, "stage": "shadow", "weights_sha256": self._digest},
            "fingerprint": self._site.origin.fingerprint,
        }  # fmt: skip
        said = [(n, v) for n, v in zip(self.names, b.levels, strict=True) if v]
        for k, (name, level) in enumerate([(self._site.container, 0), *said]):
            alert = {**self._site.origin.who(name), **head}
            alert |= {"level_before": Level(level).word, "level_after": "normal"}
            order = len(self.columns) + k
            make = partial(alert_output, alert, self._words)
            self._pend(grid, row, order, make, batch, out)
        self._flags.state["active"][0] = 0


def _listed(phases: tuple[str, ...]) -> str:
    return f"the phases {', '.join(phases)}" if phases else "no phases"


def _check_size(small: Sequence[Model], part: Part) -> None:
    """ValueError, before anything large is made, if there are fewer weights than the family needs.

    small: models of the first two parameters and of the first three, or of as many as there are.
    What a parameter adds never becomes less with more of them.
    """
    two, three = (sum(array.size for array in m.snapshot().values()) for m in small)
    given = sum(array.size for array in part.weights.values())
    wanted = two + (three - two) * max(0, len(part.parameters) - 2)
    if given < wanted:
        raise ValueError(f"holds {given} weights, and {small[0].name} has {wanted} or more")
