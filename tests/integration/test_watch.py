"""`heartline watch` as a process in a pipe: what stands, what comes, and brokers that go."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from agents.broker.declared import ensure_topics
from agents.broker.embedded import EmbeddedBroker, broker_binary, free_port
from agents.broker.kafka import administrator, producer, start
from agents.host.errors import BrokerError
from agents.watch.reader import FOLLOWED
from schemas import topics
from tests.integration.kafka_cluster import kafka
from tests.integration.screen import watching
from tests.watching import S, alert, pane, state

pytestmark = pytest.mark.broker
Record = tuple[str, bytes, bytes | None]


def write(bootstrap: str, *records: Record, namespace: str = "") -> None:
    async def send() -> None:
        await ensure_topics(bootstrap, namespace, 1)
        client = await start(producer(bootstrap), bootstrap)
        try:
            for topic, key, value in records:
                await client.send(topics.on_wire(topic, namespace), value, key)
            await client.flush()
        finally:
            await client.stop()

    asyncio.run(send())


def states(n: int) -> list[Record]:
    now = time.time_ns()
    stamps = {"generation_ns": now - 6 * S, "reception_ns": now - 5 * S, "since_ns": now - 60 * S}
    return [
        (topics.ALARMS, *state(f"/S/A/P{i}", "severe" if i == 7 else "warning", **stamps))
        for i in range(n)
    ]


def test_what_stands_is_told_first_and_alerts_as_they_come(broker: str, tmp_path: Path) -> None:
    cleared = state("/S/A/P3")[0]
    note = {"who": "ann", "why": "seen", "when_ns": time.time_ns()}
    write(
        broker, *states(40), (topics.ALARMS, *state("/S/A/P4", "normal")), (topics.ALARMS, cleared, None),
        (topics.ALARMS, b"garbage", b"\x1b[2J"), (topics.ALARMS, *state("/S/A/P5", acknowledged=note)),
        (topics.ALERTS, b"", alert("/S/A/OLD", "normal", 9)),
    )  # fmt: skip
    with watching(broker, tmp_path) as one:
        assert one.says("alarms stand: 1 severe, 37 warning")
        one.says("# following")
        lines = one.lines()
        first = next(i for i, x in enumerate(lines) if "38 alarms stand" in x)
        rows = lines[first + 1 : first + 39]
        assert rows[0].startswith("severe     hl1  P7  limit  3.5 V  ")
        assert {x.split()[2] for x in rows} == {f"P{i}" for i in range(40) if i not in (3, 4)}
        assert "ack by ann" in rows[-1], "what nobody has acknowledged comes first"
        assert "1 record not understood" in one.says("not understood")
        assert not any("OLD" in x for x in lines), "it is of before"
        write(broker, (topics.ALERTS, b"", alert("/S/A/NEW", "critical", 900)))
        assert "critical" in one.says("/S/A/NEW tells of critical")
        assert "\x1b" not in one.out.read_text()


def test_from_start_tells_all_alerts_and_it_ends_by_itself(broker: str, tmp_path: Path) -> None:
    old = [(topics.ALERTS, b"", alert(f"/S/A/P{i}", "watch", i)) for i in range(700)]
    write(broker, *states(2), *old, (topics.STATISTICS, b"", pane(["/S/A/P"])), namespace="replay")
    options = ("--from-start", "--namespace", "replay", "--seconds", "8")
    with watching(broker, tmp_path, *options) as one:
        one.says("P699 tells")
        assert one.process.wait(20) == 0
        told = [x for x in one.lines() if "tells of watch" in x and "raised" in x]
        assert [x.split("/S/A/")[1].split()[0] for x in told] == [f"P{i}" for i in range(700)]
        assert "2 alarms stand" in one.lines()[0]


def test_it_waits_for_broker_and_topics_and_finds_them_again(tmp_path: Path) -> None:
    try:
        broker_binary()
    except BrokerError as error:
        pytest.skip(f"embedded broker: {error}")
    port = free_port()
    with watching(f"127.0.0.1:{port}", tmp_path) as one:
        one.says("# waiting for a broker at 127.0.0.1")
        with EmbeddedBroker(port) as running:
            one.says("# waiting for topics at 127.0.0.1")
            write(running.bootstrap, *states(3))
            one.says("3 alarms stand")
        one.says("# no broker for")
        with EmbeddedBroker(port) as running:  # in memory: it knows nothing of before
            write(
                running.bootstrap, *states(1), (topics.ALERTS, b"", alert("/S/A/P0", "severe", 400))
            )
            one.says("P0 tells of severe")
            told = one.says("2 alarms of before; 1 alarm since")
            assert "Not known what stands: the broker lost its topics at" in told
            lost = [x for x in one.lines() if "not known since" in x]
            assert {x.split()[2] for x in lost} == {"P1", "P2"}
            one.says("2 alarms of before are shown until told anew")
            again = [(topics.ALARMS, *state(f"/S/A/P{i}", "normal")) for i in (1, 2)]
            write(running.bootstrap, *again)
            one.says("nothing older is known")


@pytest.mark.kafka
def test_topics_that_were_made_anew_are_others(tmp_path: Path) -> None:
    """Kafka's ids tell it, however long the new ones are."""

    async def delete(bootstrap: str) -> None:
        async with administrator(bootstrap) as admin:
            await admin.delete_topics([*FOLLOWED])

    with kafka(tmp_path) as bootstrap:
        write(bootstrap, *states(2))
        with watching(bootstrap, tmp_path) as one:
            one.says("2 alarms stand: 2 warning")
            asyncio.run(delete(bootstrap))
            write(bootstrap, *states(1) * 3, (topics.ALERTS, b"", alert("/S/A/P0", "severe", 400)))
            one.says("P0 tells of severe")
            assert "Not known what stands" in one.says("1 alarm of before; 1 alarm since")
