"""TCP as a server: stations connect, one after the other or at once, and send packets.

There are MAX_CLIENTS places. When all are taken, a new client replaces another: the oldest that
has never sent a byte, else the one that has been silent longest, if for SILENT_S at least. A client
that sends keeps its place, however many try to connect.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from agents.ground.inputs import READ_BYTES, Piece, Stop, address, log, no_more
from agents.host.door import Door, Seldom, named
from agents.host.errors import BrokerError
from agents.host.plain import plain

MAX_CLIENTS = 16
QUEUED_PIECES = 16  # of all clients; when it is full, TCP itself holds the senders back
SILENT_S = 10.0


@dataclass(slots=True, eq=False)
class _Client:
    """heard: when it last sent, or connected. busy: its data waits for us, so it is not silent."""

    number: int
    name: str
    writer: asyncio.StreamWriter
    heard: float
    sent: bool = False
    busy: bool = False


class _Clients:
    """The open connections, and the pieces that came by them."""

    def __init__(self, door: Door) -> None:
        self.pieces: asyncio.Queue[Piece | None] = asyncio.Queue(QUEUED_PIECES)
        self.open: set[_Client] = set()
        self.tasks: set[asyncio.Task[object]] = set()
        self._door, self._last = door, 0
        self._now = asyncio.get_running_loop().time
        self._refused, self._full = Seldom(), Seldom()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = self._let_in(writer)
        if client is None:
            writer.close()
            return
        task = asyncio.current_task()
        assert task
        self.tasks.add(task)
        try:
            await self._read(reader, client)
            if client.sent:  # what the client cut off will not be completed
                await self.pieces.put(Piece(b"", True, client.number))
        except asyncio.CancelledError:
            pass  # only `listen` cancels it, at its end; asyncio 3.11 would log an error
        finally:
            self.tasks.discard(task)
            self.open.discard(client)
            writer.close()

    async def end(self, serving: Sequence[asyncio.Task[object]]) -> None:
        """No more is received: what the kernel still holds comes, and then None."""
        for client in self.open:
            no_more(client.writer)
        await asyncio.gather(*serving, return_exceptions=True)
        await self.pieces.put(None)

    def _let_in(self, writer: asyncio.StreamWriter) -> _Client | None:
        peer = writer.get_extra_info("peername")
        if not peer:  # it has gone already
            return None
        if not self._door.admits(peer):
            if n := self._refused.since(self._now()):
                log.warning("%s is refused by --allow (%d since the last line)", named(peer), n)
            return None
        if len(self.open) >= MAX_CLIENTS and not self._make_way(named(peer)):
            return None
        # a station that vanishes without a word must not keep its place for ever
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._last += 1
        client = _Client(self._last, named(peer), writer, self._now())
        self.open.add(client)
        return client

    def _make_way(self, comer: str) -> bool:
        now, n = self._now(), self._full.since(self._now())
        idle = [c for c in self.open if not c.busy and (not c.sent or now - c.heard >= SILENT_S)]
        longest = min(idle, key=lambda c: (c.sent, c.heard), default=None)
        if longest is None:
            if n:
                log.warning(
                    "%s is refused: all of %d clients send (%d since the last line)",
                    comer,
                    MAX_CLIENTS,
                    n,
                )
            return False
        if n:
            log.warning(
                "%s, silent for %.0f s, gives way to %s (%d since the last line)",
                longest.name, now - longest.heard, comer, n,
            )  # fmt: skip
        self.open.discard(longest)
        longest.writer.transport.abort()  # its reader sees the end, and reports it
        return True

    async def _read(self, reader: asyncio.StreamReader, client: _Client) -> None:
        try:
            while data := await self._next(reader):
                client.sent = client.busy = True
                await self.pieces.put(Piece(data, False, client.number))
                client.heard, client.busy = self._now(), False
        except OSError as error:
            if isinstance(error, TimeoutError) and error.errno is None:  # ours, not the network's
                idle = self._door.idle_s
                log.warning("%s is closed: it sent nothing for %g s", client.name, idle)
            else:
                log.warning("%s: %s", client.name, error)

    async def _next(self, reader: asyncio.StreamReader) -> bytes:
        async with asyncio.timeout(self._door.idle_s or None):
            return await reader.read(READ_BYTES)


async def listen(url: str, door: Door, stop: Stop) -> AsyncGenerator[Piece, None]:
    """Pieces of all clients of `tcp-listen://HOST:PORT`, each client's in order.

    BrokerError if the address cannot be used.
    """
    host, port = address(url)
    clients = _Clients(door)
    try:
        server = await asyncio.start_server(clients.serve, host, port)
    except OSError as error:
        raise BrokerError(f"{plain(url)}: {error.strerror}.") from None
    try:
        while piece := await stop.or_done(clients.pieces.get()):
            yield piece
        server.close()
        clients.tasks.add(asyncio.create_task(clients.end(tuple(clients.tasks))))
        while piece := await clients.pieces.get():
            yield piece
    finally:
        server.close()
        tasks = list(clients.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
