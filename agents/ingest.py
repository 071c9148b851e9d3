"""Packets from UDP, TCP, a file or standard input to telemetry.raw, and a tick every second.

Back-pressure: at most MAX_PENDING records wait for the broker; then TCP and files are read no
further, and UDP datagrams are dropped by the kernel (seen as sequence gaps, and outside any
guarantee). A TCP connection that ends is made again with back-off.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import numpy as np
from aiokafka import AIOKafkaProducer

from agents.kafka import BrokerError, ensure_topics, producer, start
from agents.run_files import skipped_record
from pipeline.flight import Flight, FlightRecord, Packer
from pipeline.known_apids import known_apids
from pipeline.mission import Mission
from pipeline.packets import Scanned, Scanner
from schemas import topics

log = logging.getLogger("heartline.ingest")
READ_BYTES = 1 << 18
MAX_PENDING = 1000
BACK_OFF_S = (0.5, 1.0, 2.0, 5.0, 10.0)


@dataclass(slots=True)
class Counters:
    bytes: int = 0
    packets: int = 0
    records: int = 0
    ticks: int = 0
    skipped: int = 0
    connections: int = 0


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes that came together. whole: a datagram, or the end: nothing will complete its tail."""

    data: bytes
    whole: bool


async def pieces(url: str) -> AsyncIterator[Piece]:
    """Input of `udp://HOST:PORT`, `tcp://HOST:PORT`, a path, or `-` for standard input."""
    parts = urlsplit(url)
    if parts.scheme == "udp":
        async for piece in _udp(parts.hostname or "127.0.0.1", _port(url)):
            yield piece
    elif parts.scheme == "tcp":
        async for piece in _tcp(parts.hostname or "127.0.0.1", _port(url)):
            yield piece
    elif parts.scheme:
        raise BrokerError(f"Input {url!r}: only udp://, tcp://, a file and - are known.")
    else:
        async for piece in _file(url):
            yield piece


def _port(url: str) -> int:
    port = urlsplit(url).port
    if port is None:
        raise BrokerError(f"Input {url!r} needs a port.")
    return port


async def _udp(host: str, port: int) -> AsyncIterator[Piece]:
    loop = asyncio.get_running_loop()
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    sock.setblocking(False)
    try:
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise BrokerError(f"udp://{host}:{port}: {error.strerror}.") from None
    try:
        while True:
            yield Piece(await loop.sock_recv(sock, 65536), True)
    finally:
        sock.close()


async def _tcp(host: str, port: int) -> AsyncIterator[Piece]:
    """A connection made again whenever it ends, with growing pauses while it fails."""
    failures = 0
    while True:
        try:
            reader, writer = await asyncio.open_connection(host, port)
        except OSError as error:
            pause = BACK_OFF_S[min(failures, len(BACK_OFF_S) - 1)]
            failures += 1
            log.warning("tcp://%s:%d: %s; again in %g s", host, port, error, pause)
            await asyncio.sleep(pause)
            continue
        failures = 0
        try:
            while data := await reader.read(READ_BYTES):
                yield Piece(data, False)
        except OSError as error:
            log.warning("tcp://%s:%d: %s", host, port, error)
        finally:
            writer.close()
        yield Piece(b"", True)  # a packet cut off by the end is no packet
        await asyncio.sleep(BACK_OFF_S[0])


async def _file(path: str) -> AsyncIterator[Piece]:
    file: IO[bytes]
    try:
        file = sys.stdin.buffer if path == "-" else Path(path).open("rb")  # noqa: SIM115
    except OSError as error:
        raise BrokerError(f"{path}: cannot be read: {error.strerror}.") from None
    loop = asyncio.get_running_loop()
    with file:
        while data := await loop.run_in_executor(None, file.read, READ_BYTES):
            yield Piece(data, False)
    yield Piece(b"", True)


class Ingest:
    """One source's way into telemetry.raw."""

    def __init__(
        self, mission: Mission, source: str, client: AIOKafkaProducer, namespace: str
    ) -> None:
        self._source, self._client = source, client
        self._raw = topics.on_wire(topics.RAW, namespace)
        self._rejects = topics.on_wire(topics.REJECTS, namespace)
        self._scanner = Scanner(known_apids(mission.mdb))
        self._packer = Packer()
        self._pending: set[asyncio.Future[object]] = set()
        self._failed: BaseException | None = None
        self.counters = Counters()

    async def take(self, piece: Piece, now_ns: int) -> None:
        """Publish the packets that a piece completes, and what it skips."""
        scanned = self._scanner.feed(piece.data, final=piece.whole)
        self.counters.bytes += len(piece.data)
        await self._publish_skips(scanned)
        time_ns = np.full(len(scanned.start), now_ns, np.int64)
        flight = Flight(scanned.data, scanned.start, scanned.length, time_ns)
        for record in self._packer.pack(flight):
            await self._send(record)

    async def tick(self, now_ns: int) -> None:
        for record in self._packer.ticks(now_ns):
            self.counters.ticks += 1
            await self._send(record)

    async def _send(self, record: FlightRecord) -> None:
        headers = list(record.headers)
        await self._hand_over(self._raw, record.value, headers)
        self.counters.records += 1
        self.counters.packets += record.packets

    async def _publish_skips(self, scanned: Scanned) -> None:
        skips = zip(scanned.skip_at, scanned.skip_bytes, scanned.skip_reason, strict=True)
        for at, content, reason in skips:
            self.counters.skipped += len(content)
            value = skipped_record(self._source, int(at), content, reason)
            await self._hand_over(self._rejects, value, [])

    async def _hand_over(self, topic: str, value: bytes, headers: list[tuple[str, bytes]]) -> None:
        while len(self._pending) >= MAX_PENDING:
            await asyncio.wait(self._pending, return_when=asyncio.FIRST_COMPLETED)
        if self._failed:
            raise BrokerError(f"The broker did not take a record: {self._failed!r}.")
        future = await self._client.send(topic, value, self._source.encode(), headers=headers)
        self._pending.add(future)
        future.add_done_callback(self._settled)

    def _settled(self, future: asyncio.Future[object]) -> None:
        self._pending.discard(future)
        if not future.cancelled() and future.exception():
            self._failed = future.exception()

    async def finish(self) -> None:
        if self._pending:
            await asyncio.wait(self._pending)
        if self._failed:
            raise BrokerError(f"The broker did not take a record: {self._failed!r}.")


async def ingest(
    mission: Mission, source: str, url: str, bootstrap: str, namespace: str, partitions: int
) -> Counters:
    """Run until the input ends (a file) or for ever (UDP, TCP). BrokerError tells what failed."""
    await ensure_topics(bootstrap, namespace, partitions)
    client = await start(producer(bootstrap), bootstrap)
    one = Ingest(mission, source, client, namespace)

    async def tick() -> None:
        while True:
            await asyncio.sleep(1.0 - time.time() % 1.0)
            await one.tick(time.time_ns())

    ticking = asyncio.create_task(tick())

    async def read() -> None:
        async for piece in pieces(url):
            await one.take(piece, time.time_ns())

    reading = asyncio.create_task(read())
    try:
        # whichever fails, also while the input is silent
        done, _ = await asyncio.wait({reading, ticking}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        await one.tick(time.time_ns() + 1_000_000_000)
        await one.finish()
    finally:
        for task in (reading, ticking):
            task.cancel()
        await asyncio.gather(reading, ticking, return_exceptions=True)
        await client.stop()
    return one.counters
