"""Alerts of a simulated flight, held against what was flown."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.lead_time import fly
from pipeline.mission.folder import Mission


@pytest.mark.parametrize("seed", [1, 7])
def test_a_stuck_sensor_is_noticed(seed: int, demo_mission: Mission, tmp_path: Path) -> None:
    """At watch, which is all that a value may mean that no longer changes; also of the sensor of
    seed 1, which has rested for five samples before."""
    score, _ = fly(seed, ("stuck_sensor",), demo_mission, tmp_path, start=100.0, end=530.0)
    [fault] = score.faults
    assert not score.false_alarms
    assert fault.first_s is not None
    assert 30 < fault.first_s - fault.onset_s < 33  # min_seconds


def test_a_loss_of_signal_is_noticed(demo_mission: Mission, tmp_path: Path) -> None:
    score, _ = fly(7, ("loss_of_signal",), demo_mission, tmp_path, start=500.0, end=620.0)
    [fault] = score.faults
    assert not score.false_alarms
    assert fault.first_s is not None
    assert 10 < fault.first_s - fault.onset_s < 12
