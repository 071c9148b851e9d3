"""What a worker says of itself while something is wrong: never that all is well."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaProducer, TopicPartition

from agents.broker.embedded import EmbeddedBroker, free_port
from agents.broker.kafka import administrator, consumer
from pipeline.flights.records import Flight
from schemas import topics
from schemas.records import PACKETS_HEADERS, encode_packets
from tests.conftest import PROJECT
from tests.integration.kafka_cluster import cluster, kafka
from tests.integration.screen import watching
from tests.integration.system import (
    Worker,
    collect,
    committed_all,
    send,
    wait_until,
    worker,
)

DEMO = {"demo": str(PROJECT / "missions" / "demo")}
QUICK = ("--snapshot-s", "0.5")


def gauges(one: Worker, name: str) -> dict[str, float]:
    """Values of a metric by its labels, as they stand in the text."""
    found = re.findall(rf"^{name}(\{{.*\}})? (\S+)$", one.metrics(), re.M)
    assert len(found) == len({labels for labels, _ in found}), "a series stands in a scrape twice"
    return {labels: float(value) for labels, value in found}


def standing(one: Worker) -> dict[str, float]:
    return {k: v for k, v in gauges(one, "heartline_active_alarms").items() if v}


async def states(bootstrap: str) -> dict[bytes, dict[str, Any]]:
    """The newest state of each alarm on telemetry.alarms."""
    client = consumer(bootstrap)
    await client.start()
    part = TopicPartition(topics.ALARMS, 0)
    client.assign([part])
    client.seek(part, 0)
    newest: dict[bytes, dict[str, Any]] = {}
    try:
        while got := await client.getmany(part, timeout_ms=1500):
            for record in got[part]:
                newest[record.key] = orjson.loads(record.value)
    finally:
        await client.stop()
    return newest


def alarms(bootstrap: str) -> dict[bytes, dict[str, Any]]:
    return {k: s for k, s in asyncio.run(states(bootstrap)).items() if s["level"] != "normal"}


@pytest.mark.kafka
def test_a_restart_under_standing_alarms(small_flight: Flight, tmp_path: Path) -> None:
    """The gauges are those of before, the counters count nothing anew; alarms that a state made
    anew by other settings does not have are cleared on the topic."""
    mission = tmp_path / "mission"
    mission.mkdir()
    for file in (PROJECT / "missions" / "demo").iterdir():
        (mission / file.name).write_bytes(file.read_bytes())
    sources = {"demo": str(mission)}
    with kafka(tmp_path) as bootstrap:
        with worker(bootstrap, sources, tmp_path, *QUICK) as one:
            send(small_flight, "demo", bootstrap)
            wait_until(lambda: committed_all(bootstrap), 60, one.text, one)
            before, packets = standing(one), one.total("heartline_packets_total")
            limits = gauges(one, "heartline_parameter_limit")
            wait_until(lambda: len(alarms(bootstrap)) == sum(before.values()), 30, one.text, one)
            one.kill()
        assert sum(before.values()) > 3
        assert packets == len(small_flight.start)
        with worker(bootstrap, sources, tmp_path, *QUICK) as one:
            wait_until(lambda: standing(one) == before, 30, one.text, one)
            assert one.total("heartline_packets_total") == 0, "re-read silently"
            assert one.total("heartline_alerts_total") == 0
            assert gauges(one, "heartline_parameter_limit") == limits
            one.stop()
        text = (mission / "mission.toml").read_text()
        quiet = "\n[[residual]]\nenabled = false\n[[time_to_limit]]\nenabled = false\n"
        (mission / "mission.toml").write_text(text + quiet)
        with worker(bootstrap, sources, tmp_path, *QUICK, "--other-state", "reread") as one:
            wait_until(
                lambda: len(alarms(bootstrap)) == sum(standing(one).values()),
                30,
                lambda: f"{standing(one)} {sorted(alarms(bootstrap))} {one.text()}",
            )
            left = alarms(bootstrap)
            assert 0 < len(left) < sum(before.values())
            assert {s["monitor"]["kind"] for s in left.values()} == {"limit"}
            gone = [s for s in asyncio.run(states(bootstrap)).values() if s["transition"] == "gone"]
            assert len(gone) == sum(before.values()) - len(left)
            one.stop()


@pytest.mark.kafka
def test_the_topic_is_deleted(small_flight: Flight, tmp_path: Path) -> None:
    """503 within seconds; its state is no state of the topic that is made anew."""
    with kafka(tmp_path) as bootstrap:
        with (
            worker(bootstrap, DEMO, tmp_path, *QUICK) as one,
            watching(bootstrap, tmp_path) as screen,
        ):
            send(small_flight, "demo", bootstrap)
            wait_until(lambda: committed_all(bootstrap), 60, one.text, one)
            assert one.health()[0]
            screen.says("# following")
            asyncio.run(_delete(bootstrap))
            begun = time.monotonic()
            wait_until(lambda: "deleted under this worker" in one.health()[1], 20, one.text)
            assert time.monotonic() - begun < 10
            assert not one.health()[0]
            send(small_flight, "demo", bootstrap)  # it makes the topic anew
            wait_until(lambda: "made anew" in one.health()[1], 20, one.text)
            assert not one.health()[0]
            assert gauges(one, "heartline_healthy") == {"": 0.0}
            screen.says("nothing new for")
            one.kill()
        options = ("--start-at", "beginning", "--group", "other", "--loglevel", "info")
        with worker(bootstrap, DEMO, tmp_path, *options) as one:
            wait_until(lambda: committed_all(bootstrap, "other"), 60, one.text, one)
            assert "from a snapshot" not in one.log.read_text()
            one.stop()


async def _delete(bootstrap: str) -> None:
    async with administrator(bootstrap) as admin:
        await admin.delete_topics([topics.RAW])


@pytest.mark.kafka
def test_a_frozen_broker(tmp_path: Path) -> None:
    """Nothing answers for twenty seconds: 503, and a line in ten seconds at most."""
    with (
        cluster(tmp_path) as one_broker,
        worker(one_broker.bootstrap, DEMO, tmp_path) as one,
        watching(one_broker.bootstrap, tmp_path) as screen,
    ):
        (node,) = one_broker.nodes
        assert gauges(one, "heartline_healthy") == {"": 1.0}
        screen.says("# following")
        one_broker.signal(node, signal.SIGSTOP)
        frozen = time.monotonic()
        try:
            wait_until(lambda: not one.health()[0], 40, one.text, one)
            assert "no broker has answered" in one.health()[1]
            assert gauges(one, "heartline_healthy") == {"": 0.0}
            screen.says("# no broker for")
            lines = len(one.log.read_text().splitlines())
            assert lines <= 3 + (time.monotonic() - frozen) / 10, one.text()
            assert "\x1b" not in one.log.read_text()
        finally:
            one_broker.signal(node, signal.SIGCONT)
        wait_until(lambda: one.health()[0], 60, one.text, one)


@pytest.fixture
def waiting(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """A port on which a broker will be, and a folder in which nothing may be written."""
    folder = tmp_path / "here"
    folder.mkdir()
    folder.chmod(0o555)
    yield free_port(), folder
    assert not [*folder.iterdir()], "something was made in the working directory"
    folder.chmod(0o755)


@pytest.mark.broker
def test_a_worker_that_is_started_first_waits(
    waiting: tuple[int, Path], small_flight: Flight, tmp_path: Path
) -> None:
    port, folder = waiting
    bootstrap, metrics, log = f"127.0.0.1:{port}", free_port(), tmp_path / "worker.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "agents", "worker", "--bootstrap", bootstrap,
             "--source", f"demo={DEMO['demo']}", "--metrics-port", str(metrics),
             "--log-format", "json"],
            stdout=out, stderr=out, start_new_session=True, cwd=folder,
        )  # fmt: skip
    one = Worker(process, metrics, log)
    try:
        waits = f"not ready: waits for a broker at {bootstrap}"
        wait_until(lambda: waits in one.health()[1], 60, one.text, one)
        with EmbeddedBroker(port):
            one.wait_ready()
            send(small_flight, "demo", bootstrap)
            wait_until(lambda: committed_all(bootstrap), 60, one.text, one)
            one.stop()
    finally:
        if process.poll() is None:
            one.kill()
    lines = [orjson.loads(x) for x in log.read_text().splitlines() if x.startswith("{")]
    assert [x for x in lines if "waiting for one" in x["message"]]
    assert {"time", "level", "logger", "message"} == set(lines[0])


async def _strange(bootstrap: str, known: Flight) -> None:
    """Records of a source that nobody knows, with a key that is a line of a log."""
    client = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await client.start()
    packet = bytes(known.data[known.start[0] : known.start[0] + known.length[0]])
    value = encode_packets([int(known.reception_ns[0])], packet)
    try:
        for key in (b"evil\n2026-11-28T00:00:00Z INFO heartline: all is well", b"k" * 900_000):
            for _ in range(300):
                await client.send(topics.RAW, value, key[:900], headers=[*PACKETS_HEADERS])
            await client.send_and_wait(topics.RAW, value, key, headers=[*PACKETS_HEADERS])
    finally:
        await client.stop()


@pytest.mark.broker
def test_a_source_that_nobody_knows_stops_nobody(
    broker: str, small_flight: Flight, tmp_path: Path
) -> None:
    """Its records are refused, committed past and told by one alert; others go on."""
    with worker(broker, DEMO, tmp_path) as one:
        asyncio.run(_strange(broker, small_flight))
        send(small_flight, "demo", broker)
        wait_until(lambda: committed_all(broker), 60, one.text, one)
        assert len(one.metrics()) < 200_000
        assert one.total("heartline_packets_total") == len(small_flight.start)
        one.stop()
        lines = one.log.read_text().splitlines()
        assert not [x for x in lines if x.startswith("2026-11-28T00:00:00Z")], "a forged line"
    kept = asyncio.run(collect(broker))[topics.ALERTS].by_id.values()
    found = [a for a in map(orjson.loads, kept) if a["monitor"]["kind"] == "unknown_source"]
    assert [a["transition"] for a in found] == ["raised"] * len(found)
    assert {a["source"][:4] for a in found} == {"evil", "kkkk"}
    assert all("\n" not in a["source"] and len(a["source"]) <= 200 for a in found)
