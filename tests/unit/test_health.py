"""`/healthz`: a lane that stands still while its partition grows is not healthy.

The consumer here is a fake of two methods: the edge where a broker would be.
"""

from __future__ import annotations

import urllib.error
import urllib.request
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from prometheus_client import CollectorRegistry

from agents import service
from agents.http import serve
from agents.metrics import Metrics
from agents.service import STALLED_S, UNHEARD_S, Lanes
from agents.settings import Settings
from schemas import topics


def lanes(monkeypatch: pytest.MonkeyPatch, behind: int, idle: float) -> Lanes:
    made = Lanes(Settings(), {}, Metrics(CollectorRegistry(), 10))
    part = TopicPartition(topics.RAW, 0)
    fake: Any = SimpleNamespace(assignment=lambda: {part}, highwater=lambda _: 100 + behind)
    made._consumer = fake
    lane: Any = SimpleNamespace(next_offset=100, progress=1000.0)
    made._lanes = {0: lane}
    made.ready.set()
    made.heard = 1000.0 + idle  # the broker is there
    monkeypatch.setattr(service.time, "monotonic", lambda: 1000.0 + idle)
    return made


def test_a_lane_that_stands_still_while_records_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    good, why = lanes(monkeypatch, 5, STALLED_S + 1).health()
    assert not good
    assert "stands still" in why


def test_silence_is_healthy_for_a_lane(monkeypatch: pytest.MonkeyPatch) -> None:
    assert lanes(monkeypatch, 0, 10 * STALLED_S).health()[0]
    assert lanes(monkeypatch, 5, STALLED_S - 1).health()[0]


def test_a_broker_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    made = lanes(monkeypatch, 0, 0.0)
    made.heard = 1000.0 - UNHEARD_S - 1
    good, why = made.health()
    assert not good
    assert "no broker has answered" in why


def test_not_ready_before_a_partition_is_assigned() -> None:
    made = Lanes(Settings(), {}, Metrics(CollectorRegistry(), 10))
    assert not made.health()[0]


def test_served_as_a_status() -> None:
    answer = [True, "fine"]
    server = serve("127.0.0.1", 0, CollectorRegistry(), lambda: (bool(answer[0]), str(answer[1])))
    url = f"http://127.0.0.1:{server.server_port}/healthz"
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            assert response.status == 200
        answer[:] = [False, "lane 0 stands still"]
        with pytest.raises(urllib.error.HTTPError, match="503") as refused:
            urllib.request.urlopen(url, timeout=5)
        assert refused.value.read() == b"lane 0 stands still\n"
        refused.value.close()
    finally:
        server.shutdown()
        server.server_close()
