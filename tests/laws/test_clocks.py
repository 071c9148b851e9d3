"""No packet is refused for another's stamp, and every change of clock is reported once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import orjson
import pytest

from pipeline.chain import Chain
from pipeline.flights.records import flight_of
from pipeline.flights.run import run_flight
from pipeline.mission.folder import load_mission
from schemas import topics
from schemas.columns import Reason
from tests.laws.clocks import Sky, sky, write_mission

STAMPS = (int(Reason.LATE), int(Reason.TIME_JUMP))


def judge(made: Sky, alerts: list[dict[str, object]], refused: int, held: int) -> None:
    """held: packets that were still undecided when the flight ended, of any kind."""
    told: Counter[tuple[str, str]] = Counter()
    for alert in alerts:
        kind = alert["monitor"]["kind"]  # type: ignore[index]
        told[kind, str(alert["transition"])] += 1
    wrong = made.count("off") + made.count("recorded")
    assert wrong - held <= refused <= wrong
    assert told["clock", "raised"] == len(made.steps)
    assert told["limit", "raised"] == told["limit", "cleared"] == made.excursions
    recorded = told["recorded_limit", "raised"], told["recorded_limit", "cleared"]
    assert recorded == (made.recorded_excursions, made.recorded_excursions)


@pytest.mark.parametrize("seed", range(12))
def test_with_reception_times(seed: int, tmp_path: Path) -> None:
    made = sky(np.random.default_rng(seed))
    write_mission(tmp_path)
    chain = Chain(load_mission(tmp_path))
    alerts, refused = [], 0
    for fed in run_flight(made.flight(), chain):
        alerts += [orjson.loads(o.value) for _, o in fed.outputs if o.topic == topics.ALERTS]
        refused += sum(n for reason, n in fed.rejected.items() if reason in STAMPS)
    judge(made, alerts, refused, sum(c.order.held for c in chain.containers))


@pytest.mark.parametrize("seed", range(12))
def test_a_recording_without_reception_times(seed: int, tmp_path: Path) -> None:
    """The same packets in a file. A step ahead looks like a gap there, so clocks only go back."""
    made = sky(np.random.default_rng(seed), backward_only=True)
    write_mission(tmp_path)
    chain = Chain(load_mission(tmp_path))
    whole = made.flight()
    flight = flight_of(whole.data, whole.start, whole.length, chain.plans, 300 * 10**9)
    alerts, refused = [], 0
    for fed in run_flight(flight, chain):
        alerts += [orjson.loads(o.value) for _, o in fed.outputs if o.topic == topics.ALERTS]
        refused += sum(n for reason, n in fed.rejected.items() if reason in STAMPS)
    judge(made, alerts, refused, sum(c.order.held for c in chain.containers))
