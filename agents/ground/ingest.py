"""Packets from UDP, TCP, files or standard input to telemetry.raw, and a tick every second.

Input is cut into packets and stored on disk (`ground/spool.py`) before it is sent
(`ground/sender.py`): the broker may be away, and ingest be killed, as long as there is room. When
there is none, TCP and files are not read further; for datagrams the settings say whether old or new
ones are dropped, and they are counted. A TCP connection that ends is reopened with back-off.
"""

from __future__ import annotations

import asyncio
import logging
import re
import signal
import tempfile
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from agents.ground.inputs import Piece, Stop, files, tcp, udp
from agents.ground.listen import listen
from agents.ground.sender import Sender
from agents.ground.spool import FrameKind, Limits, Spool
from agents.host.door import Door
from agents.host.errors import BrokerError
from agents.host.places import state
from agents.observe.notify import notify
from agents.readers.run_files import skipped_record
from pipeline.flights.records import Flight, FlightRecord, Packer
from pipeline.mission.apids import known_apids
from pipeline.mission.folder import Mission
from pipeline.packets import Scanned, Scanner
from pipeline.packets.captures import LOOKED_AT, capture
from schemas.columns import I8
from schemas.records import TICK_HEADERS

log = logging.getLogger("heartline.ingest")
LAST_S = 10.0  # when it is stopped: for what is left to read, and again for what is left to send
SCHEMES: dict[str, Callable[[str, Door, Stop], AsyncGenerator[Piece, None]]] = {
    "udp": udp,
    "tcp": tcp,
    "tcp-listen": listen,
}


@dataclass(slots=True)
class Counters:
    """dropped: datagrams that the kernel dropped. refused: packets, or skipped pieces, for which
    the spool had no room. heard: when the last piece was received, unix s."""

    bytes: int = 0
    packets: int = 0
    records: int = 0
    ticks: int = 0
    skipped: int = 0
    ground_headers: int = 0
    dropped: int = 0
    refused: int = 0
    heard: float = 0.0
    left: int = 0  # records that wait on disk for the next start


def pieces(inputs: Sequence[str], door: Door, stop: Stop) -> AsyncGenerator[Piece, None]:
    """Input of one URL, or of files. BrokerError where it is neither."""
    schemes = {urlsplit(i).scheme for i in inputs}
    if door.allow and not schemes <= {"udp", "tcp-listen"}:
        raise BrokerError(
            "--allow applies only to udp:// and tcp-listen:// inputs; others accept no senders."
        )
    if schemes == {""}:
        return files(inputs, stop)
    if len(inputs) > 1:
        raise BrokerError(f"Input {' '.join(inputs)}: only files can be given more than once.")
    kind = SCHEMES.get(schemes.pop())
    if kind is None:
        known = ", ".join(f"{scheme}://" for scheme in SCHEMES)
        raise BrokerError(f"Input {inputs[0]!r}: only {known}, files and - are known.")
    return kind(inputs[0], door, stop)


def default_spool(name: str) -> Path:
    """Spool folder of one input; each needs its own. name: of the link, or source and input."""
    return state() / "ingest" / re.sub(r"[^A-Za-z0-9._-]+", "-", name)[:100]


def ends(inputs: Sequence[str]) -> bool:
    """Whether they are files, which come to an end and can be read again."""
    return {urlsplit(i).scheme for i in inputs} == {""}


@dataclass(slots=True)
class _Stream:
    """One client's scanner. came: (end, reception time) of the bytes that it still holds."""

    scanner: Scanner
    came: deque[tuple[int, int]] = field(default_factory=deque)
    end: int = 0

    def note(self, size: int, now_ns: int) -> None:
        self.end += size
        self.came.append((self.end, now_ns))

    def received(self, scanned: Scanned) -> I8:
        """Reception time of each packet's last byte."""
        ends = scanned.at + scanned.start + scanned.length
        known = np.array([end for end, _ in self.came], np.int64)
        times = np.array([now for _, now in self.came], np.int64)
        found = times[np.searchsorted(known, ends)]
        while len(self.came) > 1 and self.came[0][0] <= self.end - self.scanner.pending:
            self.came.popleft()
        return found


class Ingest:
    """One source's way from bytes to frames on disk."""

    def __init__(
        self, mission: Mission, source: str, spool: Spool, sender: Sender, ground_header: int = 0
    ) -> None:
        self._source, self._spool, self._sender = source, spool, sender
        self._known, self._ground = known_apids(mission.mdb), ground_header
        self._streams: dict[int, _Stream] = {}  # of each client that is connected
        self._packer, self._held = Packer(), False
        self.counters = Counters()

    async def take(self, piece: Piece, now_ns: int) -> None:
        """Keep the packets that a piece completes, and what it skips."""
        stream = self._streams.get(piece.client)
        if stream is None:
            stream = _Stream(Scanner(self._known, self._ground))
            self._streams[piece.client] = stream
            if what := capture(piece.data[:LOOKED_AT]):
                log.warning("the input is not bare CCSDS packets but %s", what)
        stream.note(len(piece.data), now_ns)
        scanned = stream.scanner.feed(piece.data, piece.whole, piece.datagram)
        if piece.whole and piece.client:
            del self._streams[piece.client]  # client numbers are not used again
        c = self.counters
        c.bytes, c.heard = c.bytes + len(piece.data), now_ns / 1e9
        c.ground_headers, c.dropped = (
            c.ground_headers + scanned.header_bytes,
            c.dropped + piece.dropped,
        )
        waits = not piece.datagram
        skips = zip(scanned.skip_at, scanned.skip_bytes, scanned.skip_reason, strict=True)
        for at, content, reason in skips:
            c.skipped += len(content)
            value = skipped_record(self._source, int(at), content, reason, piece.client)
            if not await self._keep(FrameKind.SKIPPED, value, now_ns, 0, waits):
                c.refused += 1
        time_ns = stream.received(scanned)
        flight = Flight(scanned.data, scanned.start, scanned.length, time_ns)
        for record in self._packer.pack(flight):
            await self._keep_record(record, now_ns, waits)

    async def tick(self, now_ns: int) -> None:
        self._spool.expire(now_ns)
        self._sender.room.set()  # there may be room again, also on the disk
        if self._held:
            return  # a tick must not overtake records that wait for room
        for record in self._packer.ticks(now_ns):
            await self._keep_record(record, now_ns, False)

    async def _keep_record(self, record: FlightRecord, now_ns: int, waits: bool) -> None:
        kind = FrameKind.TICK if record.headers == TICK_HEADERS else FrameKind.PACKETS
        if not await self._keep(kind, record.value, now_ns, record.packets, waits):
            self.counters.refused += record.packets
            return
        self.counters.ticks += kind is FrameKind.TICK
        self.counters.records += 1
        self.counters.packets += record.packets

    async def _keep(
        self, kind: FrameKind, value: bytes, now_ns: int, packets: int, waits: bool
    ) -> bool:
        """waits: the input can be held back until there is room."""
        while not self._spool.append(kind, value, now_ns, packets):
            if not waits:
                return False
            self._sender.room.clear()
            self._held = True
            try:
                await self._sender.room.wait()
            finally:
                self._held = False
        self._sender.arrived.set()
        return True


@dataclass(slots=True)
class Running:
    """What metrics and health look at."""

    spool: Spool
    sender: Sender
    counters: Counters
    inputs: tuple[str, ...]


@contextmanager
def spool_of(inputs: Sequence[str], folder: Path | None, limits: Limits) -> Iterator[Spool]:
    """Without a folder, or for files (they can be read again), it lasts as long as the process."""
    if folder is None or ends(inputs):
        with tempfile.TemporaryDirectory(prefix="heartline-ingest-") as made:
            yield from _closing(Spool(Path(made), Limits(limits.size, 0.0)))
    else:
        yield from _closing(Spool(folder, limits))


def _closing(spool: Spool) -> Iterator[Spool]:
    try:
        yield spool
    finally:
        spool.close()


async def ingest(
    mission: Mission,
    source: str,
    inputs: Sequence[str],
    bootstrap: str,
    namespace: str,
    partitions: int,
    ground_header: int = 0,
    door: Door | None = None,
    folder: Path | None = None,
    limits: Limits | None = None,
    begun: Callable[[Running], None] = lambda _: None,
) -> Counters:
    """Run until the input ends (files) or for ever (UDP, TCP). BrokerError tells what failed.

    ground_header: bytes before each packet. door: who may send; anyone by default. folder: of the
    spool; None: deleted with the process. begun: called with what metrics and health look at.
    """
    stop = Stop()
    coming = pieces(inputs, door or Door(), stop)
    with suppress(NotImplementedError):  # no signals for event loops on Windows
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, stop.tell)
        loop.add_signal_handler(signal.SIGINT, _interrupted, loop, stop)
    with spool_of(inputs, folder, limits or Limits()) as spool:
        if spool.waiting:
            log.warning(
                "%d records of an earlier run are on disk and are sent first", spool.waiting
            )
        sender = Sender(spool, source, bootstrap, namespace, partitions)
        one = Ingest(mission, source, spool, sender, ground_header)
        begun(Running(spool, sender, one.counters, tuple(inputs)))
        notify("READY=1", f"STATUS=reads {' '.join(inputs)}")
        await _run(one, sender, coming, stop)
        one.counters.left = spool.waiting
        if spool.waiting and (folder is None or ends(inputs)):
            raise BrokerError(f"{spool.waiting} records were not sent: no broker at {bootstrap}.")
        return one.counters


def _interrupted(loop: asyncio.AbstractEventLoop, stop: Stop) -> None:
    """The second Ctrl-C does not wait."""
    loop.remove_signal_handler(signal.SIGINT)
    stop.tell()


async def _read_left(reading: asyncio.Task[None]) -> None:
    """Wait for what the kernel held when the input was stopped."""
    await asyncio.wait([reading], timeout=LAST_S)
    if reading.done():
        reading.result()
    else:
        log.warning("%g s were not enough for what had come: the rest is not read", LAST_S)


async def _run(
    one: Ingest, sender: Sender, coming: AsyncGenerator[Piece, None], stop: Stop
) -> None:
    """Store and send the input until it ends, fails or is stopped; then store what was received
    before the stop, write a last tick, and send all that the broker accepts."""
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
    sending, stopping = asyncio.create_task(sender.run()), asyncio.create_task(stop.told.wait())
    every: list[asyncio.Future[Any]] = [reading, ticking, sending, stopping]
    try:
        # returns when any task fails or ends, even while the input is silent
        done, _ = await asyncio.wait(every, return_when=asyncio.FIRST_COMPLETED)
        for one_done in done:
            one_done.result()
        ended = reading in done
        notify("STOPPING=1")
        await _read_left(reading)
        for one_more in (reading, ticking):
            one_more.cancel()
        await asyncio.wait([reading, ticking])
        if taking and not taking.done():
            await asyncio.wait([taking, *every[2:]], return_when=asyncio.FIRST_COMPLETED)
        await one.tick(time.time_ns() + 1_000_000_000)
        sender.end()
        # at the end of files wait for a broker; after a stop do not
        if ended:
            await asyncio.wait(every[2:], return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait([sending], timeout=LAST_S)
        if sending.done():
            sending.result()
    finally:
        if taking and not taking.done():
            log.error("stopped while the disk was full: the last data read are lost")
            one.counters.refused += 1
        for one_left in (*every, *([taking] if taking else [])):
            one_left.cancel()
        await asyncio.gather(*every, return_exceptions=True)
