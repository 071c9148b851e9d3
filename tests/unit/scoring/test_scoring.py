"""Alerts of a simulated flight, held against what was flown."""

from __future__ import annotations

from pathlib import Path

from benchmarks.lead_time import fly
from pipeline.mission.folder import Mission


def test_a_loss_of_signal_is_noticed(demo_mission: Mission, tmp_path: Path) -> None:
    score, _ = fly(7, ("loss_of_signal",), demo_mission, tmp_path, start=500.0, end=620.0)
    [fault] = score.faults
    assert not score.false_alarms
    assert fault.first_s is not None
    assert 10 < fault.first_s - fault.onset_s < 12
