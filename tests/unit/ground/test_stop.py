"""A link that is stopped still gives what the kernel had received for it; then it ends."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

import pytest

from agents.broker.embedded import free_port
from agents.ground.inputs import Piece, Stop, tcp, udp
from agents.ground.listen import listen
from agents.host.door import Door

SOON_S = 20.0
MORE = [i.to_bytes(4, "big") * 250 for i in range(300)]  # beyond what a stream's reader holds
Link = Callable[[str, Door, Stop], AsyncGenerator[Piece, None]]


def to_udp(port: int) -> socket.socket:
    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    out.connect(("127.0.0.1", port))
    return out


def to_listener(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), SOON_S)


async def until(opened: Callable[[], socket.socket]) -> socket.socket:
    while True:
        try:
            return opened()
        except OSError:
            await asyncio.sleep(0.01)


async def gives(
    link: Link, url: str, opened: Callable[[], socket.socket], stops: int
) -> tuple[bytes, int]:
    """What comes of a first piece and of MORE, when it is told to stop `stops` times behind them;
    and the pieces without content."""
    stop, got, empty = Stop(), b"", 0
    async with asyncio.timeout(SOON_S), aclosing(link(url, Door(), stop)) as coming:
        first = asyncio.ensure_future(anext(coming))
        await asyncio.sleep(0)
        with await until(opened) as out:
            out.sendall(b"first")
            got += (await first).data
            for content in MORE:  # the loop does not run: they stay where they are
                out.sendall(content)
            for _ in range(stops):
                stop.tell()
            async for piece in coming:
                got, empty = got + piece.data, empty + (not piece.data)
    return got, empty


@pytest.mark.parametrize("stops", [1, 2])
@pytest.mark.parametrize(("link", "opened"), [(udp, to_udp), (listen, to_listener)])
def test_what_the_kernel_holds(
    link: Link, opened: Callable[[int], socket.socket], stops: int
) -> None:
    port = free_port()
    scheme = "udp" if link is udp else "tcp-listen"
    got, empty = asyncio.run(
        gives(link, f"{scheme}://127.0.0.1:{port}", lambda: opened(port), stops)
    )
    assert got == b"first" + b"".join(MORE)
    assert empty == (link is listen)  # the end of a client's stream


def test_a_connection_of_ours() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        url = f"tcp://127.0.0.1:{server.getsockname()[1]}"

        def accepted() -> socket.socket:
            out, _ = server.accept()
            out.settimeout(SOON_S)
            return out

        got, empty = asyncio.run(gives(tcp, url, accepted, 1))
    assert got == b"first" + b"".join(MORE)
    assert empty == 1


@pytest.mark.parametrize("link", [udp, listen, tcp])
def test_a_silent_link_ends_at_once(link: Link) -> None:
    """Also one that waits for a server that is not there."""
    scheme = {udp: "udp", listen: "tcp-listen", tcp: "tcp"}[link]

    async def run() -> None:
        stop = Stop()
        coming = link(f"{scheme}://127.0.0.1:{free_port()}", Door(), stop)
        first = asyncio.ensure_future(anext(coming))
        await asyncio.sleep(0.05)
        assert not first.done()
        stop.tell()
        with pytest.raises(StopAsyncIteration):
            await first
        await coming.aclose()

    asyncio.run(asyncio.wait_for(run(), SOON_S))
