"""How many series of Prometheus sources cost: a number that the docs give (docs/metrics.md)."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from agents.lane.chains import Chains
from agents.lane.metrics import Metrics
from pipeline.chain import Chain, Fed
from pipeline.mission.folder import Mission
from pipeline.outputs.refusals import Refusals
from tests.conftest import PROJECT

NOTHING = Fed([], 0, Refusals())
PAGE = (PROJECT / "docs" / "metrics.md").read_text()


def series(mission: Mission, sources: int) -> int:
    """Of a worker with so many sources that have sent something."""
    registry = CollectorRegistry()
    metrics, chains = Metrics(registry, 200), Chains({}, 0)
    one = Chain(mission)
    chains.chains.update({f"s{i}": one for i in range(sources)})
    metrics.begin(0, chains)
    for source in chains.chains:
        metrics.observe(0, source, one, NOTHING, silent=False)
    return sum(len(family.samples) for family in registry.collect())


def test_a_source_costs_what_the_page_says(demo_mission: Mission) -> None:
    chain = Chain(demo_mission)
    limits = len(list(chain.limits(Metrics(CollectorRegistry(), 200).chosen("s", chain))))
    own, two = (series(demo_mission, n) for n in (0, 2))
    each = (two - own) // 2 - limits
    assert f"A source costs {each} series" in PAGE, (each, limits)
    assert f"a worker {own} of its own" in PAGE, own


@pytest.mark.parametrize("sources", [1, 100])
def test_they_grow_with_the_sources_alone(sources: int, demo_mission: Mission) -> None:
    own, one, many = (series(demo_mission, n) for n in (0, 1, sources))
    assert many - own == sources * (one - own)
