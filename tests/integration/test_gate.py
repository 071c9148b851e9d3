"""Trained models through a real broker: a bad one is refused, one that goes bad is shown out."""

from __future__ import annotations

import asyncio
from pathlib import Path

import orjson
import pytest
from aiokafka import TopicPartition
from click.testing import CliRunner, Result

from agents.broker.declared import ensure_topics
from agents.broker.kafka import consumer
from agents.cli import main
from agents.states.models_topic import staged
from pipeline.chain import Chain
from pipeline.flights.run import load_recording
from pipeline.mission.folder import load_mission
from pipeline.simulate import simulate
from schemas import topics
from tests.conftest import demo_without_phases
from tests.integration.kafka_cluster import kafka
from tests.integration.system import collect, committed_all, send, wait_until, worker

TANKS = ("LOX_*", "FUEL_*", "HE_P")
FAULTS = ("slow_leak", "tank_warming")


def ask(*words: str | Path) -> Result:
    return CliRunner().invoke(main, [str(w) for w in words])


def fly(folder: Path, seed: int, faults: tuple[str, ...], end: float) -> Path:
    made = simulate(seed, faults, start=-300.0, end=end)
    folder.mkdir()
    (folder / "packets.bin").write_bytes(made.packets)
    (folder / "truth.json").write_bytes(orjson.dumps(made.truth))
    return folder / "packets.bin"


async def _end(bootstrap: str) -> int:
    client = consumer(bootstrap)
    await client.start()
    part = TopicPartition(topics.RAW, 0)
    try:
        return int((await client.end_offsets([part]))[part])
    finally:
        await client.stop()


@pytest.mark.kafka
def test_the_gate_through_kafka(tmp_path: Path) -> None:
    mission = demo_without_phases(tmp_path / "m")
    toml = mission / "mission.toml"
    toml.write_text(toml.read_text() + "\n[gate]\nconfirm_s = 20\n")
    nominal = [fly(tmp_path / f"n{i}", 400 + i, (), -5.0) for i in range(4)]
    faulty = [fly(tmp_path / f"f{i}", 410 + i, FAULTS, -5.0) for i in range(4)]
    match = [w for name in TANKS for w in ("--match", name)]
    rest = ["--mission", mission, "--family", "level", *match]
    for name, flights in (("good", nominal[:3]), ("bad", faulty[:3])):
        done = ask("models", "train", name, *flights, *rest)
        assert done.exit_code == 0, done.output
    held = (faulty[3], nominal[3])
    png = tmp_path / "good.png"
    done = ask("models", "validate", "good", *held, "--mission", mission, "--png", png)
    assert done.exit_code == 1, done.output
    assert "passes the gate but for its exposure" in done.output
    assert png.read_bytes().startswith(b"\x89PNG")
    done = ask("models", "validate", "bad", *held, "--mission", mission)
    assert done.exit_code == 1
    assert "is refused" in done.output

    with kafka(tmp_path) as bootstrap:
        asyncio.run(ensure_topics(bootstrap, "", 1))
        where = ("--mission", mission, "--why", "tested", "--bootstrap", bootstrap)
        assert ask("models", "promote", "bad", "--to", "shadow", *where[:4]).exit_code == 0
        done = ask("models", "promote", "bad", "--to", "active", *where)
        assert done.exit_code == 1
        assert "must be found" in done.output
        assert asyncio.run(_end(bootstrap)) == 0, "the refused model reached the input"
        with worker(bootstrap, {"demo": str(mission)}, tmp_path) as one:
            for name in ("good", "bad"):
                done = ask("models", "promote", name, "--to", "shadow", *where)
                assert done.exit_code == 0, done.output
            done = ask("models", "promote", "good", "--to", "active", *where)
            assert done.exit_code == 1, done.output
            assert "would show it" in done.output
            admitted = ("--despite-exposure", "--who", "Ada")
            assert (
                ask(
                    "models", "promote", "good", "--to", "active", *where, "--despite-exposure"
                ).exit_code
                == 2
            )
            done = ask("models", "promote", "good", "--to", "active", *where, *admitted)
            assert done.exit_code == 0, done.output
            loaded = load_mission(mission)
            path = fly(tmp_path / "launch", 420, (), 90.0)  # it has never seen one
            send(load_recording(path, loaded, Chain(loaded)).flight, "demo", bootstrap)
            wait_until(lambda: committed_all(bootstrap), 120, one.text, one)
            wait_until(lambda: _stage(bootstrap) == "demoted", 30, one.text, one)
            one.stop()
        found = asyncio.run(collect(bootstrap))
        alerts = [orjson.loads(v) for v in found[topics.ALERTS].by_id.values()]
        mine = [a for a in alerts if a.get("model", {}).get("id") == "good"]
        said = [a["transition"] for a in mine]
        assert said[:2] == ["shadowed", "activated"]
        by = {"who": "Ada", "why": "tested"}
        assert [a["model"]["admitted"] for a in mine if a["transition"] == "activated"] == [by]
        out = next(a for a in mine if a["transition"] == "demoted")
        assert out["budget"]["false_alarms"] >= 3
        later = [a for a in mine[mine.index(out) :] if a["transition"] != "demoted"]
        assert not later, "it spoke after it was shown out"
        shadow = [orjson.loads(v) for v in found[topics.SHADOW].by_id.values()]
        assert shadow, "the bad one says nothing in the shadow either"
        assert all(a["model"]["stage"] == "shadow" for a in shadow)
        for id_ in (out["id"], shadow[-1]["id"]):
            done = ask("reproduce", id_, "--mission", mission, "--bootstrap", bootstrap)
            assert done.exit_code == 0, done.output
            assert "reproduced bit for bit" in done.output
        listed = ask("models", "list", "--mission", mission, "--bootstrap", bootstrap)
        assert "demoted" in listed.output


def _stage(bootstrap: str) -> str:
    state = asyncio.run(staged(bootstrap, "", "demo"))
    return "demoted" if state.get("good", {}).get("demoted") else ""
