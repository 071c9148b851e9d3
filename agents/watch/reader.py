"""Reads Kafka into the board, whatever the broker does: waits for it, follows it, starts again.

On each connection the active alarms are read again: telemetry.alarms from its beginning, and then
the last alerts, which may be ahead of it. So nothing that happened meanwhile is missed. Where the
topics were replaced (by their id; without ids: they end before what was read), the earlier alarms
are not known any more, and the board is told so.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from agents.broker.kafka import administrator, consumer, found_partitions, left, start, stop
from agents.broker.topic_ids import UNKNOWN, topic_ids
from agents.host.errors import BrokerError
from agents.watch.board import Board
from agents.watch.link import Reach
from agents.watch.rows import AlertRow
from pipeline.outputs.definitions import named_by
from schemas import topics

FOLLOWED = (topics.DEFINITIONS, topics.ALARMS, topics.ALERTS, topics.STATISTICS)
_BEGINNING = (topics.ALARMS, topics.DEFINITIONS)  # compacted: all of it is the present
ASK_S = 1.0  # between two checks that the broker is there
ANSWER_S = 3.0  # that it has to answer a check
TIMES_OVER = 2
TAIL = {topics.ALERTS: 500, topics.STATISTICS: 500}  # records that are read of the past
_GONE = (BrokerError, KafkaError, TimeoutError, OSError)
Parts = list[TopicPartition]


class LogReplacedError(KafkaError):  # type: ignore[misc]
    """A topic was replaced: it is not the one that was read."""


def _nobody(*_: AlertRow) -> None:
    pass


class Reader:
    """Fills a board until cancelled. on_standing: called when the active alarms are known, once per
    connection; on_alert: called with each new alert (from_start: each that Kafka keeps)."""

    def __init__(
        self,
        board: Board,
        bootstrap: str,
        namespace: str = "",
        from_start: bool = False,
        on_standing: Callable[[], None] = _nobody,
        on_alert: Callable[[AlertRow], None] = _nobody,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._board, self._bootstrap = board, bootstrap
        self._wire = {topics.on_wire(n, namespace): n for n in FOLLOWED}
        self._from_start = from_start
        self._on_standing, self._on_alert = on_standing, on_alert
        self._now = now_ns
        self._told: dict[TopicPartition, int] = {}  # alerts from here on are new
        self._asked = 0.0
        self._over = 0  # checks in a row where a topic ended before what was read
        self._met: dict[TopicPartition, int] = {}  # ends on connection: what is before is past
        self._ids: dict[str, str] = {}  # of the topics that were read
        self._reached: dict[TopicPartition, int] = {}  # how far they were read

    async def run(self) -> None:
        """BrokerError where connecting to the broker is not allowed; else it never ends."""
        client = consumer(self._bootstrap)
        self._board.link.to(Reach.NO_BROKER, self._now())
        while True:
            try:
                await self._follow(client)
            except _GONE as error:
                self._board.link.to(Reach.NO_BROKER, self._now(), _why(error))
            finally:
                await stop(client)
            await asyncio.sleep(ASK_S)
            client = consumer(self._bootstrap)

    async def _follow(self, client: AIOKafkaConsumer) -> None:
        parts = await self._found()
        await start(client, self._bootstrap)
        client.assign(parts)
        first = await self._meet(client, parts)
        if others := await self._others(client):
            self._forget(others)
        for part in parts:
            client.seek(part, max(first[part], self._from(part)))
        self._board.begin(self._now())
        for name in _BEGINNING:
            await self._catch_up(client, self._of(parts, name))
        if not self._from_start:
            await self._catch_up(client, parts)
        await self._ask(client)  # an answer, before anything is called known
        self._board.known(self._now())
        self._on_standing()
        self._from_start = False  # only on the first connection
        for part in self._of(parts, topics.ALERTS):  # what was read so far is not new
            self._told.setdefault(part, await client.position(part))
        while True:
            while not self._due():
                await self._poll(client, [])
            await self._ask(client)
            self._board.known(self._now())

    async def _found(self) -> Parts:
        """Partitions of the topics, once they all exist. Looking for them does not create them."""
        async with administrator(self._bootstrap) as admin:
            while True:
                async with asyncio.timeout(2 * ANSWER_S):
                    found = await found_partitions(admin, self._wire)
                missing = [n for n in self._wire if n not in found]
                if not missing:
                    return [TopicPartition(t, p) for t, ps in found.items() for p in ps]
                self._board.link.to(Reach.NO_TOPICS, self._now(), ", ".join(missing))
                await asyncio.sleep(ASK_S)

    async def _meet(self, client: AIOKafkaConsumer, parts: Parts) -> dict[TopicPartition, int]:
        """First offset of each. The end is kept as a fetch reports it: asked for end offsets, the
        embedded broker reports another."""
        async with asyncio.timeout(3 * ANSWER_S):
            first: dict[TopicPartition, int] = await client.beginning_offsets(parts)
            for part in parts:
                client.seek(part, first[part])
            while any(client.highwater(p) is None for p in parts):
                await client.getmany(timeout_ms=100, max_records=1)
        self._met = {p: client.highwater(p) or 0 for p in parts}
        return first

    async def _others(self, client: AIOKafkaConsumer) -> set[str]:
        """Topics that are not those read before. One with the same id that is shorter may be a
        replica that lags for a moment: it is checked again while it is followed."""
        before, self._ids = self._ids, await self._ids_of(client)
        same = {n for n, id_ in self._ids.items() if id_ != UNKNOWN and id_ == before.get(n)}
        shorter = {p.topic for p, end in self._met.items() if end < self._reached.get(p, 0)}
        return (shorter - same) | _changed(before, self._ids)

    async def _ids_of(self, client: AIOKafkaConsumer) -> dict[str, str]:
        async with asyncio.timeout(ANSWER_S):
            return await topic_ids(client, *self._wire)

    def _forget(self, others: set[str]) -> None:
        self._board.lose(self._now())
        self._reached.clear()
        for part in self._told:
            if part.topic in others:
                self._told[part] = 0  # every alert of the new log is new

    def _from(self, part: TopicPartition) -> int:
        """Offset to read from. Only the newest figures are shown, so their past is not read."""
        name, end = self._wire[part.topic], self._met[part]
        if name in _BEGINNING:
            return 0
        if name == topics.STATISTICS:
            return end - TAIL[name]
        if self._from_start:
            self._told[part] = 0
        return min(self._told.get(part, end), end - TAIL[name])

    async def _catch_up(self, client: AIOKafkaConsumer, parts: Parts) -> None:
        """Read up to where the topics ended on connection."""
        ends = {part: self._met[part] for part in parts}
        while await left(client, ends):
            if self._due():
                await self._ask(client)
            await self._poll(client, parts)

    def _due(self) -> bool:
        return asyncio.get_running_loop().time() - self._asked >= ASK_S

    async def _ask(self, client: AIOKafkaConsumer) -> None:
        """Check the broker: a poll does not fail when it is gone. TimeoutError, KafkaError."""
        parts = list(self._met)
        async with asyncio.timeout(ANSWER_S):
            await client.end_offsets(parts)  # only to see that there is an answer
        if _changed(self._ids, await self._ids_of(client)):
            raise LogReplacedError("the topics were deleted, or made anew")
        read = {p: await client.position(p) for p in parts}
        self._reached = {p: max(n, self._reached.get(p, 0)) for p, n in read.items()}
        ahead = {p: (client.highwater(p) or 0) - n for p, n in read.items()}
        self._board.link.behind = sum(n for n in ahead.values() if n > 0)
        self._refuse_shorter([p.topic for p, n in ahead.items() if n < 0])
        self._asked = asyncio.get_running_loop().time()

    def _refuse_shorter(self, over: list[str]) -> None:
        """over: topics that end before what was read of them. A single time is tolerated: a broker
        that takes over a partition may lag for a moment."""
        self._over = self._over + 1 if over else 0
        if self._over >= TIMES_OVER:
            self._over = 0
            self._ids = {}  # so that equal ids excuse nothing (`_others`)
            raise LogReplacedError(f"{', '.join(over)} begins anew")

    async def _poll(self, client: AIOKafkaConsumer, parts: Parts) -> None:
        got = await client.getmany(*parts, timeout_ms=200, max_records=500)
        for part, records in got.items():
            for record in records:
                self._take(part, record)

    def _take(self, part: TopicPartition, record: ConsumerRecord[Any, Any]) -> None:
        name = self._wire[part.topic]
        past = record.offset < self._met[part]
        row = self._board.take(
            name,
            record.key,
            record.value,
            self._now(),
            max(record.timestamp, 0) * 1_000_000 if past else None,
            history=past and record.offset < self._met[part] - TAIL.get(name, 0),
            named=named_by(name, record.headers),
        )
        if name == topics.ALERTS and part in self._told and record.offset >= self._told[part]:
            self._told[part] = record.offset + 1
            if row:
                self._on_alert(row)

    def _of(self, parts: Parts, topic: str) -> Parts:
        return [p for p in parts if self._wire[p.topic] == topic]


def _changed(before: dict[str, str], now: dict[str, str]) -> set[str]:
    """Topics that existed before, and now have another id or do not exist."""
    return {n for n, id_ in before.items() if now.get(n) != id_}


def _why(error: BaseException) -> str:
    """The error's text, where it says more than that no broker answers."""
    text = str(error).split("\n")[0].removeprefix(f"{type(error).__name__}: ")
    if isinstance(error, TimeoutError) or text.startswith("No Kafka broker answers"):
        return ""
    return text or type(error).__name__
