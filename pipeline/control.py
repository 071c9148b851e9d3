"""What a control record changes: monitors that are acknowledged, inhibited, enabled; limits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, Protocol

from pipeline.monitor import Monitor
from schemas.artefact import Artefact
from schemas.control import Control
from schemas.mission import Level

PAST = {
    "acknowledge": "acknowledged", "inhibit": "inhibited", "enable": "enabled",
    "limits": "limits_set",
}  # fmt: skip
STAGED = {"shadow": "shadowed", "active": "activated", "retired": "retired"}


class Watched(NamedTuple):
    """Monitors of one kind: names[j] is that of parameter j. model: which trained one."""

    kind: str
    names: tuple[str, ...]
    monitor: Monitor
    model: dict[str, Any] | None = None


class Controlled(Protocol):
    """A container's chain, as control records see it."""

    def watched(self) -> Iterator[Watched]: ...

    def set_limits(self, parameter: str, control: Control) -> bool: ...


class Changed(NamedTuple):
    """One monitor that a control record reached."""

    kind: str
    before: Level
    after: Level
    model: dict[str, Any] | None = None


def apply(control: Control, containers: Iterable[Controlled]) -> list[Changed]:
    """Every monitor that it reached; of none where nothing has that name and that monitor.

    A parameter that stands in several containers has a monitor in each.
    """
    changed: list[Changed] = []
    for container in containers:
        if control.what == "limits" and not container.set_limits(control.parameter, control):
            continue
        for kind, names, monitor, model in container.watched():
            for j, name in enumerate(names):
                if kind == control.monitor and name == control.parameter:
                    changed.append(Changed(kind, *_one(control.what, monitor, j), model))
    return changed


def _one(what: str, monitor: Monitor, j: int) -> tuple[Level, Level]:
    before = monitor.level(j)
    if what == "acknowledge":
        monitor.acknowledge(j)
    elif what in ("inhibit", "enable"):
        monitor.inhibit(j, what == "inhibit")
    return before, monitor.level(j)


def event(control: Control, changed: Changed, origin: dict[str, Any]) -> dict[str, Any]:
    """The alert that says so; no sample is part of it. origin: source, input and fingerprint."""
    told: dict[str, Any] = {"who": control.who, "why": control.why}
    if control.ranges:
        told["ranges"] = {level: list(pair) for level, pair in control.ranges.items()}
    alert = _event(control, control.parameter, changed.kind, "control", changed.before, origin)
    if changed.model:
        alert["monitor"]["name"], alert["model"] = changed.model["id"], changed.model
    return alert | {
        "transition": PAST[control.what],
        "level_after": changed.after.word,
        "control": told,
    }


def stage_event(
    control: Control, artefact: Artefact, name: str, level: int, origin: dict[str, Any]
) -> dict[str, Any]:
    """The alert that says a model's new stage, or, of a parameter, takes back what it said."""
    assert control.model
    stage = control.model.stage
    alert = _event(control, name, artefact.family, artefact.name, Level(level), origin)
    return alert | {
        "transition": STAGED[stage],
        "level_after": "normal",
        "control": {"who": control.who, "why": control.why},
        "model": {"id": artefact.name, "stage": stage, "weights_sha256": artefact.sha256},
    }


def _event(
    control: Control, parameter: str, kind: str, name: str, before: Level, origin: dict[str, Any]
) -> dict[str, Any]:
    """What such alerts share."""
    return {
        "source": origin["source"],
        "parameter": parameter,
        "monitor": {"kind": kind, "name": name},
        "level_before": before.word,
        "generation_ns": control.when_ns,
        "reception_ns": control.when_ns,
        "since_ns": control.when_ns,
        "input": origin["input"],
        "observed": None,
        "unit": "",
        "quality": [],
        "confidence": 1.0,
        "fingerprint": origin["fingerprint"],
    }
