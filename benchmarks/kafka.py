"""`make bench-kafka`: throughput, alert latency and recovery on Apache Kafka (docs/reliability.md).

With transactions and without (the same lane with the other commit strategy), on one broker and on
three. Then the same job in other frameworks (docs/performance.md), where `make peers` has been run.
"""

from __future__ import annotations

import asyncio
import os
import signal
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import numpy as np
import orjson
from aiokafka import TopicPartition

from agents.broker.apache import Cluster
from agents.broker.declared import ensure_topics
from agents.broker.embedded import free_port
from agents.broker.kafka import consumer, producer
from agents.settings import SourceSettings
from benchmarks.chain import records, tables
from benchmarks.goals import LANE_PACKED, LANE_SINGLE, LATENCY_MS
from benchmarks.peers.table import peers
from benchmarks.worker import PACKETS, PARAMETERS, SECONDS, bare, fill, lane, one_a_record
from pipeline.formats.importing import mission_toml
from pipeline.formats.xtce import write_xtce
from schemas import topics
from schemas.records import PACKETS_HEADERS, TICK_HEADERS, encode_packets, encode_tick

LATENCY_S = 20.0
PACKETS_A_SECOND = 2000  # one a record: 50,000 samples/s
ALERT_EVERY = 200  # packets: ten alerts a second
SNAPSHOT_S = 10.0


@contextmanager
def cluster(brokers: int) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as name:
        one = Cluster(Path(name))
        one.make(brokers, more=lambda _: "group.min.session.timeout.ms=500\n")
        try:
            one.start()
            yield one.bootstrap
        finally:
            one.stop()


@contextmanager
def mission(parameters: int) -> Iterator[Path]:
    """A mission folder of the chain's benchmark, with one parameter's limit at 1000."""
    found = tables(parameters)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "x.xml").write_bytes(write_xtce("B", found))
        alarm = "\n[alarms.P0_0]\noverride = true\ncritical = [-1000, 1000]\n"
        (folder / "mission.toml").write_text(mission_toml("bench", "x.xml") + alarm)
        yield folder


def throughput(bootstrap: str, folder: Path) -> Iterator[str]:
    packed, source = records(tables(PARAMETERS), SECONDS), SourceSettings(mission=str(folder))
    for words, given, goal in (
        ("one packet a record", one_a_record(packed), f"× the loop: {LANE_SINGLE}"),
        ("40 a record", packed, f"M samples/s: {LANE_PACKED}"),
    ):
        for guarantee in ("exactly-once", "at-least-once"):
            taken, loops = [], []
            for k in range(3):
                space = f"t{len(given)}{guarantee}{k}"
                asyncio.run(fill(bootstrap, given, space))
                loops.append(asyncio.run(bare(bootstrap, space, len(given))))
                taken.append(asyncio.run(lane(bootstrap, space, len(given), source, guarantee)))
            middle = sorted(taken)[1]
            ratio = sorted(a / b for a, b in zip(loops, taken, strict=True))[1]
            yield (
                f"  {words:20s} {guarantee:14s} {25 * PACKETS / middle / 1e6:5.2f} M "
                f"samples/s, {ratio:.2f} × a bare getmany loop ({len(given) / sorted(loops)[1]:.0f}"
                f" records/s); {goal}"
            )


# --- latency -------------------------------------------------------------------------------------


async def latencies(bootstrap: str, space: str) -> np.ndarray:
    """Milliseconds from the append of a raw record until its limit alert can be read."""
    raw, alerts = topics.on_wire(topics.RAW, space), topics.on_wire(topics.ALERTS, space)
    reader = consumer(bootstrap, fetch_max_wait_ms=500)
    await reader.start()
    part = TopicPartition(alerts, 0)
    reader.assign([part])
    reader.seek(part, 0)
    client = producer(bootstrap, linger_ms=0)
    await client.start()
    appended: dict[int, float] = {}
    seen: dict[int, float] = {}

    async def read() -> None:
        while True:
            for record in (await reader.getmany(part, timeout_ms=1000)).get(part, []):
                alert = orjson.loads(record.value)
                if alert["monitor"]["kind"] == "limit":
                    seen[alert["input"]["last_offset"]] = time.time() * 1e3

    async def note(future: asyncio.Future) -> None:  # type: ignore[type-arg]
        done = await future
        appended[done.offset] = time.time() * 1e3  # its acknowledgement: the append is before it

    reading = asyncio.create_task(read())
    notes, began, n = [], time.monotonic(), 0
    while time.monotonic() - began < LATENCY_S:
        due = int((time.monotonic() - began) * PACKETS_A_SECOND)
        while n < due:
            beyond = 2000.0 if n // ALERT_EVERY % 2 and n % ALERT_EVERY == 0 else 0.0
            asked = n % ALERT_EVERY == 0
            apid = 1 if asked else 2 + n % 39
            value = encode_packets([time.time_ns()], _packet(apid, n, beyond))
            sent = await client.send(raw, value, b"bench", headers=list(PACKETS_HEADERS))
            if asked:
                notes.append(asyncio.create_task(note(sent)))
            n += 1
        if due % PACKETS_A_SECOND == 0:
            tick = encode_tick(time.time_ns())
            await client.send(raw, tick, b"bench", headers=list(TICK_HEADERS))
        await asyncio.sleep(0.002)
    await asyncio.gather(*notes)
    await asyncio.sleep(3)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    await client.stop()
    await reader.stop()
    both = sorted(appended.keys() & seen.keys())[5:]
    return np.array([seen[o] - appended[o] for o in both])


def _packet(apid: int, n: int, first: float) -> bytes:
    """A packet of one of the benchmark's containers, at the present time."""
    now = time.time_ns()
    body = struct.pack(">q25f", now, first, *([0.0] * 24))
    return struct.pack(">HHH", 0x0800 | apid, 0xC000 | (n & 0x3FFF), len(body) - 1) + body


# --- a worker as it is run -----------------------------------------------------------------------


@contextmanager
def worker(bootstrap: str, space: str, folder: Path, *more: str) -> Iterator[int]:
    """Run a worker: yields the port of its metrics, and ends it by SIGKILL."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "agents", "worker", "--bootstrap", bootstrap, "--namespace", space,
         "--source", f"bench={folder}", "--metrics-port", str(port), *more],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        yield port
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def metric(port: int, name: str) -> float | None:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=2) as answer:
            for line in answer.read().decode().splitlines():
                if line.split("{")[0].split(" ")[0] == name:
                    return float(line.rsplit(" ", 1)[1])
    except OSError:
        pass
    return None


def wait_for(port: int, name: str, least: float, seconds: float = 120) -> float:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = metric(port, name)
        if value is not None and value >= least:
            return value
        time.sleep(0.05)
    raise RuntimeError(f"{name} did not reach {least}")


def recovery(bootstrap: str, parameters: int, folder: Path) -> str:
    """Kill -9 seconds after a snapshot, at 1 Hz a parameter; then another worker takes over."""
    space, seconds = f"r{parameters}", 70
    given = records(tables(parameters), seconds)
    half = 2 * (seconds - 10)
    asyncio.run(fill(bootstrap, given[:half], space))
    options = ("--snapshot-s", "2")
    with worker(bootstrap, space, folder, *options) as port:
        wait_for(port, "heartline_packets_total", len(tables(parameters)) * (seconds - 10))
        time.sleep(4)  # a snapshot of all of it
        asyncio.run(fill(bootstrap, given[half:], space))
        wait_for(port, "heartline_packets_total", len(tables(parameters)) * seconds)
    with worker(bootstrap, space, folder, *options) as port:
        whole = wait_for(port, "heartline_recovery_seconds", 0.0)
        restore = metric(port, "heartline_restore_seconds") or 0.0
    return (
        f"  {parameters:6d} parameters: {whole:.2f} s = restore {restore:.2f} s + re-reading "
        f"{whole - restore:.2f} s of at most 10 s of flight"
    )


@click.command()
@click.option("--only", type=click.Choice(["throughput", "latency", "recovery", "peers"]))
@click.option("--scale", default=1.0, help="Of the peers' flight; less than 1 only to try.")
def main(only: str | None, scale: float) -> None:
    """Print the tables."""
    for brokers in () if only == "peers" else (1, 3):
        with cluster(brokers) as bootstrap, mission(PARAMETERS) as folder:
            click.echo(f"Apache Kafka, {brokers} broker{'s' if brokers > 1 else ''}")
            if only in (None, "latency"):
                click.echo(
                    f" append to limit alert readable (read_committed), {PACKETS_A_SECOND} "
                    f"packets/s, one a record; p99 in ms on one broker: {LATENCY_MS}"
                )
                for once in ("exactly-once", "at-least-once"):
                    space = f"l-{once}"
                    asyncio.run(ensure_topics(bootstrap, space, 1))
                    with worker(bootstrap, space, folder, "--guarantee", once) as port:
                        wait_for(port, "heartline_lanes", 1)
                        time.sleep(3)
                        ms = asyncio.run(latencies(bootstrap, space))
                    click.echo(
                        f"  {once:14s} p50 {np.median(ms):.0f} ms, p99 {np.percentile(ms, 99):.0f} "
                        f"ms, most {ms.max():.0f} ms of {len(ms)} alerts"
                    )
            if only in (None, "throughput"):
                click.echo(" worker's lane, alerts, statistics, every sample as Arrow, commits")
                for line in throughput(bootstrap, folder):
                    click.echo(line)
            if only in (None, "recovery"):
                click.echo(" recovery after SIGKILL, from the partition's assignment; goal 5 s")
                for parameters in (100, 1000, 10_000):
                    with mission(parameters) as its:
                        click.echo(recovery(bootstrap, parameters, its))
    if only in (None, "peers"):
        with cluster(1) as bootstrap:
            for line in peers(bootstrap, scale):
                click.echo(line)


if __name__ == "__main__":
    main()
