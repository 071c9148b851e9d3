"""Packets from UDP, TCP and files reach telemetry.raw; what is no packet is published as such."""

from __future__ import annotations

import asyncio
import gzip
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import orjson
import pytest
from aiokafka import TopicPartition

from agents.broker.declared import ensure_topics
from agents.broker.embedded import EmbeddedBroker, free_port
from agents.broker.kafka import consumer
from agents.ground.ingest import Counters, ingest
from agents.host.door import door
from agents.host.errors import BrokerError
from pipeline.mission.folder import Mission
from pipeline.packets import PacketReader
from pipeline.simulate import simulate
from schemas import topics
from schemas.records import RawRecord
from tests.integration.system import standing

pytestmark = pytest.mark.broker


async def everything(bootstrap: str, topic: str) -> list[RawRecord]:
    client = consumer(bootstrap)
    await client.start()
    part = TopicPartition(topic, 0)
    try:
        return [
            RawRecord(r.offset, r.value, r.headers, 0)
            async for _, records in standing(client, [part])
            for r in records
        ]
    finally:
        await client.stop()


def packets_in(records: list[RawRecord]) -> bytes:
    batch, refused = PacketReader().feed(records)
    assert not len(refused)
    spans = zip(batch.start, batch.length, strict=True)
    return b"".join(bytes(batch.data[s : s + n]) for s, n in spans)


@pytest.fixture(scope="module")
def stream() -> bytes:
    return simulate(5, (), -1.0, 1.0).packets


def test_file_with_garbage(
    broker: str, demo_mission: Mission, stream: bytes, tmp_path: Path, rng: np.random.Generator
) -> None:
    """Garbage in front, between and behind: packets whole, garbage published, bytes accounted."""
    garbage = [rng.bytes(int(n)) for n in rng.integers(5, 50, 3)]
    half = _boundary(stream, len(stream) // 2)
    path = tmp_path / "damaged.bin"
    path.write_bytes(garbage[0] + stream[:half] + garbage[1] + stream[half:] + garbage[2][:4])
    done = asyncio.run(ingest(demo_mission, "demo", [str(path)], broker, "", 1))
    assert done.bytes == path.stat().st_size
    raw = asyncio.run(everything(broker, topics.RAW))
    inside = packets_in(raw)
    rejects = [orjson.loads(r.value) for r in asyncio.run(everything(broker, topics.REJECTS))]
    refused = sum(r["bytes"] for r in rejects)
    assert len(inside) + refused == done.bytes
    assert len(inside) >= len(stream) - 200  # a header of garbage may cost a packet or two
    assert done.skipped == refused


def _boundary(stream: bytes, near: int) -> int:
    at = 0
    while at < near:
        at += int.from_bytes(stream[at + 4 : at + 6], "big") + 7
    return at


async def _during(
    run: Awaitable[Counters], send: Callable[[], Awaitable[None]], bootstrap: str, wanted: bytes
) -> list[RawRecord]:
    """Run an endless ingest while `send` sends, until the topic holds what was sent."""
    await ensure_topics(bootstrap, "", 1)  # a reader that comes first would have them made
    task = asyncio.ensure_future(run)
    try:
        async with asyncio.timeout(60):
            await send()
            while True:
                if task.done():
                    task.result()
                records = await everything(bootstrap, topics.RAW)
                if len(packets_in(records)) >= len(wanted):
                    return records
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def test_udp(broker: str, demo_mission: Mission, stream: bytes) -> None:
    """One or several packets a datagram; ticks come every second."""
    port = free_port()
    part = stream[: _boundary(stream, 20_000)]

    async def send() -> None:
        await asyncio.sleep(2.0)  # the socket opens after the topics are made
        out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        at = 0
        while at < len(part):
            end = _boundary(part, at + 500)
            out.sendto(part[at:end], ("127.0.0.1", port))
            at = end
            await asyncio.sleep(0.001)
        out.close()
        await asyncio.sleep(1.2)

    run = ingest(demo_mission, "demo", [f"udp://127.0.0.1:{port}"], broker, "", 1)
    records = asyncio.run(_during(run, send, broker, part))
    assert packets_in(records) == part
    assert any(dict(r.headers)["kind"] == b"tick" for r in records)


def test_tcp_reconnects(broker: str, demo_mission: Mission, stream: bytes) -> None:
    """The server cuts the connection inside a packet and comes back: the rest arrives."""
    half = _boundary(stream, len(stream) // 2)
    cut = half + 9  # inside a packet, which is lost with the connection
    rest = _boundary(stream, cut + 1)
    pieces = [stream[:cut], stream[rest:]]
    wanted = stream[:half] + stream[rest:]

    async def scenario() -> list[RawRecord]:
        writers: list[asyncio.StreamWriter] = []

        async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writers.append(writer)
            if pieces:
                writer.write(pieces.pop(0))
                await writer.drain()
                if not pieces:
                    return  # the second connection stays open
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]

        async def nothing() -> None:
            return None

        run = ingest(demo_mission, "demo", [f"tcp://127.0.0.1:{port}"], broker, "", 1)
        try:
            return await _during(run, nothing, broker, wanted)
        finally:
            server.close()
            for writer in writers:
                writer.close()
            await asyncio.gather(*(w.wait_closed() for w in writers), return_exceptions=True)

    assert packets_in(asyncio.run(scenario())) == wanted


def test_files_with_ground_headers(
    broker: str, demo_mission: Mission, stream: bytes, tmp_path: Path, rng: np.random.Generator
) -> None:
    """Two files, one of them gzip, whose last packets are cut: headers, packets and rest are all."""
    first = _boundary(stream, len(stream) // 2)
    names = [tmp_path / "a.bin", tmp_path / "b.bin"]
    halves = [
        behind_headers(part, rng) + rng.bytes(GROUND) + part[:9]
        for part in (stream[:first], stream[first:])
    ]
    names[0].write_bytes(halves[0])
    names[1].write_bytes(gzip.compress(halves[1]))
    run = ingest(demo_mission, "demo", [str(n) for n in names], broker, "", 1, GROUND)
    done = asyncio.run(run)
    raw = asyncio.run(everything(broker, topics.RAW))
    assert packets_in(raw) == stream
    rejects = [orjson.loads(r.value) for r in asyncio.run(everything(broker, topics.REJECTS))]
    assert [r["reason"] for r in rejects] == ["truncated", "truncated"]
    assert [r["offset"] for r in rejects] == [len(halves[0]) - GROUND - 9, done.bytes - GROUND - 9]
    assert done.bytes == sum(map(len, halves))
    assert done.bytes == len(stream) + done.ground_headers + done.skipped


GROUND = 12


def behind_headers(stream: bytes, rng: np.random.Generator) -> bytes:
    out, at = [], 0
    while at < len(stream):
        end = _boundary(stream, at + 1)
        out.append(rng.bytes(GROUND) + stream[at:end])
        at = end
    return b"".join(out)


def test_tcp_listen(broker: str, demo_mission: Mission, stream: bytes) -> None:
    """Two clients at once, their bytes between one another's; a third leaves inside a packet."""
    port = free_port()
    half = _boundary(stream, len(stream) // 2)
    third = _boundary(stream, 5000)
    sent = (stream[:half], stream[half:])

    async def connect() -> asyncio.StreamWriter:
        while True:
            try:
                return (await asyncio.open_connection("127.0.0.1", port))[1]
            except ConnectionRefusedError:
                await asyncio.sleep(0.05)

    async def send() -> None:
        clients = [await connect() for _ in sent]
        for at in range(0, max(map(len, sent)), 1000):
            for client, part in zip(clients, sent, strict=True):
                client.write(part[at : at + 1000])
                await client.drain()
        late = await connect()
        late.write(stream[: third + 10])
        for client in (*clients, late):
            client.close()
            await client.wait_closed()

    run = ingest(demo_mission, "demo", [f"tcp-listen://127.0.0.1:{port}"], broker, "", 1)
    records = asyncio.run(_during(run, send, broker, stream + stream[:third]))
    found = packets_in(records)
    assert len(found) == len(stream) + third
    assert sorted(_split(found)) == sorted(_split(stream) + _split(stream[:third]))
    rejects = [orjson.loads(r.value) for r in asyncio.run(everything(broker, topics.REJECTS))]
    assert [(r["reason"], r["offset"], r["bytes"]) for r in rejects] == [("truncated", third, 10)]
    assert rejects[0]["id"] == f"ingest-demo-3-{third}"


def _split(stream: bytes) -> list[bytes]:
    out, at = [], 0
    while at < len(stream):
        end = _boundary(stream, at + 1)
        out.append(stream[at:end])
        at = end
    return out


@pytest.mark.parametrize("url", ["tcp-listen://192.0.2.1:9", "tcp-listen://h:99999", "udp://x"])
def test_an_address_that_is_none(broker: str, demo_mission: Mission, url: str) -> None:
    with pytest.raises(BrokerError, match=url.split(":")[0]):
        asyncio.run(ingest(demo_mission, "demo", [url], broker, "", 1))


def test_several_inputs_are_files_alone(broker: str, demo_mission: Mission) -> None:
    with pytest.raises(BrokerError, match="only files can be given"):
        asyncio.run(ingest(demo_mission, "demo", ["udp://:1", "x"], broker, "", 1))


def test_it_waits_for_its_broker(
    demo_mission: Mission, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, port = tmp_path / "x", free_port()
    path.write_bytes(b"x")

    async def started_first() -> Counters:
        bootstrap = f"127.0.0.1:{port}"
        reading = asyncio.create_task(ingest(demo_mission, "demo", [str(path)], bootstrap, "", 1))
        while not caplog.records:
            await asyncio.sleep(0.05)
        with EmbeddedBroker(port):
            return await reading

    assert asyncio.run(started_first()).skipped == 1
    assert "waiting for one" in caplog.text


def test_allow_is_of_those_who_come_to_us(broker: str, demo_mission: Mission) -> None:
    only = door(["10.0.0.0/8"], 1.0)
    for inputs in (["tcp://127.0.0.1:1"], ["file"]):
        with pytest.raises(BrokerError, match="--allow"):
            asyncio.run(ingest(demo_mission, "demo", inputs, broker, "", 1, door=only))


def test_unknown_input(broker: str, demo_mission: Mission) -> None:
    with pytest.raises(BrokerError, match="only udp"):
        asyncio.run(ingest(demo_mission, "demo", ["serial://1"], broker, "", 1))
