"""What live telemetry costs: CPU of worker and broker a million samples, by how many sources.

Each source has 1,000 parameters at 1 Hz, 25 a packet, in one record a second and a tick, as an
antenna in a pass has. One worker, Apache Kafka, exactly once, all outputs. Time is real, so this
measures cost, not speed: where CPU reaches one core, the worker needs company.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from agents.broker.apache import Cluster
from agents.broker.declared import ensure_topics
from agents.broker.embedded import free_port
from agents.broker.kafka import producer, start
from benchmarks.chain import records, tables
from benchmarks.kafka import mission, wait_for
from schemas import topics

PARAMETERS, WARM_S, SECONDS = 1000, 20, 60
SOURCES = (1, 10, 100)
SNAPSHOT_S = (10, 60)  # the default, and what a constellation may prefer
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Used:
    """CPU seconds of worker and broker; bytes on the broker's disk; the worker's in memory."""

    worker: float
    broker: float
    disk: int
    memory: int


def cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def used(worker: int, broker: int, folder: Path) -> Used:
    disk = sum(p.stat().st_blocks * 512 for p in folder.rglob("*.log") if p.is_file())
    pages = int(Path(f"/proc/{worker}/statm").read_text().split()[1])
    return Used(cpu(worker), cpu(broker), disk, pages * os.sysconf("SC_PAGE_SIZE"))


async def live(bootstrap: str, sources: int, seconds: int) -> None:
    """One record a second and source, spread over the second, at the time of the flight."""
    given = records(tables(PARAMETERS), seconds)
    client = await start(producer(bootstrap), bootstrap)
    begun = time.monotonic()
    for second in range(seconds):
        for source in range(sources):
            due = begun + second + source / sources
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            for record in given[2 * second : 2 * second + 2]:
                await client.send(
                    topics.RAW, record.value, f"s{source}".encode(), headers=[*record.headers]
                )
    await client.stop()


@contextmanager
def running(bootstrap: str, folder: Path, sources: int, snapshot_s: int) -> Iterator[int]:
    """A worker's process."""
    port = free_port()
    named = [x for s in range(sources) for x in ("--source", f"s{s}={folder}")]
    process = subprocess.Popen(
        [sys.executable, "-m", "agents", "worker", "--bootstrap", bootstrap, "--metrics-port",
         str(port), "--snapshot-s", str(snapshot_s), *named], stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait_for(port, "heartline_healthy", 1, 300)
        yield process.pid
    finally:
        process.terminate()
        process.wait(30)


async def measured(bootstrap: str, sources: int, worker: int, broker: int, disk: Path) -> Used:
    """What SECONDS of it used."""
    flying = asyncio.create_task(live(bootstrap, sources, WARM_S + SECONDS))
    await asyncio.sleep(WARM_S)
    before = used(worker, broker, disk)
    await flying
    after = used(worker, broker, disk)
    return Used(
        after.worker - before.worker, after.broker - before.broker, after.disk - before.disk,
        after.memory,
    )  # fmt: skip


def run() -> list[str]:
    head = (
        "sources",
        "snapshot, s",
        "samples/s",
        "worker",
        "broker",
        "s a million",
        "worker MB",
        "kB/s on disk",
    )
    lines = [
        f"live, {PARAMETERS} parameters at 1 Hz a source, CPU ms a second, and s a million samples",
        "  " + "".join(f"{name:>13s}" for name in head),
    ]
    for sources, snapshot_s in product(SOURCES, SNAPSHOT_S):
        with mission(PARAMETERS) as folder:
            one = Cluster(folder / "kafka")
            one.make(1)
            one.start()
            try:
                asyncio.run(ensure_topics(one.bootstrap, "", 1))
                [node] = one.nodes
                with running(one.bootstrap, folder, sources, snapshot_s) as worker:
                    told = asyncio.run(
                        measured(one.bootstrap, sources, worker, node.pid, folder / "kafka")
                    )
            finally:
                one.stop()
        rate = sources * PARAMETERS
        cost = (told.worker + told.broker) / (rate * SECONDS / 1e6)
        row = (
            f"{sources}", f"{snapshot_s}", f"{rate}", f"{1e3 * told.worker / SECONDS:.0f}",
            f"{1e3 * told.broker / SECONDS:.0f}", f"{cost:.2f}", f"{told.memory / 1e6:.0f}",
            f"{told.disk / SECONDS / 1e3:.0f}",
        )  # fmt: skip
        lines.append("  " + "".join(f"{cell:>13s}" for cell in row))
    return lines


if __name__ == "__main__":
    print("\n".join(run()))
