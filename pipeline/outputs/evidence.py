"""Puts together the evidence of an alert: where it came from, what was in force, what was seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pipeline.outputs.alerts import number_or_none, quality_words, transition_word
from pipeline.outputs.names import short
from schemas import topics
from schemas.columns import Change, PacketBatch
from schemas.mission import Level

LEVELS = tuple(level.word for level in Level)


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
    known: dict[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)  # by `who`

    def of(self, container: str) -> Origin:
        return replace(self, container=container, known={})

    def place(self, parameter: str) -> tuple[str, ...]:
        """The container, if the parameter has monitors in several containers; else empty."""
        return (self.container,) if self.container and parameter in self.shared else ()

    def who(self, parameter: str) -> Mapping[str, Any]:
        """Source and parameter of an alert, by qualified name and by the name for people."""
        known = self.known.get(parameter)
        if known is None:
            told = {
                "source": self.source,
                "parameter": parameter,
                "name": self.names.get(parameter, short(parameter)),
            }
            place = {"container": self.container} if self.place(parameter) else {}
            known = self.known[parameter] = told | place
        return known


def limit_confidence(quality: int) -> float:
    """A limit is a plain comparison: as good as its sample."""
    return 1.0 if quality == 0 else 0.5


def alert_head(
    origin: Origin,
    parameter: str,
    kind: str,
    name: str,
    change: Change,
    batch: PacketBatch,
    packet: int,
    time_ns: int,
) -> dict[str, Any]:
    """The part that every alert has. packet: the one whose arrival caused the transition."""
    record, before, after = batch.record.item(packet), change.before, change.after
    return {
        **origin.who(parameter),
        "monitor": {"kind": kind, "name": name},
        "transition": transition_word(before, after),
        "level_before": LEVELS[before],
        "level_after": LEVELS[after],
        "generation_ns": time_ns,
        "reception_ns": batch.reception_ns.item(packet),
        "since_ns": change.since_ns,
        "input": input_of(
            origin.partition, change.since_offset, batch.offset.item(packet), batch.digests[record]
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


def what_was_seen(observed: float, unit: str, quality: int, confidence: float) -> dict[str, Any]:
    return {
        "observed": number_or_none(observed),
        "unit": unit,
        "quality": quality_words(quality),
        "confidence": confidence,
    }
