"""Packets from UDP, TCP, files or standard input to telemetry.raw, and a tick every second.

Back-pressure: at most MAX_PENDING records wait for the broker; then TCP and files are read no
further, and UDP datagrams are dropped by the kernel (seen as sequence gaps, and outside any
guarantee). A TCP connection that ends is made again with back-off.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

import numpy as np
from aiokafka import AIOKafkaProducer

from agents.declared import ensure_topics
from agents.door import Door
from agents.inputs import Piece, files, tcp, udp
from agents.kafka import BrokerError, NotTakenError, patiently, producer, start
from agents.listen import listen
from agents.notify import notify
from agents.run_files import skipped_record
from pipeline.flight import Flight, FlightRecord, Packer
from pipeline.known_apids import known_apids
from pipeline.mission import Mission
from pipeline.packets import Scanned, Scanner
from schemas import topics

MAX_PENDING = 1000
SCHEMES: dict[str, Callable[[str, Door], AsyncGenerator[Piece, None]]] = {
    "udp": udp, "tcp": tcp, "tcp-listen": listen
}  # fmt: skip


@dataclass(slots=True)
class Counters:
    bytes: int = 0
    packets: int = 0
    records: int = 0
    ticks: int = 0
    skipped: int = 0
    ground_headers: int = 0


def pieces(inputs: Sequence[str], door: Door) -> AsyncGenerator[Piece, None]:
    """Input of one URL, or of files. BrokerError where it is neither."""
    schemes = {urlsplit(i).scheme for i in inputs}
    if door.allow and not schemes <= {"udp", "tcp-listen"}:
        raise BrokerError("--allow is of udp:// and tcp-listen:// alone: nobody else comes to us.")
    if schemes == {""}:
        return files(inputs)
    if len(inputs) > 1:
        raise BrokerError(f"Input {' '.join(inputs)}: several can be given of files alone.")
    kind = SCHEMES.get(schemes.pop())
    if kind is None:
        known = ", ".join(f"{scheme}://" for scheme in SCHEMES)
        raise BrokerError(f"Input {inputs[0]!r}: only {known}, files and - are known.")
    return kind(inputs[0], door)


class Ingest:
    """One source's way into telemetry.raw."""

    def __init__(
        self,
        mission: Mission,
        source: str,
        client: AIOKafkaProducer,
        namespace: str,
        ground_header: int = 0,
    ) -> None:
        self._source, self._client = source, client
        self._raw = topics.on_wire(topics.RAW, namespace)
        self._rejects = topics.on_wire(topics.REJECTS, namespace)
        self._known, self._ground = known_apids(mission.mdb), ground_header
        self._scanners: dict[int, Scanner] = {}  # of each client that is connected
        self._packer = Packer()
        self._pending: set[asyncio.Future[object]] = set()
        self._failed: BaseException | None = None
        self.counters = Counters()

    async def take(self, piece: Piece, now_ns: int) -> None:
        """Publish the packets that a piece completes, and what it skips."""
        scanner = self._scanners.get(piece.client)
        if scanner is None:
            scanner = self._scanners[piece.client] = Scanner(self._known, self._ground)
        datagram = piece.whole and not scanner.pending
        scanned = scanner.feed(piece.data, final=piece.whole, begins=datagram)
        if piece.whole and piece.client:
            del self._scanners[piece.client]  # no other will have its number
        self.counters.bytes += len(piece.data)
        self.counters.ground_headers += scanned.header_bytes
        await self._publish_skips(scanned, piece.client)
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

    async def _publish_skips(self, scanned: Scanned, client: int) -> None:
        skips = zip(scanned.skip_at, scanned.skip_bytes, scanned.skip_reason, strict=True)
        for at, content, reason in skips:
            self.counters.skipped += len(content)
            value = skipped_record(self._source, int(at), content, reason, client)
            await self._hand_over(self._rejects, value, [])

    async def _hand_over(self, topic: str, value: bytes, headers: list[tuple[str, bytes]]) -> None:
        while len(self._pending) >= MAX_PENDING:
            await asyncio.wait(self._pending, return_when=asyncio.FIRST_COMPLETED)
        if self._failed:
            raise NotTakenError(self._raw, self._failed)
        future = await self._client.send(topic, value, self._source.encode(), headers=headers)
        self._pending.add(future)
        future.add_done_callback(self._settled)

    def _settled(self, future: asyncio.Future[object]) -> None:
        self._pending.discard(future)
        if not future.cancelled() and future.exception():
            self._failed = future.exception()

    async def close(self) -> None:
        await self._client.stop()

    async def finish(self) -> None:
        if self._pending:
            await asyncio.wait(self._pending)
        if self._failed:
            raise NotTakenError(self._raw, self._failed)


async def ingest(
    mission: Mission,
    source: str,
    inputs: Sequence[str],
    bootstrap: str,
    namespace: str,
    partitions: int,
    ground_header: int = 0,
    door: Door | None = None,
) -> Counters:
    """Run until the input ends (files) or for ever (UDP, TCP). BrokerError tells what failed.

    ground_header: bytes that stand before each packet. door: who may send; anybody by default.
    """
    coming, told = pieces(inputs, door or Door()), asyncio.Event()
    with suppress(NotImplementedError):  # no signals for event loops on Windows
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    notify("READY=1", "STATUS=waits for a broker")
    stopping = asyncio.create_task(_until(told))
    opening = asyncio.create_task(_open(bootstrap, namespace, partitions))
    try:
        await asyncio.wait({opening, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not opening.done():
            return Counters()  # told to stop before there was a broker: nothing was read
        client = opening.result()
        notify(f"STATUS=reads {' '.join(inputs)}")
        one = Ingest(mission, source, client, namespace, ground_header)
        await _read_until(one, coming, stopping)
        return one.counters
    finally:
        for task in (stopping, opening):
            task.cancel()
        await asyncio.gather(stopping, opening, return_exceptions=True)


async def _open(bootstrap: str, namespace: str, partitions: int) -> AIOKafkaProducer:
    await patiently(partial(ensure_topics, bootstrap, namespace, partitions), bootstrap)
    return await patiently(lambda: start(producer(bootstrap), bootstrap), bootstrap)


async def _until(told: asyncio.Event) -> None:
    await told.wait()


async def _read_until(
    one: Ingest, coming: AsyncGenerator[Piece, None], stopping: asyncio.Task[None]
) -> None:
    """Publish what comes until it ends, fails or somebody says stop; then what was begun, all of
    it, and a last tick."""
    taking: asyncio.Future[None] | None = None

    async def tick() -> None:
        while True:
            await asyncio.sleep(1.0 - time.time() % 1.0)
            await one.tick(time.time_ns())

    async def read() -> None:
        nonlocal taking
        async with aclosing(coming):
            async for piece in coming:
                taking = asyncio.ensure_future(one.take(piece, time.time_ns()))
                await asyncio.shield(taking)

    reading, ticking = asyncio.create_task(read()), asyncio.create_task(tick())
    try:
        # whichever fails or ends, also while the input is silent
        done, _ = await asyncio.wait(
            {reading, ticking, stopping}, return_when=asyncio.FIRST_COMPLETED
        )
        for task in done:
            task.result()
        reading.cancel()
        await asyncio.wait({reading})
        if taking:
            await taking
        notify("STOPPING=1")
        await one.tick(time.time_ns() + 1_000_000_000)
        await one.finish()
    finally:
        for task in (reading, ticking):
            task.cancel()
        await asyncio.gather(reading, ticking, return_exceptions=True)
        await one.close()
