"""A worker among broken things: another worker, no broker, poison, an unknown source."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import orjson
import pytest
from aiokafka import AIOKafkaProducer

from agents.broker.declared import ensure_topics
from pipeline.flights.records import Flight
from pipeline.mission.folder import Mission
from schemas import topics
from schemas.records import PACKETS_HEADERS
from tests.conftest import PROJECT
from tests.integration.system import (
    Worker,
    collect,
    committed_all,
    end_of,
    expected,
    same,
    send,
    wait_until,
    worker,
)

DEMO = {"demo": str(PROJECT / "missions" / "demo")}
pytestmark = pytest.mark.broker


def _says(one: Worker, good: bool, words: str) -> bool:
    healthy, said = one.health()
    return healthy == good and words in said


def _idle(workers: Sequence[Worker]) -> list[bool | None]:
    """Whether each is well without a partition; None where it is not well."""
    told = [one.health() for one in workers]
    return ["stands by" in said if well else None for well, said in told]


def test_second_worker_takes_over(
    broker: str, demo_mission: Mission, small_flight: Flight, tmp_path: Path
) -> None:
    """Two workers, one partition: one has it; when it is killed the other goes on."""
    want = expected(small_flight, demo_mission, "demo")
    quick = ("--snapshot-s", "0.5")
    with (
        worker(broker, DEMO, tmp_path, *quick) as first,
        worker(broker, DEMO, tmp_path, *quick, ready=False) as second,
    ):
        kernels = (False, "not ready: waits for its kernels")
        wait_until(lambda: _says(second, *kernels), 60, second.text, second)
        # the group gives the only one to either; who stands by is well, or a supervisor would end it
        both = (first, second)
        wait_until(lambda: sorted(map(str, _idle(both))) == ["False", "True"], 60, second.text,
                   second)  # fmt: skip
        other, owner = both if _idle(both)[0] else both[::-1]
        send(small_flight, "demo", broker, 30.0)
        owner.kill()
        wait_until(lambda: committed_all(broker), 60, other.text, other)
        other.stop()
    same(asyncio.run(collect(broker)), want)


async def _poison(bootstrap: str) -> int:
    await ensure_topics(bootstrap, "", 1)
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()
    bad: list[tuple[bytes | None, bytes, list[tuple[str, bytes]]]] = [
        (b"demo", b"\xff" * 50, list(PACKETS_HEADERS)),
        (b"demo", b"", []),
        (b"demo", b"garbage", []),
        (b"demo", b"{}", [("kind", b"control"), ("version", b"1")]),
        (b"demo", b"x", [("kind", b"packets"), ("version", b"9")]),
        (b"nobody", b"whose is this", []),
        (None, b"no key", []),
        (b"\xff\xfe", b"a key that is no text", []),
    ]
    try:
        for key, value, headers in bad:
            await producer.send_and_wait(topics.RAW, value, key, headers=headers)
    finally:
        await producer.stop()
    return len(bad)


def test_poison_is_rejected_and_the_lane_goes_on(
    broker: str, small_flight: Flight, tmp_path: Path
) -> None:
    n = asyncio.run(_poison(broker))
    with worker(broker, DEMO, tmp_path) as one:
        send(small_flight, "demo", broker)
        wait_until(lambda: committed_all(broker), 60, one.text, one)
        assert one.total("heartline_packets_total") == len(small_flight.start)
        assert one.total("heartline_rejects_total") >= n
        one.stop()
    got = asyncio.run(collect(broker))
    rejects = [orjson.loads(v) for v in got[topics.REJECTS].by_id.values()]
    assert {r["offset"] for r in rejects} == set(range(n))
    reasons = {"malformed_record", "unknown_kind", "unknown_source", "bad_control"}
    assert {r["reason"] for r in rejects} == reasons
    assert got[topics.ALERTS].by_id


def test_alarm_states_are_kept_for_readers(
    broker: str, small_flight: Flight, tmp_path: Path
) -> None:
    """The Faust agent turns alerts into the current alarm a parameter and monitor."""
    from aiokafka import TopicPartition

    from agents.broker.kafka import consumer

    with worker(broker, DEMO, tmp_path) as one:
        send(small_flight, "demo", broker)
        wait_until(lambda: committed_all(broker), 60, one.text, one)
        wanted = int(one.total("heartline_alerts_total"))

        async def read() -> list[bytes]:
            client = consumer(broker)
            await client.start()
            part = TopicPartition(topics.ALARMS, 0)
            client.assign([part])
            client.seek(part, 0)
            found: list[bytes] = []
            try:
                async with asyncio.timeout(40):
                    while len(found) < wanted:
                        got = await client.getmany(part, timeout_ms=250)
                        found += [r.value for r in got.get(part, [])]
            finally:
                await client.stop()
            return found

        states = [orjson.loads(v) for v in asyncio.run(read())]
        one.stop()
    assert states
    assert all({"source", "parameter", "monitor", "level", "alert"} <= s.keys() for s in states)


async def _alerts(bootstrap: str, n: int) -> None:
    """n alerts with what the desk reads of one, as another worker would write them, and before
    them what is none."""
    made = {
        "id": "-", "source": "other", "parameter": "P", "generation_ns": 1, "sentence": "-",
        "monitor": {"kind": "limits", "key": ""}, "transition": "raised",
        "level_before": "normal", "level_after": "watch",
    }  # fmt: skip
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()
    try:
        for value in (b"no alert", b"[]", b"{}", *[orjson.dumps(made)] * n):
            await producer.send(topics.ALERTS, value)
        await producer.flush()
    finally:
        await producer.stop()


def test_stops_while_alerts_are_read(broker: str, tmp_path: Path) -> None:
    """With two agents on telemetry.alerts Faust waited for an alert that one of them had taken."""
    with worker(broker, DEMO, tmp_path) as one:
        asyncio.run(_alerts(broker, 50_000))
        wait_until(lambda: asyncio.run(end_of(broker, topics.ALARMS)) > 100, 60, one.text, one)
        one.stop()
        assert asyncio.run(end_of(broker, topics.ALARMS)) < 50_000, "it had read them all"


def test_a_control_goes_through_the_broker(
    broker: str, small_flight: Flight, tmp_path: Path
) -> None:
    """What an operator says becomes a record of the input, and an alert tells that it holds."""
    from click.testing import CliRunner

    from agents.cli import main

    with worker(broker, DEMO, tmp_path) as one:
        send(small_flight, "demo", broker)
        told = ("--mission", DEMO["demo"], "--bootstrap", broker, "--why", "test", "--who", "Ada")
        done = CliRunner().invoke(main, ["control", "inhibit", "PC", *told])
        assert done.exit_code == 0, done.output
        limits = ("--range", "warning=,90", "--range", "severe=5,")
        assert (
            CliRunner().invoke(main, ["control", "limits", "TP_SPEED", *limits, *told]).exit_code
            == 0
        )
        wait_until(lambda: committed_all(broker), 60, one.text, one)
        one.stop()
    alerts = [orjson.loads(v) for v in asyncio.run(collect(broker))[topics.ALERTS].by_id.values()]
    controlled = {a["transition"]: a for a in alerts if "control" in a}
    assert controlled["inhibited"]["sentence"] == "PC: limit inhibited by Ada: test."
    ranges = controlled["limits_set"]["control"]["ranges"]
    assert ranges == {"warning": [None, 90.0], "severe": [5.0, None]}
    wrong = CliRunner().invoke(main, ["control", "enable", "NONE", *told])
    assert (wrong.exit_code, "has no parameter 'NONE'" in wrong.output) == (1, True)
    for odd in ("warning", "warning=1", "warning=1,x", "warning=3,1", "mild=1,2", "warning=nan,1"):
        bad = CliRunner().invoke(main, ["control", "limits", "PC", "--range", odd, *told])
        assert bad.exit_code == 2, odd
