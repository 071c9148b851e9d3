"""Connections of the desk's API: a client that sends slowly, or nothing, loses its place.

aiohttp has a deadline between requests and none for a request's head, nor for an answer that is
not read: a hundred idle connections would be kept for ever.
"""

from __future__ import annotations

import asyncio
from asyncio import BaseTransport, WriteTransport

from aiohttp import web

IDLE_S = 30.0  # for the head of a request, and for an answer to be read
BODY_S = 30.0  # for its body
MOST = 128
LOOK_S = 1.0


class Places:
    """Of one server."""

    def __init__(self, idle_s: float = IDLE_S, body_s: float = BODY_S, most: int = MOST) -> None:
        self.body_s, self._idle_s, self._most = body_s, idle_s, most
        self._busy: set[BaseTransport] = set()
        self._since: dict[BaseTransport, float] = {}
        self._unread: dict[BaseTransport, int] = {}  # bytes of its answer, when last looked at

    def begins(self, request: web.Request) -> None:
        """A request has come as far as its head."""
        if request.transport:
            self._busy.add(request.transport)

    def ends(self, request: web.Request) -> None:
        """Its answer is made."""
        if request.transport:
            self._busy.discard(request.transport)
            self._since[request.transport] = asyncio.get_running_loop().time()

    async def keep(self, server: web.Server) -> None:
        """Until cancelled: close who has been idle for too long, and the longest idle if all places
        are taken."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(LOOK_S)
            now = loop.time()
            open_ = [c.transport for c in server.connections if c.transport]
            self._busy.intersection_update(open_)
            self._since = {
                t: now if self._reads(t) else self._since.get(t, now) for t in open_
            }  # fmt: skip
            self._unread = {t: t.get_write_buffer_size() for t in open_}
            idle = sorted((t for t in open_ if t not in self._busy), key=self._since.__getitem__)
            for at, transport in enumerate(idle):
                if at < len(open_) - self._most or now - self._since[transport] > self._idle_s:
                    transport.abort()

    def _reads(self, transport: WriteTransport) -> bool:
        """Whether more of its answer has left since."""
        return transport.get_write_buffer_size() < self._unread.get(transport, 0)
