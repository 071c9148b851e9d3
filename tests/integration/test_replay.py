"""`heartline replay`: rounds go on in time, and the report tells how far behind the broker was."""

from __future__ import annotations

import asyncio
import gzip
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from aiokafka import TopicPartition
from click.testing import CliRunner

from agents.broker.declared import ensure_topics
from agents.broker.kafka import consumer, start
from agents.cli import main
from pipeline.packets import PacketReader
from pipeline.simulate import simulate
from schemas.records import classify
from tests.conftest import PROJECT
from tests.integration.test_ingest import GROUND, behind_headers, everything, packets_in

pytestmark = pytest.mark.broker
DEMO = str(PROJECT / "missions" / "demo")
TOPIC = "replay.telemetry.raw"


@pytest.fixture(scope="module")
def stream() -> bytes:
    return simulate(5, (), -1.0, 1.0).packets


def test_two_rounds_of_a_packed_flight(
    broker: str, stream: bytes, tmp_path: Path, rng: np.random.Generator
) -> None:
    path = tmp_path / "flight.bin"
    path.write_bytes(gzip.compress(behind_headers(stream, rng)))
    done = CliRunner().invoke(
        main, ["replay", str(path), "--mission", DEMO, "--bootstrap", broker, "--loops", "2", "--skip-header-bytes", str(GROUND),
               "--speed", "4"],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "acknowledged late by" in done.stderr
    assert "(p99)" in done.stderr
    records = asyncio.run(everything(broker, TOPIC))
    assert packets_in(records) == stream + stream
    batch, _ = PacketReader().feed(records)
    assert (np.diff(batch.reception_ns) >= 0).all()
    assert np.diff(batch.reception_ns).max() <= 1_000_000_000
    assert len({classify(r.headers)[1] for r in records}) == 2


def test_a_loop_goes_on_until_interrupted(broker: str, stream: bytes, tmp_path: Path) -> None:
    path = tmp_path / "flight.bin"
    path.write_bytes(stream)
    asyncio.run(ensure_topics(broker, "replay", 1))
    command = [
        sys.executable, "-m", "agents", "replay", str(path), "--mission", DEMO, "--bootstrap",
        broker, "--loop", "--speed", "20",
    ]  # fmt: skip
    with subprocess.Popen(command, cwd=PROJECT, stderr=subprocess.PIPE, text=True) as process:
        try:
            asyncio.run(_end(broker, 100))  # a round has some twenty
            process.send_signal(signal.SIGINT)
            _, told = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 0, told
    assert "stopped before its end" in told
    assert "acknowledged late by" in told


async def _end(bootstrap: str, records: int) -> None:
    """Wait until the topic holds so many."""
    client = await start(consumer(bootstrap), bootstrap)
    part = TopicPartition(TOPIC, 0)
    try:
        async with asyncio.timeout(60):
            while (await client.end_offsets([part]))[part] < records:
                await asyncio.sleep(0.1)
    finally:
        await client.stop()


def test_ingest_of_files(
    broker: str, stream: bytes, tmp_path: Path, rng: np.random.Generator
) -> None:
    """The command, with all that it takes of files."""
    (tmp_path / "a").write_bytes(behind_headers(stream, rng))
    (tmp_path / "b").write_bytes(gzip.compress(behind_headers(stream, rng)))
    done = CliRunner().invoke(
        main, ["ingest", str(tmp_path / "a"), str(tmp_path / "b"), "--mission", DEMO,
               "--bootstrap", broker, "--namespace", "replay", "--skip-header-bytes", str(GROUND)],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "bytes of ground headers" in " ".join(done.stderr.split())
    assert packets_in(asyncio.run(everything(broker, TOPIC))) == stream + stream


def test_loop_and_loops_are_one_too_many() -> None:
    arguments = ["replay", "x", "--mission", DEMO, "--loop", "--loops", "2"]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 2
    assert "give one of them" in done.output
