"""Skies of `tests/laws/clocks.py` through a broker and a worker: the alerts of `run`, once each."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import orjson
import pytest

from pipeline.mission.folder import load_mission
from schemas import topics
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
from tests.laws.clocks import sky, write_mission


@pytest.mark.kafka
def test_clocks_that_are_set_while_a_worker_is_killed(
    rng: np.random.Generator, tmp_path: Path
) -> None:
    made = sky(rng)
    mission = tmp_path / "mission"
    mission.mkdir()
    write_mission(mission)
    flight = made.flight()
    with kafka(tmp_path) as bootstrap:
        with worker(bootstrap, {"sky": str(mission)}, tmp_path, "--snapshot-s", "0.5") as one:
            send(flight, "sky", bootstrap)
            one.kill()
        with worker(bootstrap, {"sky": str(mission)}, tmp_path) as one:
            wait_until(lambda: committed_all(bootstrap), 60, one.text, one)
            one.stop()
        got = asyncio.run(collect(bootstrap))
    same(got, expected(flight, load_mission(mission), "sky"))
    alerts = [orjson.loads(v) for v in got[topics.ALERTS].by_id.values()]
    raised = [a["monitor"]["kind"] for a in alerts if a["transition"] == "raised"]
    assert raised.count("clock") == len(made.steps)
    assert raised.count("limit") == made.excursions
    assert raised.count("recorded_limit") == made.recorded_excursions
