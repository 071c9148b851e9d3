"""A broker whose disk is full, while input flows: it gives up, and nothing is lost or repeated."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.broker.apache import Cluster, Node, jars
from agents.host.errors import BrokerError
from agents.settings import Settings
from tests.integration.chaos.scenario import SESSION_MS
from tests.integration.chaos.stage import BRISK, flights
from tests.integration.chaos.workers import fork_worker
from tests.integration.chaos.world import Place, World

SIZE = "64m"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, in memory; needs the right to mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        pytest.skip(f"a full disk: {error}")
    if done.returncode:
        pytest.skip(f"a full disk needs the right to mount one: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


def _fill(folder: Path) -> Path:
    """Write until nothing more goes in."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return ballast


@pytest.mark.kafka
def test_a_full_disk(tmp_path: Path, small_disk: Path) -> None:
    try:
        jars()
    except BrokerError as error:
        pytest.skip(f"Apache Kafka: {error}")
    missions, records = flights()
    cluster = Cluster(tmp_path / "kafka")

    def more(node: Node) -> str:
        return BRISK + (f"log.dirs={small_disk}/data\n" if node.node == 3 else "")

    cluster.make(3, more=more)
    cluster.start()
    place = Place(cluster.bootstrap, "full")
    settings = Settings(
        bootstrap=place.bootstrap, namespace="full", partitions=len(missions), commit_ms=50,
        snapshot_s=0.5, session_timeout_ms=SESSION_MS,
    )  # fmt: skip
    world = World(place, missions, records, 25.0)
    worker = fork_worker(settings, missions, tmp_path, "w")
    try:
        world.do("stored")
        ballast, broker = _fill(small_disk), cluster.nodes[2]
        deadline = time.monotonic() + 60
        while broker.alive and time.monotonic() < deadline:
            time.sleep(0.1)
        gave_up = not broker.alive  # nobody told it to
        time.sleep(3)  # the other two carry it
        ballast.unlink()
        cluster.start_one(broker)
        cluster.wait(broker)
        time.sleep(2)
        verdict = world.finish()
        status = worker.end()
    finally:
        worker.end(5)
        world.kill()
        cluster.stop()
    assert gave_up, "the broker did not mind its full disk: nothing was tried"
    assert not verdict.violations, verdict.violations
    assert status == 0, worker.text()
