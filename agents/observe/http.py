"""`/metrics` and `/healthz` on our own small server: loopback unless told otherwise.

asyncio in a thread of its own, not one thread per connection (ThreadingHTTPServer, and
prometheus_client's own server). There each read has its own time-out: a byte a second holds a
thread for ever, and a hundred idle connections are a hundred threads. Here a request has one
deadline for its head and one for its answer, and a connection costs a coroutine. When all places
are taken, the connection that has been longest without a request is closed: the port can be
crowded, but not blocked.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus

from prometheus_client import CollectorRegistry, ProcessCollector, make_wsgi_app

from agents.host.door import Seldom
from agents.host.errors import BrokerError
from agents.observe.http_messages import Request, RequestError, Response, ask, plain, read_head

log = logging.getLogger("heartline.http")
Health = Callable[[], tuple[bool, str]]
STOP_S = 5.0


@dataclass(frozen=True, slots=True)
class Limits:
    """head_s: to receive a request. answer_s: to make its answer, and as long again to send it.
    head_bytes: of a request. connections: open at once."""

    head_s: float = 5.0
    answer_s: float = 30.0
    head_bytes: int = 16 << 10
    connections: int = 128


def serve(
    host: str, port: int, registry: CollectorRegistry, health: Health, limits: Limits | None = None
) -> Server:
    """Serve from a daemon thread; `.shutdown()` ends it. Port 0 takes a free one.

    The registry gets the figures of the process too: when it began, its CPU, its memory."""
    ProcessCollector(registry=registry)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        if not 0 <= port <= 65535:
            raise OSError(errno.EINVAL, "a port is 0 to 65535")
        sock = socket.create_server((host, port), family=family)
    except OSError as error:
        raise BrokerError(
            f"Metrics cannot listen on {host}:{port}: {error.strerror}. "
            "Name another with --metrics-port."
        ) from None
    return Server(sock, registry, health, limits or Limits())


class Server:
    """Serves a listening socket until `.shutdown()`."""

    def __init__(
        self, sock: socket.socket, registry: CollectorRegistry, health: Health, limits: Limits
    ) -> None:
        self.server_port: int = sock.getsockname()[1]
        self._metrics, self._health, self._limits = make_wsgi_app(registry), health, limits
        self._places, self._failed = _Places(limits.connections), Seldom()
        # one scrape at a time, and not in the loop's own thread: /healthz answers meanwhile
        self._scrapes = ThreadPoolExecutor(1, "scrape")
        self._loop, self._stop = asyncio.new_event_loop(), asyncio.Event()
        self._thread = threading.Thread(target=self._run, args=[sock], name="metrics", daemon=True)
        self._thread.start()

    def shutdown(self) -> None:
        """Close the port and every connection; a second time does nothing."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(STOP_S)

    def _run(self, sock: socket.socket) -> None:
        self._loop.run_until_complete(self._until_stopped(sock))
        self._loop.close()
        self._scrapes.shutdown(wait=False, cancel_futures=True)

    async def _until_stopped(self, sock: socket.socket) -> None:
        server = await asyncio.start_server(
            self._serve, sock=sock, limit=self._limits.head_bytes, backlog=socket.SOMAXCONN
        )
        await self._stop.wait()
        server.close()
        await self._places.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        had = self._places.take(writer)
        try:
            response = await self._response(reader, writer) if had else _CROWDED
            if response:
                async with asyncio.timeout(self._limits.answer_s):
                    writer.write(response.encoded())
                    await writer.drain()
        except (OSError, TimeoutError):
            writer.transport.abort()  # it is gone, or does not read what it asked for
        except asyncio.CancelledError:
            pass  # only by `shutdown`; asyncio 3.11 would log it as an error
        finally:
            self._places.leave(writer)
            writer.close()

    async def _response(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> Response | None:
        """The response to the request; None where the client leaves without sending one."""
        try:
            async with asyncio.timeout(self._limits.head_s):
                request = await read_head(reader)
        except RequestError as error:
            return plain(error.status, str(error))
        except TimeoutError:
            why = f"no whole request within {self._limits.head_s:g} s"
            return plain(HTTPStatus.REQUEST_TIMEOUT, why)
        if request is None:
            return None
        self._places.keep(writer)
        async with asyncio.timeout(self._limits.answer_s):
            response = await self._answer(request)
        return response.without_body() if request.method == "HEAD" else response

    async def _answer(self, request: Request) -> Response:
        try:
            if request.path == "/metrics":
                return await self._loop.run_in_executor(self._scrapes, ask, self._metrics, request)
            if request.path == "/healthz":
                good, why = self._health()
                return plain(HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE, why)
        except Exception:
            if n := self._failed.since(self._loop.time()):
                log.exception("%s cannot be answered (%d since the last line)", request.path, n)
            return plain(HTTPStatus.INTERNAL_SERVER_ERROR, "the worker's log says why")
        return plain(HTTPStatus.NOT_FOUND, "here are /metrics and /healthz")


_CROWDED = plain(HTTPStatus.SERVICE_UNAVAILABLE, "too many ask at once")


class _Places:
    """The open connections; those without a request yet may be closed, the oldest first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._tasks: dict[asyncio.StreamWriter, asyncio.Task[object] | None] = {}
        self._waiting: dict[asyncio.StreamWriter, None] = {}

    def take(self, writer: asyncio.StreamWriter) -> bool:
        """Whether there is a place, if need be by closing another connection."""
        if len(self._tasks) >= self._most:
            if not self._waiting:
                return False
            longest = next(iter(self._waiting))
            self.leave(longest)
            longest.transport.abort()
        self._tasks[writer], self._waiting[writer] = asyncio.current_task(), None
        return True

    def keep(self, writer: asyncio.StreamWriter) -> None:
        """Its request is there: it stays until it is answered."""
        self._waiting.pop(writer, None)

    def leave(self, writer: asyncio.StreamWriter) -> None:
        self._tasks.pop(writer, None)
        self._waiting.pop(writer, None)

    async def close(self) -> None:
        tasks = [task for task in self._tasks.values() if task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
