"""What answers at a broker's port and is none, or one gone mad: a sentence, and soon."""

from __future__ import annotations

import asyncio
import gc
import random
import struct

import numpy as np
import pytest

from agents.broker.kafka import _refuse_in_the_clear, administrator
from agents.host.errors import BrokerError
from tests.fuzz.mutate import EDGES, damage

SOON_S = 60.0
INPUTS = 80  # of each kind
_VERSIONS, _METADATA = 18, 3  # API keys


def answer(key: int, correlation: int, port: int) -> bytes:
    """What a broker that knows two requests answers, its size before it."""
    if key == _VERSIONS:
        body = struct.pack(">hi", 0, 2) + struct.pack(">6h", _VERSIONS, 0, 0, _METADATA, 0, 0)
    else:
        host = b"127.0.0.1"
        body = struct.pack(">iih", 1, 1, len(host)) + host + struct.pack(">ii", port, 0)
    return struct.pack(">ii", 4 + len(body), correlation) + body


class Mad:
    """A broker that damages most answers to one kind of request, or none, and leaves after it."""

    def __init__(self, rnd: random.Random, damaged: int) -> None:
        self._rnd, self._damaged = rnd, damaged
        self.tasks: set[asyncio.Task[object] | None] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.tasks.add(asyncio.current_task())
        port = writer.get_extra_info("sockname")[1]
        try:
            while True:
                size = int.from_bytes(await reader.readexactly(4), "big")
                if size > 1 << 20:  # a greeting of TLS, read as a size
                    break
                request = await reader.readexactly(size)
                key, _, correlation = struct.unpack(">hhi", request[:8])
                content = answer(key, correlation, port)
                if key == self._damaged and self._rnd.random() < 0.8:
                    writer.write(self._mad(content))
                    break
                writer.write(content)
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()

    def _mad(self, content: bytes) -> bytes:
        """Its body alone, so that it is parsed; or all of it."""
        if self._rnd.random() < 0.3:
            return damage(self._rnd, content)
        body = damage(self._rnd, content[8:])
        if self._rnd.random() < 0.3:
            body += self._rnd.choice(EDGES)
        return struct.pack(">i", 4 + len(body)) + content[4:8] + body


async def told(mad: Mad) -> str:
    """The sentence; none where it was taken for a broker."""
    server = await asyncio.start_server(mad.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        async with asyncio.timeout(SOON_S), administrator(f"127.0.0.1:{port}"):
            return ""
    except BrokerError as error:
        return str(error)
    finally:
        server.close()
        await asyncio.wait([task for task in mad.tasks if task])


def test_a_sane_one_is_taken() -> None:
    assert asyncio.run(told(Mad(random.Random(0), -1))) == ""


# a connection that broke in a parser is left to the collector by aiokafka
@pytest.mark.filterwarnings("ignore:.*:ResourceWarning")
@pytest.mark.parametrize("damaged", [_VERSIONS, _METADATA])
def test_whatever_it_answers_it_is_told_in_a_line(damaged: int, rng: np.random.Generator) -> None:
    """Its versions or its metadata damaged: BrokerError, or it could be taken for sane."""
    said = set()
    for _ in range(INPUTS):
        rnd = random.Random(int(rng.integers(2**32)))
        line = asyncio.run(told(Mad(rnd, damaged)))
        assert line.isprintable(), line
        said.add(line[:20])
    gc.collect()
    assert len(said) > 1  # taken for sane, no broker, of a host that may not be spoken to


def test_a_name_that_a_broker_tells_does_not_reach_the_terminal() -> None:
    with pytest.raises(BrokerError) as error:
        _refuse_in_the_clear("\x1b[2J\x07:9092")
    assert str(error.value).startswith("\\x1b[2J\\x07 would be spoken to")
