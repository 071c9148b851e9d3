"""An alert derived again from the topics alone; a flipped bit of input, weights or alert is seen."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest
from aiokafka import TopicPartition
from click.testing import CliRunner, Result

from agents.broker.declared import ensure_topics
from agents.broker.kafka import consumer, producer
from agents.cli import main
from pipeline.flights.records import Flight
from schemas import topics
from tests.conftest import PROJECT
from tests.integration.system import collect, committed_all, send, wait_until, worker

DEMO = PROJECT / "missions" / "demo"
pytestmark = pytest.mark.broker


def asked(broker: str, id_: str, mission: Path = DEMO, namespace: str = "") -> Result:
    words = ["reproduce", id_, "--mission", str(mission), "--bootstrap", broker]
    return CliRunner().invoke(main, [*words, "--namespace", namespace])


def audited(broker: str, namespace: str = "") -> Result:
    words = ["audit", "verify", "--bootstrap", broker, "--namespace", namespace]
    return CliRunner().invoke(main, words)


async def _copy(bootstrap: str, topic: str, namespace: str, flip: int | None) -> None:
    """A topic's records into a namespace; of the record at offset `flip`, one bit the other way."""
    client, sender = consumer(bootstrap), producer(bootstrap)
    await client.start()
    await sender.start()
    part = TopicPartition(topic, 0)
    client.assign([part])
    client.seek(part, 0)
    while got := (await client.getmany(part, timeout_ms=1000)).get(part, []):
        for record in got:
            value = bytearray(record.value or b"")
            if record.offset == flip:
                value[-1] ^= 1
            await sender.send(
                topics.on_wire(topic, namespace), bytes(value), record.key,
                headers=list(record.headers), timestamp_ms=record.timestamp,
            )  # fmt: skip
    await sender.stop()
    await client.stop()


async def _copies(bootstrap: str, namespace: str, **flip: int) -> None:
    await ensure_topics(bootstrap, namespace, 1)
    await _copy(bootstrap, topics.RAW, namespace, flip.get("raw"))
    await _copy(bootstrap, topics.ALERTS, namespace, flip.get("alert"))


def test_an_alert_is_proven_from_the_topics(
    broker: str, small_flight: Flight, tmp_path: Path
) -> None:
    with worker(broker, {"demo": str(DEMO)}, tmp_path) as one:
        send(small_flight, "demo", broker)
        wait_until(lambda: committed_all(broker), 60, one.text, one)
        one.stop()
    alerts = asyncio.run(collect(broker))[topics.ALERTS].by_id
    first, last = next(iter(alerts)), list(alerts)[-1]
    for id_ in (first, last):
        done = asked(broker, id_)
        assert done.exit_code == 0, done.output
        assert f"reproduced bit for bit: {len(alerts[id_])} bytes" in done.output

    other = tmp_path / "other"  # weights: the settings of a model
    shutil.copytree(DEMO, other)
    toml = other / "mission.toml"
    toml.write_text(toml.read_text() + "\n[[residual]]\nthreshold = 10.000001\n")
    done = asked(broker, first, other)
    assert done.exit_code == 1
    assert "fingerprint.settings" in done.output

    offset = int(last.rsplit("-", 2)[1])  # input: the packet that caused it
    asyncio.run(_copies(broker, "flipped", raw=offset))
    done = asked(broker, last, namespace="flipped")
    assert done.exit_code == 1, done.output
    assert "NOT reproduced" in done.output
    assert "input.sha256" in done.output

    asyncio.run(_copies(broker, "forged", alert=0))  # the stored alert itself
    done = asked(broker, first, namespace="forged")
    assert done.exit_code == 1
    assert f"byte {len(alerts[first]) - 1} differs" in done.output

    done = audited(broker)
    assert done.exit_code == 0, done.output
    assert "every alert follows from the one before it" in done.output
    done = audited(broker, "forged")
    assert done.exit_code == 1
    assert "no alert with a ledger's entry" in done.output


def test_what_is_not_there_is_said(broker: str) -> None:
    asyncio.run(ensure_topics(broker, "", 1))
    for id_, why in (("nonsense", "is no id"), ("telemetry.raw-0-5-0", "No alert")):
        done = asked(broker, id_)
        assert done.exit_code == 1
        assert why in done.output
