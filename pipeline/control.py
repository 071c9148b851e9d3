"""What a control record changes: monitors that are acknowledged, inhibited, enabled; limits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, Protocol

from pipeline.monitor import Monitor
from schemas.control import Control
from schemas.mission import Level

PAST = {
    "acknowledge": "acknowledged", "inhibit": "inhibited", "enable": "enabled",
    "limits": "limits_set",
}  # fmt: skip


class Watched(NamedTuple):
    """Monitors of one kind: names[j] is that of parameter j."""

    kind: str
    names: tuple[str, ...]
    monitor: Monitor


class Controlled(Protocol):
    """A container's chain, as control records see it."""

    def watched(self) -> Iterator[Watched]: ...

    def set_limits(self, parameter: str, control: Control) -> bool: ...


class Changed(NamedTuple):
    """One monitor that a control record reached."""

    kind: str
    before: Level
    after: Level


def apply(control: Control, containers: Iterable[Controlled]) -> list[Changed]:
    """Every monitor that it reached; of none where nothing has that name and that monitor.

    A parameter that stands in several containers has a monitor in each.
    """
    changed: list[Changed] = []
    for container in containers:
        if control.what == "limits" and not container.set_limits(control.parameter, control):
            continue
        for kind, names, monitor in container.watched():
            for j, name in enumerate(names):
                if kind == control.monitor and name == control.parameter:
                    changed.append(Changed(kind, *_one(control.what, monitor, j)))
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
    return {
        "source": origin["source"],
        "parameter": control.parameter,
        "monitor": {"kind": changed.kind, "name": "control"},
        "transition": PAST[control.what],
        "level_before": changed.before.word,
        "level_after": changed.after.word,
        "generation_ns": control.when_ns,
        "reception_ns": control.when_ns,
        "since_ns": control.when_ns,
        "input": origin["input"],
        "observed": None,
        "unit": "",
        "quality": [],
        "confidence": 1.0,
        "control": told,
        "fingerprint": origin["fingerprint"],
    }
