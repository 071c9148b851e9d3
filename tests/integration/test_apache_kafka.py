"""The same worker on Apache Kafka."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from pipeline.flights.records import Flight
from pipeline.mission.folder import Mission
from tests.conftest import PROJECT
from tests.integration.kafka_cluster import kafka
from tests.integration.system import (
    collect,
    committed_all,
    expected,
    same,
    send,
    wait_until,
    worker,
)


@pytest.mark.kafka
def test_same_bytes_on_apache_kafka(
    demo_mission: Mission, small_flight: Flight, tmp_path: Path
) -> None:
    """Also across a SIGKILL: snapshots are found, and nothing is repeated."""
    want = expected(small_flight, demo_mission, "demo")
    sources = {"demo": str(PROJECT / "missions" / "demo")}
    with kafka(tmp_path) as bootstrap:
        with worker(bootstrap, sources, tmp_path, "--snapshot-s", "0.5") as one:
            send(small_flight, "demo", bootstrap, 40.0)
            one.kill()
        with worker(bootstrap, sources, tmp_path, "--snapshot-s", "0.5") as one:
            wait_until(lambda: committed_all(bootstrap), 60, one.text, one)
            one.stop()
        got = asyncio.run(collect(bootstrap))
        same(got, want)
        assert sum(c.repeats for c in got.values()) == 0
