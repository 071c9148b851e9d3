"""How long readers of committed records have been held back."""

from __future__ import annotations

import logging

import pytest
from aiokafka import TopicPartition
from prometheus_client import CollectorRegistry

from agents.lane.metrics import Metrics
from agents.lane.stable import Stable

PART = TopicPartition("telemetry.alerts", 0)


def test_a_transaction_that_stays_open_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    registry = CollectorRegistry()
    stable = Stable("127.0.0.1:1", "", Metrics(registry, 0))

    def held(offset: int, end: int, now: float) -> float:
        stable.look({PART: offset}, {PART: end}, now)
        labels = {"topic": PART.topic, "partition": "0"}
        return registry.get_sample_value("heartline_held_back_seconds", labels) or 0.0

    with caplog.at_level(logging.WARNING):
        assert held(5, 5, 0.0) == 0
        assert held(5, 9, 10.0) == 10  # since it was seen at its end
        assert held(7, 9, 20.0) == 0  # it gets on
        assert held(7, 30, 40.0) == 20
        assert not caplog.records
        assert held(7, 40, 70.0) == 50
        assert held(7, 50, 80.0) == 60
        assert held(50, 50, 90.0) == 0
    (record,) = caplog.records
    assert "telemetry.alerts-0: readers are held back at offset 7" in record.getMessage()
