"""What a control record changes: monitors that are acknowledged, inhibited, enabled; limits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

from pipeline.alarms.kinds import KINDS
from pipeline.alarms.watched import Watched
from pipeline.models.families import BY_NAME
from pipeline.outputs.evidence import Origin
from schemas.artefact import Artefact
from schemas.control import Control, decode
from schemas.mission import Level
from schemas.records import RawRecord

PAST = {
    "acknowledge": "acknowledged",
    "inhibit": "inhibited",
    "enable": "enabled",
    "limits": "limits_set",
}
MONITORS = (*KINDS, *BY_NAME)
STAGED = {"shadow": "shadowed", "active": "activated", "retired": "retired"}


def decode_control(value: bytes) -> Control:
    """ValueError says what is wrong with it."""
    return decode(value, MONITORS)


def sentence(alert: dict[str, Any], seen: str, unit: str) -> str:  # noqa: ARG001
    """An alert of these says who did it and why, and nothing of its own."""
    return f"{seen} ({alert['level_after']})."


class Vouched(NamedTuple):
    """refused: why a control record is not accepted; empty: it is accepted. by: who signed it;
    empty: it is not signed, and accepted all the same."""

    refused: str = ""
    by: str = ""


# source, record, what it says, last tick
Vouch = Callable[[str, RawRecord, Control, int], Vouched]


def anybody(source: str, record: RawRecord, control: Control, now_ns: int) -> Vouched:  # noqa: ARG001
    """Accept every control record: all who can write to the input are trusted."""
    return Vouched()


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
    origin: Origin | None = None


def apply(control: Control, containers: Iterable[Controlled]) -> list[Changed]:
    """Apply a control; returns every monitor that it reached, none if no name and monitor match.

    A parameter that stands in several containers has a monitor in each.
    """
    changed: list[Changed] = []
    for container in containers:
        if control.what == "limits" and not container.set_limits(control.parameter, control):
            continue
        for watched in container.watched():
            for j, name in enumerate(watched.names):
                if watched.kind == control.monitor and name == control.parameter:
                    levels = _one(control.what, watched, j)
                    changed.append(Changed(watched.kind, *levels, watched.model, watched.origin))
    return changed


def _one(what: str, watched: Watched, j: int) -> tuple[Level, Level]:
    monitor, flapping = watched.monitor, watched.flapping
    before = watched.level(j)
    if flapping and what in ("inhibit", "enable"):
        flapping.begin(j)
    if what == "acknowledge":
        monitor.acknowledge(j)
    elif what in ("inhibit", "enable"):
        monitor.inhibit(j, what == "inhibit")
    return before, watched.level(j)


@dataclass(frozen=True, slots=True)
class Written:
    """Where a control record stands in the input, and whose chain reads it."""

    origin: Origin
    input: dict[str, Any]


def event(control: Control, changed: Changed, at: Written) -> dict[str, Any]:
    """The alert that reports a control; it holds no sample."""
    told: dict[str, Any] = {"who": control.who, "why": control.why}
    if control.ranges:
        told["ranges"] = {level: list(pair) for level, pair in control.ranges.items()}
    if control.until_ns is not None:
        told["until_ns"] = control.until_ns
    at = replace(at, origin=changed.origin) if changed.origin else at
    alert = _event(control, control.parameter, changed.kind, "control", changed.before, at)
    if changed.model:
        alert["monitor"]["name"], alert["model"] = changed.model["id"], changed.model
    return alert | {
        "transition": PAST[control.what],
        "level_after": changed.after.word,
        "control": told,
    }


def stage_event(
    control: Control, artefact: Artefact, name: str, level: int, at: Written
) -> dict[str, Any]:
    """The alert that reports a model's new stage, or takes back its alarm on a parameter."""
    assert control.model
    stage = control.model.stage
    alert = _event(control, name, artefact.family, artefact.name, Level(level), at)
    model: dict[str, Any] = {"id": artefact.name, "stage": stage, "weights_sha256": artefact.sha256}
    if control.model.admitted:
        model["admitted"] = {"who": control.who, "why": control.why}
    return alert | {
        "transition": STAGED[stage],
        "level_after": "normal",
        "control": {"who": control.who, "why": control.why},
        "model": model,
    }


def _event(
    control: Control, parameter: str, kind: str, name: str, before: Level, at: Written
) -> dict[str, Any]:
    """The fields that these alerts have in common."""
    return {
        **at.origin.who(parameter),
        "monitor": {"kind": kind, "name": name},
        "level_before": before.word,
        "generation_ns": control.when_ns,
        "reception_ns": control.when_ns,
        "since_ns": control.when_ns,
        "input": at.input,
        "observed": None,
        "unit": "",
        "quality": [],
        "confidence": 1.0,
        "fingerprint": at.origin.fingerprint,
    }
