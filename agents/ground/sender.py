"""Sends the spool's frames to the broker, in order, and waits for as long as the broker is away. A
producer that failed is discarded with all that it held, which the spool still has."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from functools import partial
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from agents.broker.declared import ensure_topics
from agents.broker.kafka import (
    NoBrokerError,
    discard,
    exactly_once_capable,
    patiently,
    producer,
    start,
)
from agents.ground.spool import Frame, FrameKind, Spool
from agents.host.errors import BrokerError
from agents.observe.logs import BROKER
from schemas import topics
from schemas.records import PACKETS_HEADERS, TICK_HEADERS, Headers, Numbered, with_number

log = logging.getLogger("heartline.ingest")
MOST_ON_THE_WAY = 1000  # records; fewer than `pipeline.packets.repeats` remembers
TIMEOUT_MS = 10_000
_HEADERS: dict[FrameKind, Headers] = {
    FrameKind.PACKETS: PACKETS_HEADERS,
    FrameKind.TICK: TICK_HEADERS,
}


class Sender:
    """source: key of the records. since: when the broker was reached or lost; moved: when it last
    acknowledged a record, or none was waiting; unix s."""

    def __init__(
        self, spool: Spool, source: str, bootstrap: str, namespace: str, partitions: int
    ) -> None:
        self._spool, self._key, self._bootstrap = spool, source.encode(), bootstrap
        self._topics = {kind: topics.on_wire(topics.RAW, namespace) for kind in _HEADERS} | {
            FrameKind.SKIPPED: topics.on_wire(topics.REJECTS, namespace)
        }
        self._ready = partial(ensure_topics, bootstrap, namespace, partitions)
        self.connected, self.reached, self.since = False, False, time.time()
        self.moved = self.since
        self.arrived, self.room = asyncio.Event(), asyncio.Event()
        self._way: deque[tuple[int, asyncio.Future[Any]]] = deque()
        self._ending = False

    def end(self) -> None:
        """No more input: `run` returns when the broker has acknowledged everything."""
        self._ending = True
        self.arrived.set()

    async def run(self) -> None:
        """BrokerError if a broker refuses before any record was ever acknowledged."""
        while True:
            client = None
            try:
                client = await self._open()
                self._is(True)
                await self._pump(client)
                await client.stop()
                return
            except NoBrokerError as error:
                self._failed(error)
            except BrokerError as error:
                if not self.reached:
                    raise
                self._failed(error)
            except (KafkaError, TimeoutError, OSError) as error:
                self._failed(error)
            finally:
                self._way.clear()
                self._spool.rewind()
                if client is not None and not client._closed:
                    await discard(client, abort=False)
            await asyncio.sleep(0.5)

    async def _open(self) -> AIOKafkaProducer:
        await patiently(self._ready, self._bootstrap)
        # idempotence, where the broker supports it, keeps the order when sends are retried
        numbered = await patiently(lambda: exactly_once_capable(self._bootstrap), self._bootstrap)
        make = partial(
            producer, self._bootstrap, enable_idempotence=numbered, request_timeout_ms=TIMEOUT_MS
        )
        client: AIOKafkaProducer = await patiently(
            lambda: start(make(), self._bootstrap), self._bootstrap
        )
        return client

    async def _pump(self, client: AIOKafkaProducer) -> None:
        while True:
            frames = self._spool.read(min(200, MOST_ON_THE_WAY - len(self._way)))
            for frame in frames:
                self._way.append((frame.number, await self._send(client, frame)))
            self._settle()
            if frames:
                continue
            if self._ending and not self._way and self._spool.cursor == self._spool.next:
                return
            if not self._way:
                self.moved = time.time()
            self.arrived.clear()
            coming = asyncio.ensure_future(self.arrived.wait())
            first = [self._way[0][1]] if self._way else []
            await asyncio.wait([coming, *first], return_when=asyncio.FIRST_COMPLETED)
            coming.cancel()

    async def _send(self, client: AIOKafkaProducer, frame: Frame) -> asyncio.Future[Any]:
        headers = list(_HEADERS.get(frame.kind, ()))
        if headers:
            of = Numbered(self._spool.writer, frame.number)
            headers = list(with_number(tuple(headers), of))
        try:
            way: asyncio.Future[Any] = await client.send(
                self._topics[frame.kind], frame.value, self._key, headers=headers
            )
        except MessageSizeTooLargeError:  # it will never be taken
            log.error("record %d of %d bytes is too large", frame.number, len(frame.value))
            self._spool.full.add(1, frame.packets)
            way = asyncio.get_running_loop().create_future()
            way.set_result(None)
        way.add_done_callback(_heard)  # a discarded producer's futures are never awaited
        return way

    def _settle(self) -> None:
        """Drop the records that the broker has acknowledged."""
        last = -1
        while self._way and self._way[0][1].done():
            number, future = self._way[0]
            future.result()
            self._way.popleft()
            last = number
        if last >= 0:
            self.reached, self.moved = True, time.time()
            self._spool.done(last)
            self.room.set()

    def _failed(self, error: Exception) -> None:
        self._is(False)
        log.warning(
            "the broker at %s is away: %d records (%d bytes) wait on disk (%s)", self._bootstrap,
            self._spool.waiting, self._spool.size, str(error) or repr(error), extra=BROKER,
        )  # fmt: skip

    def _is(self, connected: bool) -> None:
        if connected != self.connected:
            self.connected, self.since = connected, time.time()


def _heard(way: asyncio.Future[Any]) -> None:
    if not way.cancelled():
        way.exception()
