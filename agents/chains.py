"""The chains of one lane: one a source, made at its first record. Pure, like the chains."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from agents.plain import plain
from pipeline.chain import Chain, Fed
from pipeline.fingerprint import fingerprint
from pipeline.mission import Mission
from pipeline.outputs.rejects import reject_output
from schemas import topics
from schemas.columns import Output, Reason, State
from schemas.records import RawRecord
from schemas.state import nest, within

MAX_UNKNOWN = 100  # names of unknown sources that are remembered


@dataclass(slots=True)
class KeyedRecord:
    source: str
    record: RawRecord


@dataclass(slots=True)
class LaneFed:
    """Outputs of one feed in the order of the records, and what each source's chain said."""

    outputs: list[Output]
    by_source: dict[str, Fed]
    unknown: dict[str, int]


class Chains:
    def __init__(self, missions: dict[str, Mission], partition: int) -> None:
        self._missions, self._partition = missions, partition
        self.chains: dict[str, Chain] = {}
        self._unknown: dict[str, int] = {}

    def _chain(self, source: str) -> Chain:
        if source not in self.chains:
            self.chains[source] = Chain(self._missions[source], source, self._partition)
        return self.chains[source]

    def feed(self, records: Sequence[KeyedRecord]) -> LaneFed:
        """Run records of any sources; whole records only."""
        by_source: dict[str, list[int]] = {}
        for i, keyed in enumerate(records):
            by_source.setdefault(keyed.source, []).append(i)
        placed: list[tuple[int, int, Output]] = []
        fed: dict[str, Fed] = {}
        unknown: dict[str, int] = {}
        for source, places in by_source.items():
            if source not in self._missions:
                unknown[self._name(source)] = len(places)
                placed += [(i, 0, self._reject(records[i])) for i in places]
                continue
            fed[source] = self._chain(source).feed([records[i].record for i in places])
            placed += [
                (places[record], n, output)
                for n, (record, output) in enumerate(fed[source].outputs)
            ]
        placed.sort(key=lambda p: p[:2])
        return LaneFed([output for _, _, output in placed], fed, unknown)

    def _name(self, source: str) -> str:
        """The source's name for counters, or `(others)` once too many are unknown."""
        source = plain(source)
        if source in self._unknown or len(self._unknown) < MAX_UNKNOWN:
            self._unknown[source] = self._unknown.get(source, 0) + 1
            return source
        return "(others)"

    def _reject(self, keyed: KeyedRecord) -> Output:
        record = keyed.record
        id_ = f"{topics.RAW}-{self._partition}-{record.offset}-0"
        return reject_output(
            keyed.source, self._partition, int(Reason.UNKNOWN_SOURCE), record.offset,
            [(0, len(record.value))], record.value, id_,
        )  # fmt: skip

    @property
    def fingerprint(self) -> str:
        """SHA-256 over every mission's database and settings, and the code."""
        prints = {
            source: fingerprint(mission.mdb, mission.settings)
            for source, mission in sorted(self._missions.items())
        }
        return hashlib.sha256(orjson.dumps(prints)).hexdigest()

    def snapshot(self) -> State:
        return {k: v for s, c in self.chains.items() for k, v in nest(s, c.snapshot()).items()}

    def restore(self, state: State) -> None:
        """ValueError where the snapshot does not fit this mission. Nothing is taken of a source
        that nobody knows any more."""
        self.chains.clear()
        for source in sorted({name.split("/", 1)[0] for name in state} & self._missions.keys()):
            try:
                self._chain(source).restore(within(source, state))
            except KeyError as error:
                raise ValueError(f"snapshot of another mission: {error} is not in it") from None
