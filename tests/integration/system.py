"""A broker and workers as processes, and what stands on the output topics."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from agents.broker.embedded import free_port
from agents.broker.kafka import consumer, left, partitions_of
from agents.ground.replay import Replayed, replay
from pipeline.chain import Chain
from pipeline.flights.records import Flight, pack
from pipeline.flights.run import run_flight
from pipeline.mission.folder import Mission
from schemas import topics

READY_S = 90.0


@dataclass
class Worker:
    """One worker process of `heartline worker`."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def health(self) -> tuple[bool, str]:
        """Whether it says that it is, and what it says; nothing where nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=2) as r:
                return True, r.read().decode()
        except urllib.error.HTTPError as error:
            return False, error.read().decode()
        except (urllib.error.URLError, OSError):
            return False, ""

    def wait_ready(self) -> None:
        wait_until(
            lambda: self.health()[0], READY_S, lambda: f"{self.health()[1]}\n{self.text()}", self
        )

    def text(self) -> str:
        return self.log.read_text(errors="replace")[-3000:]

    def metrics(self) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5) as r:
            return str(r.read().decode())

    def total(self, name: str) -> float:
        lines = self.metrics().splitlines()
        return sum(float(x.rsplit(" ", 1)[1]) for x in lines if x.split("{")[0] == name)

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """Told to stop, it does so by itself, with everything committed."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
        status = self.process.wait(30)
        assert status == 0, f"the worker's status is {status}:\n{self.text()}"


def wait_until(
    condition: Callable[[], bool],
    seconds: float,
    why: Callable[[], str],
    worker: Worker | None = None,
) -> None:
    """Poll a condition of another process; AssertionError with `why` past the deadline."""
    deadline = time.monotonic() + seconds
    while not condition():
        if worker and worker.process.poll() is not None:
            raise AssertionError(f"worker ended ({worker.process.returncode}):\n{worker.text()}")
        assert time.monotonic() < deadline, why()
        time.sleep(0.05)


@contextmanager
def worker(
    bootstrap: str, sources: dict[str, str], folder: Path, *more: str, ready: bool = True
) -> Iterator[Worker]:
    """sources: name to MISSION_FOLDER[,XTCE]."""
    port = free_port()
    log = folder / f"worker-{port}.log"
    options = [x for name, where in sources.items() for x in ("--source", f"{name}={where}")]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "agents", "worker", "--bootstrap", bootstrap, *options,
             "--metrics-port", str(port), *more],
            stdout=out, stderr=out, start_new_session=True,
        )  # fmt: skip
    one = Worker(process, port, log)
    try:
        if ready:
            one.wait_ready()
        yield one
    finally:
        if process.poll() is None:
            one.kill()


@dataclass
class Collected:
    """Records of an output topic by id, in order of first appearance."""

    by_id: dict[str, bytes] = field(default_factory=dict)
    repeats: int = 0


async def standing(
    client: AIOKafkaConsumer, parts: Sequence[TopicPartition]
) -> AsyncIterator[tuple[TopicPartition, list[ConsumerRecord]]]:
    """Records from the first to what is the last when it is asked for: a broker may be slow."""
    client.assign(parts)
    for part in parts:
        client.seek(part, 0)
    ends = await client.end_offsets(parts)
    while await left(client, ends):
        for part, records in (await client.getmany(timeout_ms=500)).items():
            yield part, records


async def collect(bootstrap: str, namespace: str = "") -> dict[str, Collected]:
    """All outputs that stand on the topics; a repeat that differs from its twin fails."""
    client = consumer(bootstrap)
    await client.start()
    found = {t: Collected() for t in topics.OUTPUTS}
    try:
        wire = {topics.on_wire(t, namespace): t for t in topics.OUTPUTS}
        known = await partitions_of(bootstrap, *wire)
        parts = [TopicPartition(n, p) for n, numbers in known.items() for p in numbers]
        async for part, records in standing(client, parts):
            mine = found[wire[part.topic]]
            for r in records:
                id_ = dict(r.headers)["id"].decode()
                if id_ in mine.by_id:
                    mine.repeats += 1
                    assert mine.by_id[id_] == r.value, f"two records with the id {id_} differ"
                mine.by_id[id_] = r.value
    finally:
        await client.stop()
    return found


def expected(flight: Flight, mission: Mission, source: str) -> dict[str, dict[str, bytes]]:
    """What `heartline run` gives: by topic, values by id."""
    out: dict[str, dict[str, bytes]] = {t: {} for t in topics.OUTPUTS}
    for fed in run_flight(flight, Chain(mission, source)):
        for _, o in fed.outputs:
            out[o.topic][o.id] = o.value
    return out


def send(flight: Flight, source: str, bootstrap: str, speed: float | None = None) -> int:
    """Replay a flight; returns its packets."""
    done = Replayed()
    asyncio.run(replay(pack(flight), source, bootstrap, "", speed, 1, done, lambda _: None))
    return done.packets


def committed_all(bootstrap: str, group: str = "heartline") -> bool:
    """The lane has committed the end of telemetry.raw."""
    return asyncio.run(_behind(bootstrap, group)) == 0


async def _behind(bootstrap: str, group: str) -> int:
    from aiokafka import TopicPartition

    client = consumer(bootstrap, group_id=f"{group}-lanes")
    await client.start()
    part = TopicPartition(topics.RAW, 0)
    try:
        high = await _end(client, part)
        committed = await client.committed(part)
        return high - (committed or 0)
    finally:
        await client.stop()


async def end_of(bootstrap: str, topic: str) -> int:
    """End of a topic's first partition."""
    from aiokafka import TopicPartition

    client = consumer(bootstrap)
    await client.start()
    try:
        return await _end(client, TopicPartition(topic, 0))
    finally:
        await client.stop()


async def _end(client: Any, part: Any) -> int:
    """As a fetch tells it: the embedded broker answers the request for ends with another."""
    client.assign([part])
    client.seek(part, 0)
    await client.getmany(timeout_ms=500, max_records=1)
    return client.highwater(part) or 0


def same(got: dict[str, Collected], want: dict[str, dict[str, bytes]]) -> None:
    """Every topic byte for byte; a difference is told by its first id."""
    for topic in topics.OUTPUTS:
        mine, wanted = got[topic].by_id, want[topic]
        missing = wanted.keys() - mine.keys()
        extra = mine.keys() - wanted.keys()
        assert not missing, f"{topic}: {len(missing)} missing, first {min(missing)}"
        assert not extra, f"{topic}: {len(extra)} too many, first {min(extra)}"
        for id_, value in wanted.items():
            assert mine[id_] == value, f"{topic}: {id_} differs"
