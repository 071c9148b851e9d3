"""Alerts of a simulated flight, held against what was flown."""

from __future__ import annotations

from pathlib import Path

from pipeline.chain import Chain
from pipeline.mission import Mission
from pipeline.run import load_recording, run_flight
from pipeline.simulate import simulate
from pipeline.simulate.score import score_alerts
from schemas import topics


def test_a_loss_of_signal_is_noticed(demo_mission: Mission, tmp_path: Path) -> None:
    flown = simulate(7, ("loss_of_signal",), start=500.0, end=620.0)
    packets = tmp_path / "packets.bin"
    packets.write_bytes(flown.packets)
    chain = Chain(demo_mission)
    flight = load_recording(packets, demo_mission, chain).flight
    alerts = [
        output.event
        for fed in run_flight(flight, chain)
        for _, output in fed.outputs
        if output.topic == topics.ALERTS and output.event
    ]
    score = score_alerts(flown.truth, alerts)
    [fault] = score.faults
    assert not score.false_alarms
    assert fault.first_s is not None
    assert 10 < fault.first_s - fault.onset_s < 12
