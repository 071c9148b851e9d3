"""Cases of whole chains and of their ledger."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from pipeline.chain import Chain
from pipeline.mission.folder import Mission
from pipeline.models.level import LevelRule
from pipeline.models.shared.rules import LEAST_HISTORY
from pipeline.models.voting import VotingRule
from pipeline.outputs.definitions import Definitions, of_fingerprint
from pipeline.outputs.ledger import Ledger
from pipeline.outputs.statistics import GroupName, StatisticsColumns, StatisticsForm
from schemas import topics
from schemas.columns import (
    Output,
    WindowBatch,
)
from schemas.records import (
    RawRecord,
)
from schemas.settings import PhaseSettings, WindowSettings
from tests.laws.case import Case, N, Rng
from tests.laws.gated_cases import gated_chain
from tests.laws.streams import clock_records, raw_records
from tests.laws.vehicle import vehicle_mission


def _feed_chain(stage: Chain, stream: list[RawRecord], a: int, b: int) -> bytes:
    return b"".join(o.id.encode() + o.value for _, o in stage.feed(stream[a:b]).outputs)


def _alerts(rng: Rng) -> list[Output]:
    every = (topics.ALERTS, topics.SHADOW, topics.SAMPLES)
    return [
        Output(
            every[k],
            f"{i}",
            b"S:P",
            b"",
            1,
            "limit",
            {"id": f"{i}", "source": "S"} if k < 2 else None,
        )
        for i, k in enumerate(rng.integers(0, 3, N).tolist())
    ]


def _feed_ledger(stage: Any, stream: Any, start: int, stop: int) -> bytes:
    return b"".join(o.value for _, o in stage.enter(enumerate(stream[start:stop])))


def _definitions() -> Definitions:
    return Definitions([of_fingerprint({"a": "1"}), of_fingerprint({"a": "2"})])


def _places(rng: Rng) -> list[int]:
    return rng.integers(0, N, N).tolist()


def _feed_definitions(stage: Definitions, stream: list[int], start: int, stop: int) -> bytes:
    """Each feed asks for what is to be published before its own outputs."""
    made = [p.make(f"{stream[start]}").value for p in stage.pending()] if stop > start else []
    return b"".join(made)


def _columns() -> StatisticsColumns:
    groups = [GroupName("/S/A", ("/S/P", "/S/Q")), GroupName("/S/B", ("/S/R",))]
    windows = [WindowSettings(20, 10), WindowSettings(60, 20)]
    return StatisticsColumns(StatisticsForm("s", groups, windows, (0.5,)))


def _closings(rng: Rng) -> list[tuple[bool, list[tuple[int, int, WindowBatch]]]]:
    """Of each packet: whether it is a tick, and what it closes."""
    made = []
    for i in range(N):
        closed = []
        for group, f in ((0, 2), (1, 1)):
            for window in (0, 1):
                if rng.random() < 0.3:
                    figures = rng.normal(0, 1, (1, 9, f))
                    figures[0, 0] = 5
                    quality = rng.integers(0, 2, (1, 8, f)).astype(np.uint32)
                    end, panes = np.array([i * 10]), np.array([2], np.int32)
                    closed.append((group, window, (end, panes, figures, quality)))
        made.append((rng.random() < 0.2, closed))
    return made  # type: ignore[return-value]


def _feed_columns(stage: StatisticsColumns, stream: Any, start: int, stop: int) -> bytes:
    for i in range(start, stop):
        for group, window, (end, panes, figures, quality) in stream[i][1]:
            packet = np.array([i - start])
            stage.pool.add(group, window, WindowBatch(end, packet, panes, figures, quality))
    ticks = np.array([i - start for i in range(start, stop) if stream[i][0]], np.int64)
    pending = stage.feed(ticks, np.arange(stop - start, dtype=np.int32))
    return b"".join(p.make("x").value for p in pending)


def _voting() -> Mission:
    """Two barometers vote on every tick, and nearly always differ."""
    rule = VotingRule("BARO_P_?", True, 1e-9, min_samples=1, across=True)
    made = vehicle_mission()
    return replace(made, settings=replace(made.settings, models={"voting": (VotingRule(), rule)}))


def _phases() -> Mission:
    """Each phase has a past of its own, by a family that looks at every value."""
    made = vehicle_mission()
    rule = LevelRule("*", True, margin=1e-9, history=LEAST_HISTORY)
    settings = replace(
        made.settings, models={"level": (LevelRule(), rule)},
        phases=PhaseSettings("ENGINE_ON", ("True",)),
    )  # fmt: skip
    return replace(made, settings=settings)


CASES = [
    Case("ledger", Ledger, _alerts, _feed_ledger),
    Case("definitions", _definitions, _places, _feed_definitions),
    Case("statistics columns", _columns, _closings, _feed_columns),
    Case("chain", lambda: Chain(vehicle_mission()), raw_records, _feed_chain),
    Case("chain, clock", lambda: Chain(vehicle_mission()), clock_records, _feed_chain),
    Case("cross container", lambda: Chain(_voting()), raw_records, _feed_chain),
    Case("phases", lambda: Chain(_phases()), raw_records, _feed_chain),
    Case("gated, budget", lambda: gated_chain(vehicle_mission()), raw_records, _feed_chain),
]
