"""Ports that are listened on: places are for those who send, and not all may."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

import pytest

from agents.broker.embedded import free_port
from agents.ground import listen as listening
from agents.ground.inputs import Piece, Stop, udp
from agents.ground.listen import MAX_CLIENTS, listen
from agents.host.door import Door, door

SOON_S = 20.0
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Station:
    """Clients of one port that is listened on, and the pieces that came."""

    def __init__(self, port: int, pieces: AsyncGenerator[Piece, None]) -> None:
        self._port, self._pieces = port, pieces
        self._next = asyncio.ensure_future(anext(pieces))
        self._clients: list[Streams] = []

    async def connect(self) -> Streams:
        while True:  # the port opens with the first piece that is asked for
            try:
                one = await asyncio.open_connection("127.0.0.1", self._port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.01)
                continue
            self._clients.append(one)
            return one

    async def sender(self) -> tuple[Streams, Piece]:
        """A client that has sent a byte, which has come."""
        one = await self.connect()
        one[1].write(b"x")
        return one, await self.piece()

    async def piece(self) -> Piece:
        found = await self._next
        self._next = asyncio.ensure_future(anext(self._pieces))
        return found

    async def close(self) -> None:
        self._next.cancel()
        await asyncio.gather(self._next, return_exceptions=True)
        for _, writer in self._clients:
            writer.transport.abort()


def with_station(scenario: Callable[[Station], Awaitable[None]], only: Door) -> None:
    async def run() -> None:
        port = free_port()
        async with (
            asyncio.timeout(SOON_S),
            aclosing(listen(f"tcp-listen://:{port}", only, Stop())) as pieces,
        ):
            station = Station(port, pieces)
            try:
                await scenario(station)
            finally:
                await station.close()

    asyncio.run(run())


async def closed(one: Streams) -> bool:
    try:
        return await one[0].read() == b""
    except ConnectionResetError:
        return True


def test_idle_clients_hold_no_place(caplog: pytest.LogCaptureFixture) -> None:
    """All places are of clients that never sent; a station comes, sends, and keeps its place."""

    async def scenario(station: Station) -> None:
        idle = [await station.connect() for _ in range(MAX_CLIENTS)]
        sends, piece = await station.sender()
        assert (piece.data, piece.client) == (b"x", MAX_CLIENTS + 1)
        assert await closed(idle[0])
        for _ in range(2 * MAX_CLIENTS):  # however many knock
            await station.connect()
        sends[1].write(b"y")
        assert (await station.piece()).data == b"y"
        assert all([await closed(one) for one in idle])

    with caplog.at_level(logging.WARNING, "heartline.ingest"):
        with_station(scenario, Door())
    assert "gives way to 127.0.0.1:" in caplog.text
    assert len(caplog.records) == 1  # a flood of lines would be a fault of its own


def test_the_longest_silent_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its last packet is not completed by anybody: the end of it is told."""
    monkeypatch.setattr(listening, "SILENT_S", 0.0)

    async def scenario(station: Station) -> None:
        senders = [(await station.sender())[0] for _ in range(MAX_CLIENTS)]
        senders[0][1].write(b"z")  # so that the second is the longest silent
        assert (await station.piece()).data == b"z"
        await station.connect()
        end = await station.piece()
        assert (end.data, end.whole, end.client) == (b"", True, 2)
        assert await closed(senders[1])

    with_station(scenario, Door())


def test_one_more_than_all_who_send_is_turned_away(caplog: pytest.LogCaptureFixture) -> None:
    """And has its place when another leaves."""

    async def scenario(station: Station) -> None:
        senders = [(await station.sender())[0] for _ in range(MAX_CLIENTS)]
        assert await closed(await station.connect())
        senders[0][1].close()
        assert (await station.piece()).whole
        _, piece = await station.sender()
        assert piece.data == b"x"

    with caplog.at_level(logging.WARNING, "heartline.ingest"):
        with_station(scenario, Door())
    assert f"all of {MAX_CLIENTS} clients send" in caplog.text


def test_silence_ends_a_connection(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(station: Station) -> None:
        quiet = await station.connect()
        sender, _ = await station.sender()
        assert await closed(quiet)
        end = await station.piece()
        assert (end.data, end.whole, end.client) == (b"", True, 2)
        assert await closed(sender)

    with caplog.at_level(logging.WARNING, "heartline.ingest"):
        with_station(scenario, Door(idle_s=0.2))
    assert caplog.text.count("sent nothing for 0.2 s") == 2


def test_only_some_may_connect(caplog: pytest.LogCaptureFixture) -> None:
    async def refused(station: Station) -> None:
        assert await closed(await station.connect())

    async def admitted(station: Station) -> None:
        _, piece = await station.sender()
        assert piece.client == 1

    with caplog.at_level(logging.WARNING, "heartline.ingest"):
        with_station(refused, door(["10.1.0.0/16"], 0.0))
        assert "is refused by --allow" in caplog.text
        with_station(admitted, door(["10.1.0.0/16", "127.0.0.0/8"], 0.0))


@pytest.mark.parametrize(("only", "first"), [("127.0.0.3", b"of 3"), ("127.0.0.0/8", b"of 2")])
def test_only_some_may_send_datagrams(only: str, first: bytes) -> None:
    async def run() -> None:
        port = free_port()
        async with (
            asyncio.timeout(SOON_S),
            aclosing(udp(f"udp://:{port}", door([only], 0.0), Stop())) as pieces,
        ):
            coming = asyncio.ensure_future(anext(pieces))
            await asyncio.sleep(0)  # its socket opens
            for host in (2, 3):
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
                    out.bind((f"127.0.0.{host}", 0))
                    out.sendto(f"of {host}".encode(), ("127.0.0.1", port))
            assert (await coming).data == first

    asyncio.run(run())
