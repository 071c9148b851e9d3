"""`heartline run` and the broker give the same bytes, also when the worker is killed."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from agents.broker.declared import ensure_topics
from benchmarks.real_flights import FLIGHTS
from pipeline.chain import Chain
from pipeline.flights.records import Flight
from pipeline.flights.run import load_recording
from pipeline.mission.folder import Mission, load_mission
from schemas import topics
from tests.conftest import PROJECT
from tests.integration.system import (
    Collected,
    collect,
    committed_all,
    expected,
    same,
    send,
    wait_until,
    worker,
)

EMITTED = (topics.ALERTS, topics.STATISTICS, topics.SAMPLES)


@pytest.mark.broker
@pytest.mark.data
@pytest.mark.parametrize("name", FLIGHTS)
def test_real_flight(name: str, data: Path, broker: str, tmp_path: Path) -> None:
    flight = FLIGHTS[name](data, tmp_path)
    mission = load_mission(flight.mission, flight.mdb)
    recording = load_recording(flight.packets, mission, Chain(mission))
    want = expected(recording.flight, mission, name)
    assert all(want[t] for t in EMITTED), "a comparison of nothing"
    where = f"{flight.mission},{flight.mdb}"
    with worker(broker, {name: where}, tmp_path) as one:
        send(recording.flight, name, broker)
        wait_until(lambda: committed_all(broker), 60, one.text, one)
        one.stop()
    same(asyncio.run(collect(broker)), want)


def killed(
    flight: Flight, name: str, where: str, broker: str, folder: Path,
    rng: np.random.Generator,
) -> dict[str, Collected]:  # fmt: skip
    """Outputs of a flight sent over 25 s, while the worker is killed at five random moments."""
    asyncio.run(ensure_topics(broker, "", 1))
    span = (flight.reception_ns[-1] - flight.reception_ns[0]) / 1e9
    flying = threading.Thread(target=send, args=(flight, name, broker, span / 25.0))
    flying.start()
    for pause in rng.uniform(4.0, 9.0, 5):  # a worker is at work about 6 s after its start
        with worker(broker, {name: where}, folder, "--snapshot-s", "1", ready=False) as one:
            time.sleep(float(pause))  # the moment is the test's subject
            one.kill()
    with worker(broker, {name: where}, folder, "--snapshot-s", "1") as one:
        flying.join()
        wait_until(lambda: committed_all(broker), 60, one.text, one)
        one.stop()
    return asyncio.run(collect(broker))


@pytest.mark.broker
def test_killed_five_times(
    broker: str,
    demo_mission: Mission,
    small_flight: Flight,
    tmp_path: Path,
    rng: np.random.Generator,
) -> None:
    """A faulty flight: repeats, but none that differs, and no gap."""
    want = expected(small_flight, demo_mission, "demo")
    assert all(want[t] for t in EMITTED)
    where = str(PROJECT / "missions" / "demo")
    same(killed(small_flight, "demo", where, broker, tmp_path, rng), want)


@pytest.mark.broker
@pytest.mark.data
def test_a_real_flight_killed_five_times(
    data: Path, broker: str, tmp_path: Path, rng: np.random.Generator
) -> None:
    """One of them, by the seed: the chaos on Apache Kafka has the rest."""
    name = str(rng.choice(list(FLIGHTS)))
    flight = FLIGHTS[name](data, tmp_path)
    mission = load_mission(flight.mission, flight.mdb)
    recorded = load_recording(flight.packets, mission, Chain(mission)).flight
    want = expected(recorded, mission, name)
    where = f"{flight.mission},{flight.mdb}"
    same(killed(recorded, name, where, broker, tmp_path, rng), want)


@pytest.mark.broker
def test_restart_goes_on_from_a_snapshot(
    broker: str, demo_mission: Mission, small_flight: Flight, tmp_path: Path
) -> None:
    """A clean restart repeats nothing, and restores rather than re-reads."""
    want = expected(small_flight, demo_mission, "demo")
    sources = {"demo": str(PROJECT / "missions" / "demo")}
    with worker(broker, sources, tmp_path, "--snapshot-s", "0.5") as one:
        send(small_flight, "demo", broker, 40.0)
        wait_until(lambda: committed_all(broker), 60, one.text, one)
        one.stop()
    with worker(broker, sources, tmp_path, "--snapshot-s", "0.5", "--loglevel", "info") as one:
        one.stop()
    got = asyncio.run(collect(broker))
    same(got, want)
    assert sum(c.repeats for c in got.values()) == 0
