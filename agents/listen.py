"""TCP as a server: stations connect, one after the other or at once, and send packets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator

from agents.inputs import READ_BYTES, Piece, address, log
from agents.kafka import BrokerError

MAX_CLIENTS = 16
QUEUED_PIECES = 16  # of all clients; behind it, TCP itself holds the senders back


class _Clients:
    """The open connections, and the pieces that came by them."""

    def __init__(self) -> None:
        self.pieces: asyncio.Queue[Piece] = asyncio.Queue(QUEUED_PIECES)
        self.open: set[asyncio.Task[None] | None] = set()
        self._last = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        who = writer.get_extra_info("peername")
        if len(self.open) >= MAX_CLIENTS:
            log.warning("%s is refused: %d clients are connected already", who, MAX_CLIENTS)
            writer.close()
            return
        # a station that vanishes without a word must not keep its place for ever
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        task = asyncio.current_task()
        self.open.add(task)
        self._last += 1
        client = self._last
        try:
            await self._read(reader, who, client)
            # what the client cut off will not be completed
            await self.pieces.put(Piece(b"", True, client))
        finally:
            self.open.discard(task)
            writer.close()

    async def _read(self, reader: asyncio.StreamReader, who: object, client: int) -> None:
        try:
            while data := await reader.read(READ_BYTES):
                await self.pieces.put(Piece(data, False, client))
        except OSError as error:
            log.warning("%s: %s", who, error)


async def listen(url: str) -> AsyncGenerator[Piece, None]:
    """Pieces of all clients of `tcp-listen://HOST:PORT`, each client's in order.

    BrokerError where the address cannot be had.
    """
    host, port = address(url)
    clients = _Clients()
    try:
        server = await asyncio.start_server(clients.serve, host, port)
    except OSError as error:
        raise BrokerError(f"{url}: {error.strerror}.") from None
    try:
        while True:
            yield await clients.pieces.get()
    finally:
        server.close()
        tasks = [t for t in clients.open if t]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
