"""SMAP's labelled anomalies: the floors that need no model, as they are published, and our own."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.benchmark.rules import Tally
from pipeline.benchmark.smap import channels, floors, score


@pytest.fixture
def smap(data: Path) -> Path:
    return data / "anomaly/smap"


def test_the_floors_are_the_published_ones(smap: Path) -> None:
    """Both scoring and reading of labels are right, or these two would not be met."""
    plain, merged = floors(channels(smap))
    assert (round(plain.f1, 2), round(merged.f1, 2)) == (0.41, 0.52)


def test_no_channel_is_worse_than_the_floor_that_needs_no_model(smap: Path) -> None:
    found = [c for c in channels(smap) if c.name in ("P-1", "E-1", "D-1", "T-1", "A-1", "F-1")]
    assert len(found) == 6
    ours = sum((s.telemanom for s in score(found, 0)), Tally())
    assert ours.f1 > max(t.f1 for t in floors(found))
