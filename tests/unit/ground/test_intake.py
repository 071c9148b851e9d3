"""What the kernel drops is counted, and a packet was received when its last byte was."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any, cast

import pytest

from agents.ground.ingest import Ingest
from agents.ground.inputs import Drops, Piece, Stop, udp
from agents.ground.sender import Sender
from agents.ground.spool import FrameKind, Limits, Spool
from agents.host.door import Door
from pipeline.mission.folder import Mission
from tests.laws.damage import packet


def test_drops_of_the_kernel_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A buffer that holds a few, five hundred sent at once; each that came tells how many did not."""
    monkeypatch.setattr("agents.ground.inputs.BUFFER_BYTES", 4096)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    async def run() -> tuple[int, int]:
        coming = udp(f"udp://127.0.0.1:{port}", Door(), Stop())
        first = asyncio.ensure_future(anext(coming))
        await asyncio.sleep(0)  # the socket is bound
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            for i in range(500):
                out.sendto(i.to_bytes(2, "big") + bytes(998), ("127.0.0.1", port))
            came, lost = 1, (await first).dropped
            while came + lost < 501:
                out.sendto(b"last", ("127.0.0.1", port))  # what comes behind the drops tells them
                while (piece := await anext(coming)).data != b"last":
                    came, lost = came + 1, lost + piece.dropped
                lost += piece.dropped
                if came + lost == 500:
                    break
        await coming.aclose()
        return came, lost

    came, lost = asyncio.run(asyncio.wait_for(run(), 20))
    assert came + lost == 500
    assert lost > 0


def test_the_kernels_count_wraps() -> None:
    def told(n: int) -> list[tuple[int, int, bytes]]:
        return [(socket.SOL_SOCKET, 40, n.to_bytes(4, "little"))]

    drops = Drops()
    assert [drops.since(told(n)) for n in (5, 5, 2**32 - 1, 3)] == [5, 0, 2**32 - 6, 4]
    assert drops.since([]) == 0


def test_a_packet_was_received_with_its_last_byte(demo_mission: Mission, tmp_path: Path) -> None:
    first, second = packet(0x0865, 0, bytes(30)), packet(0x0865, 1, bytes(30))
    spool = Spool(tmp_path, Limits(1 << 20))
    sender = cast(Sender, type("Nobody", (), {"arrived": asyncio.Event(), "room": asyncio.Event()}))
    one = Ingest(demo_mission, "demo", spool, sender)
    stream = first + second

    async def run() -> None:
        for now, (a, b) in enumerate([(0, 10), (10, 40), (40, 70), (70, len(stream))], 1):
            await one.take(Piece(stream[a:b], b == len(stream)), now * 10**9)

    asyncio.run(run())
    times: list[Any] = []
    for frame in spool.read(100):
        if frame.kind is FrameKind.PACKETS:
            count = int.from_bytes(frame.value[:4], "big")
            times += [
                int.from_bytes(frame.value[4 + 8 * i : 12 + 8 * i], "big") for i in range(count)
            ]
    spool.close()
    assert [t // 10**9 for t in times] == [2, 4]  # the first ends in byte 37, the second in 74
