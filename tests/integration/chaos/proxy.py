"""A TCP proxy between workers and brokers: the network that is cut, or slow."""

from __future__ import annotations

import asyncio
import contextlib


class Proxy:
    """Listens on one port for one broker's."""

    def __init__(self, port: int, to: int) -> None:
        self._port, self._to = port, to
        self.cut = False
        self.delay_s = 0.0
        self._open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)

    def sever(self) -> None:
        """Nothing goes through any more; connections hang, as they do when a cable is pulled."""
        self.cut = True

    def mend(self) -> None:
        """Connections that hung are broken, new ones go through."""
        self.cut, self.delay_s = False, 0.0
        for writer in list(self._open):
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.CancelledError):
            there, back = await asyncio.open_connection("127.0.0.1", self._to)
            self._open |= {writer, back}
            await asyncio.gather(self._pump(reader, back), self._pump(there, writer))
            self._open -= {writer, back}
        writer.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                while self.cut:
                    await asyncio.sleep(0.05)
                    if writer.is_closing():
                        return
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                writer.write(data)
                await writer.drain()
        writer.close()

    async def close(self) -> None:
        if self._server:
            self._server.close()
        self.mend()
