"""`heartline table` on a real PostgreSQL: every alert once, whatever dies; Grafana's queries."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
from pathlib import Path

import asyncpg
import orjson
import pytest

from agents.broker.declared import ensure_topics
from agents.broker.kafka import producer, start
from pipeline.chain import Chain
from pipeline.flights.records import Flight, pack
from pipeline.mission.folder import Mission
from schemas import topics
from schemas.desk import DeskRecord, Seen, encode_desk
from schemas.records import RawRecord
from tests.integration.postgres import BOARD, Postgres, Writer, ask, filled, postgres
from tests.integration.system import wait_until


def count(url: str, table: str) -> int:
    return int(ask(url, f"SELECT count(*) FROM {table}")[0]["count"])


def write(bootstrap: str, topic: str, values: list[bytes]) -> None:
    async def run() -> None:
        client = await start(producer(bootstrap), bootstrap)
        for value in values:
            await client.send(topic, value)
        await client.stop()  # once all is sent

    asyncio.run(run())


def alerts_of(flight: Flight, mission: Mission) -> list[bytes]:
    records = [RawRecord(i, r.value, r.headers) for i, r in enumerate(pack(flight))]
    outputs = (output for _, output in Chain(mission).feed(records).outputs)
    return [output.value for output in outputs if output.topic == topics.ALERTS]


@pytest.mark.broker
def test_every_alert_is_one_row_whatever_dies(
    broker: str, small_flight: Flight, demo_mission: Mission, tmp_path: Path
) -> None:
    alerts, begun = alerts_of(small_flight, demo_mission), time.time() - 60
    half = len(alerts) // 2
    assert half > 2
    asyncio.run(ensure_topics(broker, "", 1))
    with postgres(tmp_path) as database:
        writer = Writer(broker, tmp_path, database.url)
        with writer.running():
            write(broker, topics.ALERTS, alerts[:half])
            _until(database, "heartline_alerts", half, writer)
            writer.kill()
        deeds = [
            encode_desk(
                DeskRecord(what, "Ana \x00", "seen", time.time_ns(), {"a:b": Seen("", "watch")})
            )
            for what in ("acknowledge", "comment")
        ]
        wrong = orjson.loads(alerts[0])
        strange = [orjson.dumps(wrong | change) for change in (
            {"source": 5}, {"sentence": ["a"]}, {"generation_ns": 2**63}, {"observed": "x"},
            {"monitor": {"kind": None, "name": "x"}}, {"generation_ns": True},
        )]  # fmt: skip
        write(broker, topics.ALERTS, [*alerts[half:], alerts[0], b"{}", b"\xff", *strange])
        write(broker, topics.DESK, deeds)
        database.stop()
        writer.launch()
        wait_until(lambda: "the database" in writer.health(), 30, writer.text)
        assert "503" in writer.health()
        database.start()
        _until(database, "heartline_deeds", len(deeds), writer)
        _until(database, "heartline_alerts", len(alerts), writer)
        kept = {
            row["id"]: row["alert"].encode()
            for row in ask(database.url, "SELECT id, alert FROM heartline_alerts")
        }
        assert kept == {json.loads(value)["id"]: value for value in alerts}
        wait_until(lambda: "0 records are not written yet" in writer.health(), 10, writer.text)
        with urllib.request.urlopen(
            writer.ready.replace("healthz", "metrics"), timeout=5
        ) as answer:
            assert b"heartline_table_refused_records_total 8.0" in answer.read()
        _grafana_shows_something(database.url, begun)
        _only_one_writes(broker, tmp_path, database.url)
        assert writer.stop() == 0


def _until(database: Postgres, table: str, rows: int, writer: Writer) -> None:
    def there() -> bool:
        try:
            return count(database.url, table) == rows
        except asyncpg.PostgresError:
            return False  # not made yet

    wait_until(there, 60, lambda: f"{table}: not {rows}\n{writer.text()}")


def _grafana_shows_something(url: str, begun: float) -> None:
    board = json.loads(BOARD.read_text())
    panels = [p for p in board["panels"] if p["type"] != "row"]
    assert len(panels) == 3
    for panel in panels:
        [target] = panel["targets"]
        assert ask(url, filled(target["rawSql"], begun)), panel["title"]
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            assert ask(url, variable["query"]), variable["name"]


def _only_one_writes(broker: str, folder: Path, url: str) -> None:
    other = folder / "other"
    other.mkdir()
    second = Writer(broker, other, url)
    second.launch()
    try:
        wait_until(lambda: "another `heartline table` writes" in second.health(), 20, second.text)
    finally:
        second.kill()
