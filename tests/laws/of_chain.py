"""Cases of whole chains and of their ledger."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pipeline.chain import Chain
from pipeline.mission.folder import Mission
from pipeline.models.voting import VotingRule
from pipeline.outputs.ledger import Ledger
from schemas import topics
from schemas.columns import (
    Output,
)
from schemas.records import (
    RawRecord,
)
from tests.laws.case import Case, N, Rng
from tests.laws.gated_cases import gated_chain
from tests.laws.streams import clock_records, raw_records
from tests.laws.vehicle import vehicle_mission


def _feed_chain(stage: Chain, stream: list[RawRecord], a: int, b: int) -> bytes:
    return b"".join(o.id.encode() + o.value for _, o in stage.feed(stream[a:b]).outputs)


def _alerts(rng: Rng) -> list[Output]:
    every = (topics.ALERTS, topics.SHADOW, topics.SAMPLES)
    return [
        Output(every[k], f"{i}", b"S:P", b"", 1, {"id": f"{i}", "source": "S"} if k < 2 else None)
        for i, k in enumerate(rng.integers(0, 3, N).tolist())
    ]


def _feed_ledger(stage: Any, stream: Any, start: int, stop: int) -> bytes:
    return b"".join(stage.enter(output).value for output in stream[start:stop])


def _voting() -> Mission:
    """Two barometers vote on every tick, and nearly always differ."""
    rule = VotingRule("BARO_P_?", True, 1e-9, min_samples=1, across=True)
    made = vehicle_mission()
    return replace(made, settings=replace(made.settings, models={"voting": (VotingRule(), rule)}))


CASES = [
    Case("ledger", Ledger, _alerts, _feed_ledger),
    Case("chain", lambda: Chain(vehicle_mission()), raw_records, _feed_chain),
    Case("chain, clock", lambda: Chain(vehicle_mission()), clock_records, _feed_chain),
    Case("cross container", lambda: Chain(_voting()), raw_records, _feed_chain),
    Case("gated, budget", lambda: gated_chain(vehicle_mission()), raw_records, _feed_chain),
]
