"""Kafka to the board, whatever the broker does: waits for it, follows it, begins again with it.

Each time a broker is met, what stands is read anew: telemetry.alarms from its beginning, and then
the last alerts, which may be ahead of it. So nothing that happened meanwhile is missed, and what a
new broker does not know is not shown.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from agents.kafka import BrokerError, administrator, consumer, start, stop
from agents.watch.board import Board
from agents.watch.link import Reach
from agents.watch.rows import AlertRow
from schemas import topics

FOLLOWED = (topics.ALARMS, topics.ALERTS, topics.STATISTICS)
ASK_S = 1.0  # between two questions whether the broker is there
ANSWER_S = 3.0  # that it has to answer one
QUIET = 5  # polls in a row: what an open transaction hides is not waited for
TAIL = {topics.ALERTS: 500, topics.STATISTICS: 500}  # records that are read of the past
_GONE = (BrokerError, KafkaError, TimeoutError, OSError)
Parts = list[TopicPartition]


class LogReplacedError(KafkaError):  # type: ignore[misc]
    """A topic ends before what was read of it: it is another's."""


def _nobody(*_: AlertRow) -> None:
    pass


class Reader:
    """Fills a board until cancelled. on_standing: called once, when it is known what stands;
    on_alert: with every alert that comes after that (from_start: of all that are kept)."""

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
        self._said = False
        self._asked = 0.0
        self._ends: dict[TopicPartition, int] = {}  # as the broker said last
        self._met: dict[TopicPartition, int] = {}  # ends when it was met: what is before is past

    async def run(self) -> None:
        """BrokerError where the broker may not be spoken to at all; else it never ends."""
        client = consumer(self._bootstrap)
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
        await self._seek(client, parts)
        self._board.begin(self._now())
        await self._catch_up(client, self._of(parts, topics.ALARMS))
        if not self._from_start:
            await self._catch_up(client, parts)
        while True:
            await self._ask(client)  # an answer, before anything is called known
            self._known()
            self._from_start = False  # of the first broker alone
            while not self._due():
                await self._poll(client, [])

    def _known(self) -> None:
        self._board.known(self._now())
        if not self._said:
            self._said = True
            self._on_standing()

    async def _found(self) -> Parts:
        """Partitions of the topics, once they are all there. Asked for, none would be made."""
        async with administrator(self._bootstrap) as admin:
            while True:
                async with asyncio.timeout(2 * ANSWER_S):
                    there = set(await admin.list_topics()).intersection(self._wire)
                    described = await admin.describe_topics(list(there)) if there else []
                found = {
                    t["topic"]: sorted(p["partition"] for p in t["partitions"])
                    for t in described
                    if not t["error_code"] and t["partitions"]
                }
                missing = [n for n in self._wire if n not in found]
                if not missing:
                    return [TopicPartition(t, p) for t, ps in found.items() for p in ps]
                self._board.link.to(Reach.NO_TOPICS, self._now(), ", ".join(missing))
                await asyncio.sleep(ASK_S)

    async def _seek(self, client: AIOKafkaConsumer, parts: Parts) -> None:
        async with asyncio.timeout(2 * ANSWER_S):
            first = await client.beginning_offsets(parts)
            self._ends = self._met = await client.end_offsets(parts)
        for part in parts:
            client.seek(part, max(first[part], self._from(part)))

    def _from(self, part: TopicPartition) -> int:
        """Where reading begins. Of figures the newest alone are shown: their past is not read."""
        name, end = self._wire[part.topic], self._met[part]
        if name == topics.ALARMS:
            return 0
        if name == topics.STATISTICS:
            return end - TAIL[name]
        told = self._told.get(part, 0 if self._from_start else end)
        self._told[part] = told if told <= end else 0
        return min(self._told[part], end - TAIL[name])

    async def _catch_up(self, client: AIOKafkaConsumer, parts: Parts) -> None:
        """Read to where the topics ended when the broker was met."""
        quiet = 0
        while quiet < QUIET and await self._before(client, parts, self._met):
            if self._due():
                await self._ask(client)
            quiet = 0 if await self._poll(client, parts) else quiet + 1

    async def _before(
        self, client: AIOKafkaConsumer, parts: Parts, ends: dict[TopicPartition, int]
    ) -> int:
        """Records, about, that stand between what was read and the ends."""
        return sum([max(0, ends[p] - await client.position(p)) for p in parts])

    def _due(self) -> bool:
        return asyncio.get_running_loop().time() - self._asked >= ASK_S

    async def _ask(self, client: AIOKafkaConsumer) -> None:
        """A poll is silent when the broker is gone, so it is asked. TimeoutError, KafkaError."""
        parts = list(self._met)
        async with asyncio.timeout(ANSWER_S):
            self._ends = await client.end_offsets(parts)
        for part in parts:
            if self._ends[part] < await client.position(part):
                raise LogReplacedError(f"{part.topic} begins anew")
        self._board.link.behind = await self._before(client, parts, self._ends)
        self._asked = asyncio.get_running_loop().time()

    async def _poll(self, client: AIOKafkaConsumer, parts: Parts) -> bool:
        got = await client.getmany(*parts, timeout_ms=200, max_records=500)
        for part, records in got.items():
            for record in records:
                self._take(part, record)
        return bool(got)

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
        )
        if name == topics.ALERTS and record.offset >= self._told[part]:
            self._told[part] = record.offset + 1
            if row:
                self._on_alert(row)

    def _of(self, parts: Parts, topic: str) -> Parts:
        return [p for p in parts if self._wire[p.topic] == topic]


def _why(error: BaseException) -> str:
    """What is more than that nobody answers."""
    text = str(error).split("\n")[0]
    if isinstance(error, TimeoutError) or text.startswith("No Kafka broker answers"):
        return ""
    return text or type(error).__name__
