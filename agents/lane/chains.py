"""The chains of one lane: one per source, made at its first record. Pure, like the chains."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from agents.host.plain import plain
from agents.lane.chunk import Chunk
from agents.lane.strangers import Strangers
from pipeline.chain import Chain, Fed
from pipeline.chain.control import Vouch, anybody
from pipeline.fingerprint import fingerprint
from pipeline.mission.folder import Mission
from pipeline.outputs.ids import id_of
from pipeline.outputs.rejects import reject_output
from schemas.columns import Output, Reason, State
from schemas.records import RawRecord
from schemas.state import nest, within

LAST = 2**62  # sorts after every output of a chain for a record
Placed = tuple[int, int, Output]  # record of the feed, number among its outputs, output
MAX_UNKNOWN = 100  # names of unknown sources that are remembered


@dataclass(slots=True)
class LaneFed:
    """Outputs of one feed in the order of the records, and each source's own result."""

    outputs: list[Output]
    by_source: dict[str, Fed]
    unknown: dict[str, int]


class Chains:
    """vouch: checks a control record, and returns why it is refused."""

    def __init__(
        self, missions: dict[str, Mission], partition: int, vouch: Vouch = anybody
    ) -> None:
        self._missions, self._partition, self._vouch = missions, partition, vouch
        self.chains: dict[str, Chain] = {}
        self._unknown: dict[str, int] = {}
        self._strangers = Strangers(partition)

    def _chain(self, source: str) -> Chain:
        if source not in self.chains:
            self.chains[source] = Chain(
                self._missions[source], source, self._partition, self._vouch
            )
        return self.chains[source]

    def feed(self, chunk: Chunk) -> LaneFed:
        """Run records of any sources; whole records only."""
        placed: list[Placed] = []
        fed: dict[str, Fed] = {}
        unknown: dict[str, int] = {}
        for source, places in chunk.by_source().items():
            if source not in self._missions:
                name = self._name(source, len(places))
                unknown[name] = unknown.get(name, 0) + len(places)
                placed += [
                    (i, 0, self._reject(source, chunk.records.one(i))) for i in places.tolist()
                ]
                continue
            fed[source] = self._chain(source).feed(chunk.records.take(places))
            placed += [
                (int(places[record]), n, output)
                for n, (record, output) in enumerate(fed[source].outputs)
            ]
        placed += self._strangers_told(chunk, placed, any_unknown=bool(unknown))
        if len(fed) > 1 or unknown:
            placed.sort(key=lambda p: p[:2])
        return LaneFed([output for _, _, output in placed], fed, unknown)

    def _strangers_told(
        self, chunk: Chunk, placed: Sequence[Placed], any_unknown: bool
    ) -> list[Placed]:
        """Alerts about unknown sources, after all other outputs of the same record."""
        if not any_unknown and self._strangers.nobody:
            self._strangers.pass_by(int(chunk.records.timestamp_ns.max(initial=0)))
            return []
        outputs = Counter(i for i, _, _ in placed)
        every: list[Placed] = []
        for i in range(len(chunk)):
            record, source = chunk.records.one(i), chunk.source(i)
            if source in self._missions:
                told = self._strangers.passed(record, outputs[i])
            else:
                told = self._strangers.heard(plain(source), record, outputs[i])
            every += [(i, LAST + n, output) for n, output in enumerate(told)]
        return every

    def _name(self, source: str, records: int) -> str:
        """The source's name for counters, or `(others)` once too many are unknown."""
        source = plain(source)
        if source in self._unknown or len(self._unknown) < MAX_UNKNOWN:
            self._unknown[source] = self._unknown.get(source, 0) + records
            return source
        return "(others)"

    def _reject(self, source: str, record: RawRecord) -> Output:
        id_ = id_of(self._partition, record.offset, 0)
        return reject_output(
            plain(source), self._partition, int(Reason.UNKNOWN_SOURCE), record.offset,
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
        every = {k: v for s, c in self.chains.items() for k, v in nest(s, c.snapshot()).items()}
        return every | self._strangers.snapshot()

    def restore(self, state: State) -> None:
        """ValueError if the snapshot does not fit this mission. The state of a source that has no
        mission any more is ignored."""
        self.chains.clear()
        self._strangers.restore(state)
        for source in sorted({name.split("/", 1)[0] for name in state} & self._missions.keys()):
            try:
                self._chain(source).restore(within(source, state))
            except KeyError as error:
                raise ValueError(f"snapshot of another mission: {error} is not in it") from None
