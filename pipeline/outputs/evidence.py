"""Puts together the evidence of an alert: where it came from, what was in force, what was seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pipeline.outputs.alerts import number_or_none, quality_words, transition_word
from pipeline.outputs.names import short
from schemas import topics
from schemas.columns import PacketBatch, Transitions
from schemas.mission import Level


@dataclass(frozen=True, slots=True)
class Origin:
    """What all alerts of one chain share. names: for people, by qualified name. shared: parameters
    that stand in several containers, and have monitors in each. container: of these alerts."""

    source: str
    partition: int
    fingerprint: str  # its hash; whole on telemetry.definitions
    names: Mapping[str, str] = field(default_factory=dict)
    shared: frozenset[str] = frozenset()
    container: str = ""

    def of(self, container: str) -> Origin:
        return replace(self, container=container)

    def place(self, parameter: str) -> tuple[str, ...]:
        """The container, if the parameter has monitors in several containers; else empty."""
        return (self.container,) if self.container and parameter in self.shared else ()

    def who(self, parameter: str) -> dict[str, Any]:
        """Source and parameter of an alert, by qualified name and by the name for people."""
        told = {
            "source": self.source,
            "parameter": parameter,
            "name": self.names.get(parameter, short(parameter)),
        }
        return told | ({"container": self.container} if self.place(parameter) else {})


def limit_confidence(quality: int) -> float:
    """A limit is a plain comparison: as good as its sample."""
    return 1.0 if quality == 0 else 0.5


def alert_head(
    origin: Origin,
    parameter: str,
    kind: str,
    name: str,
    transitions: Transitions,
    i: int,
    batch: PacketBatch,
    packet: int,
    time_ns: int,
) -> dict[str, Any]:
    """The part that every alert has. packet: the one whose arrival caused the transition."""
    before, after = int(transitions.before[i]), int(transitions.after[i])
    return {
        **origin.who(parameter),
        "monitor": {"kind": kind, "name": name},
        "transition": transition_word(before, after),
        "level_before": Level(before).word,
        "level_after": Level(after).word,
        "generation_ns": time_ns,
        "reception_ns": int(batch.reception_ns[packet]),
        "since_ns": int(transitions.since_ns[i]),
        "input": input_of(
            origin.partition,
            int(transitions.since_offset[i]),
            int(batch.offset[packet]),
            batch.digests[batch.record[packet]],
        ),
    }


def input_of(partition: int, first: int, last: int, digest: bytes) -> dict[str, Any]:
    """The records that an alert rests on. digest: of the last (`PacketBatch.digests`)."""
    return {
        "topic": topics.RAW,
        "partition": partition,
        "first_offset": first,
        "last_offset": last,
        "sha256": digest.hex(),
    }


def seen(observed: float, unit: str, quality: int, confidence: float) -> dict[str, Any]:
    return {
        "observed": number_or_none(observed),
        "unit": unit,
        "quality": quality_words(quality),
        "confidence": confidence,
    }
