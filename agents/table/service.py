"""`heartline table`: follows telemetry.alerts and telemetry.desk, and writes each record once.

How far it has read stands in the same database and is moved on in the transaction that writes the
rows: killed at any time, it goes on where it was.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import asyncpg
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from agents.broker.declared import ensure_topics
from agents.broker.kafka import consumer, left, parts_of, patiently, start, stop
from agents.broker.topic_ids import UNKNOWN, topic_ids
from agents.host.errors import BrokerError
from agents.observe.logs import BROKER
from agents.settings import Settings
from agents.table.metrics import TableMetrics
from agents.table.rows import Place, alert_row, deed_row
from agents.table.sql import ALERT, DEED, LOCK, MARK, READ, TABLES
from schemas import topics

log = logging.getLogger("heartline.table")
OWN = (topics.ALERTS, topics.DESK)
_ROWS = {topics.ALERTS: (alert_row, ALERT), topics.DESK: (deed_row, DEED)}
STEP_S = 30.0  # of one transaction
AGAIN_S = 2.0
PROBE_S = 5.0
UNHEARD_S = 20.0
MOST = 5000  # records of one transaction
# a writer whose machine is gone holds the lock no longer than this lets the server believe in it
KEEPALIVE = {
    "tcp_keepalives_idle": "10", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "3",
}  # fmt: skip
AWAY = {"about": "postgresql"}


class _Rows(NamedTuple):
    """Of a batch. refused: (offset, why) of what is none of ours."""

    made: list[tuple[object, ...]]
    refused: list[tuple[int, str]]


class OtherWriterError(Exception):
    """One is enough."""


class Table:
    """why: it does not write just now; empty: it does."""

    def __init__(self, settings: Settings, url: str) -> None:
        """url: postgresql://USER@HOST/DATABASE; its password may be PGPASSWORD."""
        self._settings, self._url = settings, url
        self._wire = {topics.on_wire(n, settings.namespace): n for n in OWN}
        self._ids: dict[str, str] = {}
        self.metrics, self.why = TableMetrics(), "it has not begun"

    async def run(self) -> None:
        """Until cancelled. BrokerError: it cannot go on."""
        s = self._settings
        self.why = f"waits for a broker at {s.bootstrap}"
        # how many partitions telemetry.alerts has is the worker's matter, which makes it
        made = partial(ensure_topics, s.bootstrap, s.namespace, 1, (topics.DESK,))
        await patiently(made, s.bootstrap)
        while True:
            try:
                await self._session()
            except OtherWriterError as error:
                self._failed("waits", error)
            except (BrokerError, KafkaError) as error:
                self._failed("the broker", error)
            except (asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError, OSError) as error:
                self._failed("the database", error)
            await asyncio.sleep(AGAIN_S)

    def _failed(self, who: str, error: BaseException) -> None:
        self.why = f"{who}: {str(error) or repr(error)}"
        log.warning("begins anew: %s", self.why, extra=BROKER if who == "the broker" else AWAY)

    async def _session(self) -> None:
        s = self._settings
        client = await start(consumer(s.bootstrap), s.bootstrap)
        database = None
        try:
            database = await asyncpg.connect(
                self._url, timeout=10, command_timeout=STEP_S, server_settings=KEEPALIVE
            )
            if not await database.fetchval(LOCK, s.namespace):
                raise OtherWriterError("another `heartline table` writes for this namespace")
            await database.execute(TABLES)
            parts = await parts_of(s.bootstrap, *self._wire)
            self._ids = await topic_ids(client, *self._wire)
            await self._seek(client, database, parts)
            await self._follow(client, database, parts)
        finally:
            await stop(client)
            if database:
                database.terminate()

    async def _seek(
        self, client: AIOKafkaConsumer, database: asyncpg.Connection, parts: list[TopicPartition]
    ) -> None:
        """To where the last transaction ended; of a topic that was made anew to its beginning."""
        client.assign(parts)
        known: dict[TopicPartition, int] = {}
        for wire, id_ in self._ids.items():
            for topic, partition, offset in await database.fetch(
                READ, self._settings.namespace, id_
            ):
                # a broker without ids of topics may have made it anew: repeats do no harm
                if topic == self._wire[wire] and id_ != UNKNOWN:
                    known[TopicPartition(wire, partition)] = offset
        first = await client.beginning_offsets(parts)
        for part in parts:
            at = known.get(part, first[part])
            if gone := max(0, first[part] - at):
                self.metrics.missed.inc(gone)
                log.error(
                    "%s: %d records were deleted by the broker before they were written: from "
                    "offset %d to %d", part.topic, gone, at, first[part], extra=BROKER,
                )  # fmt: skip
            client.seek(part, max(at, first[part]))

    async def _follow(
        self, client: AIOKafkaConsumer, database: asyncpg.Connection, parts: list[TopicPartition]
    ) -> None:
        probed, figures = 0.0, self.metrics
        while True:
            got = await client.getmany(timeout_ms=500, max_records=MOST)
            if got:
                await self._write(database, got)
            due = time.monotonic() - probed > PROBE_S
            if due:
                probed = time.monotonic()
                await self._probe(client, database, parts)
            if due or figures.behind:
                figures.behind = await left(client, await client.end_offsets(parts))
                figures.looked, self.why = time.time(), ""

    async def _probe(
        self, client: AIOKafkaConsumer, database: asyncpg.Connection, parts: list[TopicPartition]
    ) -> None:
        """Ask both sides: a fetch returns nothing too where the broker is gone."""
        if await topic_ids(client, *self._wire) != self._ids:
            raise BrokerError("a topic was made anew")
        if {*await parts_of(self._settings.bootstrap, *self._wire)} != {*parts}:
            raise BrokerError("there are more partitions than before")
        await database.execute("SELECT 1")

    async def _write(
        self,
        database: asyncpg.Connection,
        got: dict[TopicPartition, list[ConsumerRecord[bytes, bytes]]],
    ) -> None:
        namespace, every = self._settings.namespace, {
            part: self._rows(part, records) for part, records in got.items()
        }  # fmt: skip
        async with asyncio.timeout(STEP_S), database.transaction():
            for part, records in got.items():
                topic, id_ = self._wire[part.topic], self._ids[part.topic]
                await database.executemany(_ROWS[topic][1], every[part].made)
                mark = (namespace, topic, id_, part.partition, records[-1].offset + 1)
                await database.execute(MARK, *mark)
        for part, rows in every.items():
            self.metrics.rows.labels(self._wire[part.topic]).inc(len(rows.made))
            self.metrics.refused.inc(len(rows.refused))
            for offset, why in rows.refused:
                log.warning("%s, offset %d: %s", part.topic, offset, why, extra=BROKER)

    def _rows(self, part: TopicPartition, records: Sequence[ConsumerRecord[bytes, bytes]]) -> _Rows:
        rows, topic, id_ = _Rows([], []), self._wire[part.topic], self._ids[part.topic]
        for r in records:
            place = Place(self._settings.namespace, id_, r.partition, r.offset, r.timestamp)
            try:
                rows.made.append(_ROWS[topic][0](place, r.value))
            except ValueError as error:
                rows.refused.append((r.offset, str(error)))
        return rows

    def health(self) -> tuple[bool, str]:
        if self.why:
            return False, f"does not write: {self.why}"
        ago = time.time() - self.metrics.looked
        what = f"{self.metrics.behind} records are not written yet; broker and database answered"
        return ago < UNHEARD_S, f"{what} {ago:.0f} s ago"
