"""A broker that is away while packets come: `python -m tests.integration.outage --seconds 300`.

1,000 packets a second come by UDP and as many by TCP, each by an ingest of its own. Apache Kafka is
killed, and comes back after so many seconds; meanwhile both ingests are killed and started again.
Then telemetry.raw is read as the chain reads it: what each ingest said it had kept before it was
killed must be there, in order and once, as must all that came after it was back. Between them one
hole each: what the kernel held for a process that was dead.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

from aiokafka import TopicPartition

from agents.broker.apache import Cluster
from agents.broker.embedded import free_port
from agents.broker.kafka import consumer, patiently, start
from pipeline.packets import PacketReader
from schemas import topics
from schemas.records import RawRecord
from tests.integration.kafka_cluster import cluster
from tests.integration.system import standing, wait_until
from tests.laws.clocks import write_mission

RATE = 1000  # packets a second, each way
AROUND_S = 5.0  # of traffic before and after


def packet(number: int) -> bytes:
    """APID 1, its number in the place of its value."""
    head = struct.pack(">HHH", 0x0801, 0xC000 | number % 16384, 11)
    return head + struct.pack(">qI", time.time_ns() // 1000, number)


class Traffic:
    """Numbered packets at RATE until told to stop, by UDP or to whoever connects by TCP."""

    def __init__(self, port: int, tcp: bool) -> None:
        self.sent, self._stop = 0, threading.Event()
        self._server = socket.create_server(("127.0.0.1", port)) if tcp else None
        self._to = ("127.0.0.1", port)
        self._thread = threading.Thread(target=self._by_tcp if tcp else self._by_udp)
        self._thread.start()

    def end(self) -> None:
        self._stop.set()
        self._thread.join()
        if self._server:
            self._server.close()

    def _pace(self, send: Callable[[bytes], object]) -> None:
        begun, before = time.monotonic(), self.sent
        while not self._stop.is_set():
            due = before + round((time.monotonic() - begun) * RATE)
            while self.sent < due:
                self.sent += 1
                send(packet(self.sent - 1))
            self._stop.wait(0.005)

    def _by_udp(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            self._pace(lambda content: out.sendto(content, self._to))

    def _by_tcp(self) -> None:
        assert self._server
        self._server.settimeout(0.1)
        while not self._stop.is_set():
            try:
                client, _ = self._server.accept()
            except TimeoutError:
                continue
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with client, suppress(OSError):  # it was killed
                self._pace(client.sendall)


class Ingest:
    """One `heartline ingest` as a process, with its spool and its metrics."""

    def __init__(self, name: str, url: str, bootstrap: str, folder: Path) -> None:
        self.source, self._port = name, free_port()
        self.log = folder / f"{name}.log"
        self._command = [
            sys.executable, "-m", "agents", "ingest", url, "--mission", str(folder / "mission"),
            "--source", name, "--bootstrap", bootstrap, "--spool", str(folder / f"{name}.spool"),
            "--metrics-port", str(self._port),
        ]  # fmt: skip
        self.start()

    def start(self) -> None:
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                self._command, stdout=out, stderr=out, start_new_session=True
            )
        wait_until(lambda: self.gauge("spool_records") >= 0, 60, self.text)

    def text(self) -> str:
        return self.log.read_text(errors="replace")[-2000:]

    def gauge(self, name: str) -> float:
        """Value of a metric; -1: nobody answers."""
        try:
            url = f"http://127.0.0.1:{self._port}/metrics"
            told = urllib.request.urlopen(url, timeout=2).read().decode()
        except OSError:
            return -1.0
        found = re.findall(rf"^heartline_ingest_{name}\{{.*\}} (\S+)$", told, re.M)
        return sum(map(float, found)) if found else -1.0

    def healthy(self) -> tuple[bool, str]:
        try:
            url = f"http://127.0.0.1:{self._port}/healthz"
            return True, urllib.request.urlopen(url, timeout=2).read().decode()
        except urllib.error.HTTPError as error:
            return False, error.read().decode()

    def kill(self) -> int:
        """SIGKILL; the packets that it had said to have kept."""
        kept = round(self.gauge("packets_total"))
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        return kept

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


def outage(seconds: float, folder: Path, tell: Callable[[str], None]) -> None:
    """AssertionError where something is lost, twice or out of order."""
    (folder / "mission").mkdir()
    write_mission(folder / "mission")
    with cluster(folder) as broker:
        ports = free_port(), free_port()
        traffic = [Traffic(port, tcp) for port, tcp in zip(ports, (False, True), strict=True)]
        urls = [f"udp://127.0.0.1:{ports[0]}", f"tcp://127.0.0.1:{ports[1]}"]
        ways = [
            Ingest(name, url, broker.bootstrap, folder)
            for name, url in zip(("udp", "tcp"), urls, strict=True)
        ]
        try:
            kept, back = _run(seconds, broker, ways, traffic, tell)
        finally:
            for one in traffic:
                one.end()
            for way in ways:
                with suppress(ProcessLookupError):
                    os.killpg(way.process.pid, signal.SIGKILL)
        for way, one, had, again in zip(ways, traffic, kept, back, strict=True):
            numbers, repeats = asyncio.run(received(broker.bootstrap, way.source))
            check(numbers, had, again, one.sent)
            hole = one.sent - len(numbers)
            tell(
                f"{way.source}: {one.sent} sent, {len(numbers)} in telemetry.raw in order and once, "
                f"{hole} while it was dead; {repeats} records that came twice are dropped"
            )


def _run(
    seconds: float, broker: Cluster, ways: list[Ingest], traffic: list[Traffic],
    tell: Callable[[str], None],
) -> tuple[list[int], list[int]]:  # fmt: skip
    """Packets that each way had kept when it was killed, and those sent when it was back."""
    time.sleep(AROUND_S)
    for way in ways:
        assert way.healthy()[0], way.healthy()[1]
    tell(f"the broker is killed, for {seconds:g} s")
    for node in broker.nodes:
        broker.signal(node, signal.SIGKILL)
    wait_until(lambda: not any(n.alive for n in broker.nodes), 30, lambda: "it is still there")
    time.sleep(seconds / 2)
    for way in ways:
        well, words = way.healthy()
        assert not well, words
        tell(f"{way.source}, broker away: {words}")
    kept = [way.kill() for way in ways]
    tell(f"killed, with {kept} packets kept")
    for way in ways:
        way.start()
    wait_until(lambda: all(w.gauge("packets_total") > 0 for w in ways), 60, ways[0].text)
    back = [one.sent for one in traffic]
    time.sleep(seconds / 2)
    broker.start()
    tell("the broker is back")
    time.sleep(AROUND_S)
    for one in traffic:
        one.end()
    for way in ways:
        wait_until(lambda w=way: 0 <= w.gauge("spool_records") < 3, 120, way.text)  # type: ignore[misc]
        assert way.stop() == 0, way.text()
    return kept, back


async def received(bootstrap: str, source: str) -> tuple[list[int], int]:
    """Numbers of one source's packets as its chain sees them, and records that it drops."""
    client = await patiently(lambda: start(consumer(bootstrap), bootstrap), bootstrap)
    part, reader, numbers = TopicPartition(topics.RAW, 0), PacketReader(), list[int]()
    try:
        async for _, got in standing(client, [part]):
            mine = [
                RawRecord(r.offset, r.value, tuple(r.headers))
                for r in got
                if r.key == source.encode()
            ]
            batch, refused = reader.feed(mine)
            assert not len(refused)
            for at, length in zip(batch.start, batch.length, strict=True):
                if length:
                    numbers.append(int.from_bytes(batch.data[at + 14 : at + 18].tobytes()))
    finally:
        await client.stop()
    return numbers, reader.counters["records_repeated"]


def check(numbers: list[int], kept: int, back: int, sent: int) -> None:
    """In order, once, with one hole, that lies where it was dead."""
    jumps = [(a, b) for a, b in pairwise(numbers) if b != a + 1]
    assert len(jumps) <= 1, f"{len(jumps)} places where order or numbers are not kept: {jumps[:5]}"
    assert numbers[-1] == sent - 1, f"the last is {numbers[-1]} of {sent}"
    first = numbers[0]
    for before, after in jumps:
        assert before - first + 1 >= kept, (
            f"it had said to keep {kept}, {before - first + 1} are there"
        )
        assert before < after <= back, f"{after} is the first after it was back at {back}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=300.0)
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory() as folder:
        outage(seconds, Path(folder), lambda line: sys.stdout.write(f"{line}\n") and None)
    sys.stdout.write("nothing was lost\n")


if __name__ == "__main__":
    main()
