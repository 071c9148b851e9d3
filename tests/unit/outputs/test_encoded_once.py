"""Counted, not timed: an alert is encoded once, and its bytes are those that the ledger hashed."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import Any

import orjson
import pytest

from pipeline.chain import Chain
from pipeline.flights.records import Flight
from pipeline.flights.run import run_flight
from pipeline.mission.folder import Mission
from pipeline.outputs import alerts, ledger
from schemas import topics


def test_an_alert_is_encoded_once(
    demo_mission: Mission, small_flight: Flight, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: Counter[str] = Counter()

    def counted(alert: dict[str, Any]) -> bytes:
        encoded[alert["id"]] += 1
        return alerts.encode_alert(alert)

    monkeypatch.setattr(ledger, "encode_alert", counted)
    dumped: Counter[str] = Counter()

    def dumps(value: Any, *given: Any, **named: Any) -> bytes:
        if isinstance(value, dict) and "monitor" in value:
            dumped[value["id"]] += 1
        return orjson_dumps(value, *given, **named)

    orjson_dumps = orjson.dumps
    monkeypatch.setattr(orjson, "dumps", dumps)
    outputs = [o for fed in run_flight(small_flight, Chain(demo_mission)) for _, o in fed.outputs]
    told = [o for o in outputs if o.topic in topics.ALERTS_OF_ALL]
    assert len(told) > 5
    assert encoded == dumped == Counter({o.id: 1 for o in told})
    head: dict[str, str] = {}
    for o in told:
        before = orjson.loads(o.value)["ledger"]["before_sha256"]
        assert before == head.get(o.topic, "00" * 32)
        head[o.topic] = hashlib.sha256(o.value).hexdigest()
