"""The API's port with clients that hold on to it; sockets are real, the desk has not begun."""

from __future__ import annotations

import asyncio

from agents.broker.embedded import free_port
from agents.desk.api import served
from agents.desk.places import Places
from agents.desk.service import Desk
from agents.settings import DeskSettings, Settings

HALF = b"POST /api/v1/deeds HTTP/1.1\r\nHost: 127.0.0.1\r\n"
WHOLE = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
BODILESS = HALF + b"Content-Type: application/json\r\nContent-Length: 9\r\n\r\n{"


async def _asked(port: int, *sent: bytes) -> list[bytes]:
    """What comes back on one connection for each of them, each until it is closed."""
    open_ = [await asyncio.open_connection("127.0.0.1", port) for _ in sent]
    for (_, writer), content in zip(open_, sent, strict=True):
        writer.write(content)
    found = [await reader.read() for reader, _ in open_]
    for _, writer in open_:
        writer.close()
    return found


async def _with(places: Places, *sent: bytes) -> list[bytes]:
    port = free_port()
    desk = Desk(Settings(desk=DeskSettings(port=port)), {})
    async with asyncio.timeout(30), served(desk, places):
        return await _asked(port, *sent)


def test_who_is_slow_loses_the_place() -> None:
    """One that sends half a head, one that sends nothing, one that keeps its connection after an
    answer, and one whose body does not come."""
    found = asyncio.run(_with(Places(idle_s=0.1, body_s=0.1), HALF, b"", WHOLE, BODILESS))
    assert found[:2] == [b"", b""]
    assert found[2].startswith(b"HTTP/1.1 503")  # it has not begun, and says so
    assert found[3].startswith(b"HTTP/1.1 408")


def test_all_places_taken() -> None:
    """Who came first goes, and whoever asks then is answered."""

    async def run() -> None:
        port = free_port()
        desk = Desk(Settings(desk=DeskSettings(port=port)), {})
        async with asyncio.timeout(30), served(desk, Places(most=2)):
            open_ = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
            assert await open_[0][0].read() == b""
            [answer] = await _asked(port, WHOLE[:-2] + b"Connection: close\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 503")
            for _, writer in open_:
                writer.close()

    asyncio.run(run())
