"""Two missions on one flight."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from agents.cli import main
from pipeline.flights.compare import Change, changes
from pipeline.simulate import simulate
from tests.conftest import PROJECT

S = 1_000_000_000
DEMO = PROJECT / "missions" / "demo"


def test_appear_vanish_move() -> None:
    a = {("P", "limit", "watch"): [10 * S, 100 * S, 200 * S], ("Q", "flat", "watch"): [5 * S]}
    b = {("P", "limit", "watch"): [10 * S, 90 * S, 400 * S], ("R", "limit", "severe"): [7 * S]}
    assert changes(a, b, 60) == [
        Change("Q", "flat", "watch", 5 * S, None),
        Change("R", "limit", "severe", None, 7 * S),
        Change("P", "limit", "watch", 100 * S, 90 * S),
        Change("P", "limit", "watch", 200 * S, None),
        Change("P", "limit", "watch", None, 400 * S),
    ]
    moved = changes(a, b, 60)[2]
    assert (moved.word, moved.earlier_s) == ("moves", 10.0)
    assert changes(a, a, 60) == []
    assert [c.word for c in changes(a, b, 1)][2:4] == ["appears", "vanishes"]


@pytest.fixture
def packets(tmp_path: Path) -> Path:
    path = tmp_path / "packets.bin"
    path.write_bytes(simulate(3, start=-12.0, end=40.0).packets)
    return path


def test_the_command(packets: Path, tmp_path: Path) -> None:
    same = CliRunner().invoke(main, ["diff", str(packets), "--a", str(DEMO), "--b", str(DEMO)])
    assert same.exit_code == 0, same.output
    assert "0 appear, 0 vanish, 0 move" in same.output
    other = tmp_path / "other"
    shutil.copytree(DEMO, other)
    toml = other / "mission.toml"
    toml.write_text(toml.read_text() + "\n[[residual]]\nthreshold = 3\nwarm_up_s = 10\n")
    more = CliRunner().invoke(main, ["diff", str(packets), "--a", str(DEMO), "--b", str(other)])
    assert more.exit_code == 1
    assert "appears" in more.output
    assert "residual" in more.output
