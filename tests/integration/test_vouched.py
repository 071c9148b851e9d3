"""Who vouches for what: signed control records, and alerts computed again from the input."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from click.testing import CliRunner

from agents.broker.declared import ensure_topics
from agents.broker.kafka import consumer
from agents.cli import main
from agents.ground.replay import Replayed, replay
from pipeline.flights.records import Flight, pack
from pipeline.mission.folder import Mission
from schemas import topics
from schemas.control import Control, encode_control
from schemas.records import CONTROL_HEADERS
from tests.conftest import PROJECT
from tests.integration.system import collect, committed_all, expected, send, wait_until, worker

DEMO = str(PROJECT / "missions" / "demo")
pytestmark = pytest.mark.broker


def heartline(*given: str) -> Any:
    return CliRunner().invoke(main, given)


@pytest.fixture
def settings(tmp_path: Path, broker: str) -> Path:
    """A worker's settings, which know Ada's key."""
    assert heartline("control", "key", str(tmp_path / "ada.key")).exit_code == 0
    path = tmp_path / "heartline.toml"
    path.write_text(
        f'bootstrap = "{broker}"\n[sources.demo]\nmission = "{DEMO}"\n'
        '[control]\nkeys = {ada = "ada.key.pub"}\n'
    )
    return path


async def _raw(bootstrap: str, value: bytes) -> None:
    client = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await client.start()
    try:
        await client.send_and_wait(topics.RAW, value, b"demo", headers=[*CONTROL_HEADERS])
    finally:
        await client.stop()


def test_what_nobody_signed_changes_nothing(
    broker: str, settings: Path, small_flight: Flight, tmp_path: Path
) -> None:
    told = ("--mission", DEMO, "--bootstrap", broker, "--why", "test")
    with worker(broker, {}, tmp_path, "--config", str(settings)) as one:
        send(small_flight, "demo", broker)
        wait_until(lambda: committed_all(broker), 60, one.text, one)
        forged = Control("inhibit", "/HL1/PC", "flight director", "silence", 1)
        asyncio.run(_raw(broker, encode_control(forged)))
        done = heartline("control", "inhibit", "LOX_T", *told, "--who", "ada")
        assert (done.exit_code, "refused, nobody vouches for it" in done.output) == (1, True)
        # its time is that of now, and the flight's is of March: nobody can sign for then
        key = ("--key", str(tmp_path / "ada.key"))
        assert heartline("control", "inhibit", "HE_P", *told, *key).exit_code == 1
        wait_until(lambda: committed_all(broker), 60, one.text, one)
        one.stop()
        assert (
            "control records of source demo were refused (unsigned_control)" in one.log.read_text()
        )
    got = asyncio.run(collect(broker))
    rejects = [orjson.loads(v)["reason"] for v in got[topics.REJECTS].by_id.values()]
    assert rejects == ["unsigned_control"] * 3
    alerts = [orjson.loads(v) for v in got[topics.ALERTS].by_id.values()]
    assert not [a for a in alerts if "control" in a]


def test_who_signs_is_heard(
    broker: str, settings: Path, small_flight: Flight, tmp_path: Path
) -> None:
    """Before any tick no time is known; then it holds, and a list says who did it."""
    told = ("--mission", DEMO, "--bootstrap", broker, "--why", "test", "--for", "2h")
    key = ("--key", str(tmp_path / "ada.key"))
    with worker(broker, {}, tmp_path, "--config", str(settings)) as one:
        done = heartline("control", "inhibit", "PC", *told, *key)
        assert done.exit_code == 0
        assert "PC: limit inhibited by ada" in done.output
        wait_until(lambda: "ada" in heartline("control", "list", "--bootstrap", broker).output,
                   60, one.text, one)  # fmt: skip
        assert 'heartline_inhibited_monitors{kind="limit",source="demo"} 1.0' in one.metrics()
        send(small_flight, "demo", broker)
        wait_until(lambda: committed_all(broker), 60, one.text, one)
        one.stop()
    done = heartline("audit", "verify", "--recompute", "--config", str(settings), "--json")
    assert done.exit_code == 0, done.output
    found = orjson.loads(done.stdout)
    assert found["recomputed"]["alerts"] == sum(b["alerts"] for b in found["books"]) >= 10
    assert len(found["books"][0]["head"]) == 64


async def _written(bootstrap: str, flight: Flight, alerts: dict[str, bytes]) -> None:
    """As a worker would have left it that said these alerts."""
    await ensure_topics(bootstrap, "", 1)
    await replay(pack(flight), "demo", bootstrap, "", None, 1, Replayed(), lambda _: None)
    client = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await client.start()
    for id_, value in alerts.items():
        await client.send_and_wait(topics.ALERTS, value, headers=[("id", id_.encode())])
    await client.stop()
    reader = consumer(bootstrap, group_id="heartline-lanes")
    await reader.start()
    part = TopicPartition(topics.RAW, 0)
    reader.assign([part])
    reader.seek(part, 0)
    end = 0
    while got := await reader.getmany(part, timeout_ms=1000):
        end = got[part][-1].offset + 1
    await reader.commit({part: end})
    await reader.stop()


def test_what_was_never_written_is_found(
    broker: str, demo_mission: Mission, small_flight: Flight
) -> None:
    """A ledger shows nothing of a worker that was made silent: the input does."""
    alerts = expected(small_flight, demo_mission, "demo")[topics.ALERTS]
    ids = [*alerts]
    left_out, changed = ids[-1], ids[3]
    kept = {i: v for i, v in alerts.items() if i != left_out}
    kept[changed] = kept[changed].replace(b'"observed":', b'"observed": ')
    kept["telemetry.raw-0-7-99"] = alerts[ids[0]]
    asyncio.run(_written(broker, small_flight, kept))
    given = ("audit", "verify", "--bootstrap", broker, "--source", f"demo={DEMO}", "--recompute")
    done = heartline(*given, "--json")
    assert done.exit_code == 1
    findings = orjson.loads(done.stdout)["findings"]
    assert any(f.startswith(f"{left_out}: was never written") for f in findings)
    assert f"{changed}: is kept otherwise than the input gives it." in findings
    assert "telemetry.raw-0-7-99: is kept, and the input does not give it." in findings
    wrong = heartline("audit", "verify", "--bootstrap", broker, "--recompute")
    assert (wrong.exit_code, "wants the worker's --config" in wrong.output) == (2, True)
