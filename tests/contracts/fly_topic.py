"""A topic that joins by its row: the broker's settings, the lane's outputs, the file of `run`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.contracts.edited import Line, edit

ROW = '    Topic("telemetry.notes", "chain", "the source", _LARGE, file="notes.jsonl"),'
edit(Line("schemas.topics", ")  # fmt: skip", ROW))

from click.testing import CliRunner  # noqa: E402

from agents.broker.declared import ALL_TOPICS, SETTINGS  # noqa: E402
from agents.cli import main  # noqa: E402
from agents.lane.commit import topics as of_the_lane  # noqa: E402
from schemas import topics  # noqa: E402

NAME = "telemetry.notes"


def test_it(folder: Path) -> None:
    assert NAME in ALL_TOPICS
    assert SETTINGS[NAME]["max.message.bytes"] == str(topics.MOST_BYTES)
    assert NAME in of_the_lane.LANE_OUTPUTS
    flight, out = str(folder / "flight"), folder / "out"
    arguments = ["simulate", "--out", flight, "--start", "-2", "--end", "1"]
    assert CliRunner().invoke(main, arguments).exit_code == 0
    arguments = ["run", f"{flight}/packets.bin", "--mission", flight, "--out", str(out)]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    assert "0 notes" in done.output
    assert (out / "notes.jsonl").exists()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        test_it(Path(name))
    sys.stdout.write("it stands\n")
