"""Where packets come from: UDP, a TCP connection, files and standard input.

When a link is stopped, it still gives what the kernel holds for it, which nobody sends again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import sys
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from agents.host.addresses import checked_host
from agents.host.door import Door, Seldom, named
from agents.host.errors import BrokerError
from agents.host.plain import plain
from pipeline.packets.files import file_pieces
from pipeline.packets.files import pieces as pieces_of

log = logging.getLogger("heartline.ingest")
READ_BYTES = 1 << 18
BACK_OFF_S = (0.5, 1.0, 2.0, 5.0, 10.0)
LOOPBACK = "127.0.0.1"
BUFFER_BYTES = 8 << 20
AT_ONCE = 256  # datagrams read before other tasks have their turn
T = TypeVar("T")
SO_RCVBUFFORCE, SO_RXQ_OVFL = 33, 40  # Linux; Python's socket does not name them


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes received together. whole: no later piece completes its tail (a datagram, or an end).

    client: number of its connection, where several are open at once. datagram: a packet begins
    at its start. dropped: datagrams that the kernel had no room for since the last piece.
    """

    data: bytes
    whole: bool
    client: int = 0
    datagram: bool = False
    dropped: int = 0


def address(url: str) -> tuple[str, int]:
    """(host, port); without a host, the loopback interface. BrokerError without a port."""
    try:
        parts = urlsplit(url)
        port = parts.port
        host = parts.hostname or LOOPBACK
        checked_host(f"[{host}]" if ":" in host else host)
    except ValueError as error:
        raise BrokerError(f"Input {url!r}: {error}.") from None
    if port is None:
        raise BrokerError(f"Input {url!r} needs a port.")
    return host, port


class Stop:
    """Told to links that are to end. Each says what wakes it up."""

    def __init__(self) -> None:
        self.told = asyncio.Event()
        self._wakes: set[Callable[[], object]] = set()

    def tell(self) -> None:
        self.told.set()
        for wake in tuple(self._wakes):
            wake()

    @contextlib.contextmanager
    def wakes(self, wake: Callable[[], object]) -> Iterator[None]:
        """wake: called when it is told, or now if it was."""
        self._wakes.add(wake)
        if self.told.is_set():
            wake()
        try:
            yield
        finally:
            self._wakes.discard(wake)

    async def or_done(self, coming: Coroutine[Any, Any, T]) -> T | None:
        """What comes, or None where the stop comes first."""
        task = asyncio.ensure_future(coming)
        try:
            with self.wakes(task.cancel):
                await asyncio.wait([task])
        finally:
            task.cancel()
        return None if task.cancelled() else task.result()


def no_more(writer: asyncio.StreamWriter) -> None:
    """End a connection's input: what the kernel has received is still read, then comes the end."""
    with contextlib.suppress(OSError):  # it has gone already
        writer.get_extra_info("socket").shutdown(socket.SHUT_RD)


async def udp(url: str, door: Door, stop: Stop) -> AsyncGenerator[Piece, None]:
    """Datagrams, each of whole packets, from senders that the door admits."""
    host, port = address(url)
    loop = asyncio.get_running_loop()
    sock = _datagrams(host, port, url)
    came = asyncio.Event()
    loop.add_reader(sock, came.set)
    refused, drops, lost = Seldom(), Drops(), 0
    held = BUFFER_BYTES  # the kernel has no more when it is stopped; what comes then may never end
    try:
        while held > 0:
            with stop.wakes(came.set):
                await came.wait()
            came.clear()
            for _ in range(AT_ONCE):
                try:
                    data, told, _, peer = sock.recvmsg(65536, 64)
                except (BlockingIOError, InterruptedError):
                    if stop.told.is_set():
                        return
                    break
                held -= len(data) if stop.told.is_set() else 0
                lost += drops.since(told)
                if door.admits(peer):
                    dropped, lost = lost, 0
                    yield Piece(data, True, datagram=True, dropped=dropped)
                elif n := refused.since(loop.time()):
                    log.warning("%s is refused by --allow (%d since the last line)", named(peer), n)
            else:
                came.set()  # there may be more, and others wait for their turn
    finally:
        loop.remove_reader(sock)
        sock.close()


def _datagrams(host: str, port: int, url: str) -> socket.socket:
    """A bound socket with the largest buffer the kernel gives, which reports dropped datagrams."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    try:
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES)  # beyond rmem_max: root
    except OSError:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
    with contextlib.suppress(OSError):  # Linux only
        sock.setsockopt(socket.SOL_SOCKET, SO_RXQ_OVFL, 1)
    had = sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2  # the kernel reports it doubled
    if had < BUFFER_BYTES:
        log.warning(
            "%s: the kernel gives a buffer of %d bytes in place of %d: raise it with "
            "`sysctl net.core.rmem_max=%d`", plain(url), had, BUFFER_BYTES, BUFFER_BYTES,
        )  # fmt: skip
    try:
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise BrokerError(f"{plain(url)}: {error.strerror}.") from None
    return sock


class Drops:
    """Datagrams that the kernel dropped: it reports their count, in 32 bits, with each one that it
    delivers (socket(7), SO_RXQ_OVFL)."""

    def __init__(self) -> None:
        self._last = 0

    def since(self, told: Sequence[tuple[int, int, bytes]]) -> int:
        """Drops since the previous datagram. told: this datagram's ancillary data."""
        for level, kind, content in told:
            if level == socket.SOL_SOCKET and kind == SO_RXQ_OVFL and len(content) >= 4:
                now = int.from_bytes(content[:4], sys.byteorder)
                lost, self._last = (now - self._last) % (1 << 32), now
                return lost
        return 0


async def tcp(url: str, _: Door, stop: Stop) -> AsyncGenerator[Piece, None]:
    """A connection made again whenever it ends, with growing pauses while it fails."""
    host, port = address(url)
    url, failures = plain(url), 0
    while not stop.told.is_set():
        try:
            made = await stop.or_done(asyncio.open_connection(host, port))
        except OSError as error:
            pause = BACK_OFF_S[min(failures, len(BACK_OFF_S) - 1)]
            failures += 1
            log.warning("%s: %s; again in %g s", url, error, pause)
            await stop.or_done(asyncio.sleep(pause))
            continue
        if made is None:
            return
        failures, (reader, writer) = 0, made
        try:
            with stop.wakes(partial(no_more, writer)):
                while data := await reader.read(READ_BYTES):
                    yield Piece(data, False)
        except OSError as error:
            log.warning("%s: %s", url, error)
        finally:
            writer.close()
        yield Piece(b"", True)  # a packet cut off by the end is no packet
        await stop.or_done(asyncio.sleep(BACK_OFF_S[0]))


async def files(paths: Sequence[str], stop: Stop) -> AsyncGenerator[Piece, None]:
    """Files in the order given, `-` for standard input; no packet extends into the next file."""
    loop = asyncio.get_running_loop()
    for path in paths:
        parts = _file(path)
        while data := await loop.run_in_executor(None, next, parts, b""):
            yield Piece(data, False)
            if stop.told.is_set():  # they can be read again
                return
        yield Piece(b"", True)


def _file(path: str) -> Iterator[bytes]:
    return pieces_of(sys.stdin.buffer, "-") if path == "-" else file_pieces(Path(path))
