"""SMAP and NAB: the floors that need no model, as they are published; both ends of the scale."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.benchmark.nab import PROFILES, Series, series
from pipeline.benchmark.nab import score as nab_score
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


@pytest.fixture
def numenta(data: Path) -> list[Series]:
    return series(data / "anomaly/nab")


@pytest.mark.parametrize("profile", PROFILES)
def test_nab_is_0_for_silence_and_100_for_who_is_right_at_once(
    numenta: list[Series], profile: str
) -> None:
    """Its two ends, over its 58 files, 365,558 rows and 116 windows."""
    assert len(numenta) == 58
    assert sum(len(s.value) for s in numenta) == 365_558
    assert sum(len(s.windows) for s in numenta) == 116
    silent = [(s, np.zeros(len(s.value))) for s in numenta]
    assert nab_score(silent, profile)[0] == 0.0
    right = [(s, np.zeros(len(s.value))) for s in numenta]
    for one, said in right:
        for first, _ in one.windows:
            said[max(first, one.probation)] = 1.0
    assert nab_score(right, profile)[0] == pytest.approx(100.0)
