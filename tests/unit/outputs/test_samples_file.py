"""The samples of a run: a stream a container, read by somebody else's readers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import duckdb
import orjson
import polars as pl
import pytest
from click.testing import CliRunner
from pyarrow import ipc

from agents.cli import main
from pipeline.chain import Chain
from pipeline.mission.folder import Mission
from pipeline.simulate import simulate
from tests.conftest import PROJECT

DEMO = PROJECT / "missions" / "demo"


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    (folder / "packets.bin").write_bytes(simulate(1, start=-2.0, end=1.5).packets)
    given = ("run", str(folder / "packets.bin"), "--mission", str(DEMO), "--out", str(folder / "o"))
    done = CliRunner().invoke(main, given)
    assert done.exit_code == 0, done.output
    return folder / "o"


def test_every_sample_that_is_told_is_in_the_file(out: Path) -> None:
    packets = orjson.loads((out / "summary.json").read_bytes())["packets"]["packets"]
    rows = 0
    for path in sorted((out / "samples").iterdir()):
        with ipc.open_stream(path) as reader:
            table = reader.read_all()
        rows += table.num_rows
        assert pl.read_ipc_stream(path).height == table.num_rows
        assert pl.read_ipc_stream(path)["time_ns"].to_list() == table["time_ns"].to_pylist()
        assert duckdb.from_arrow(table).count("*").fetchall() == [(table.num_rows,)]
    assert rows == packets > 500


def test_every_container_has_a_file_of_its_own(demo_mission: Mission) -> None:
    """Also those of nested systems, whose names have a slash."""
    plan = Chain(demo_mission).plans.plans[0]
    names = ("A/B", "A_B", "A/B_C", "A_B/C", "A-B")
    files = {replace(plan, container=name).file_name for name in names}
    assert len(files) == len(names)
    assert not any("/" in name for name in files)


def test_its_schema_tells_mission_and_units(out: Path) -> None:
    with ipc.open_stream(out / "samples" / "ENGINE.arrow") as reader:
        told, field = reader.schema.metadata, reader.schema.field("TP_SPEED")
    assert told[b"mission"] == b"demo"
    assert len(told[b"mission_database"]) == len(told[b"settings"]) == 64
    about = dict(field.metadata)
    assert orjson.loads(about.pop(b"calibrator")) == {"polynomial": {"coefficients": [0.0, 0.75]}}
    assert about == {b"parameter": b"/HL1/TP_SPEED", b"unit": b"rpm"}


def test_another_missions_packets_are_refused(tmp_path: Path) -> None:
    """Two logs of one shape and other columns: read by each other's database they gave numbers."""
    runner = CliRunner()
    for name, column in (("one", "volts"), ("two", "steps")):
        values = "\n".join(f"{t},{t * (1 if column == 'steps' else 0.5)}" for t in range(50))
        (tmp_path / f"{name}.csv").write_text(f"time,{column}\n{values}\n")
        given = ("import", str(tmp_path / f"{name}.csv"), "--out", str(tmp_path / name))
        assert runner.invoke(main, given).exit_code == 0
    one, two = tmp_path / "one", tmp_path / "two"
    for command in (
        ("run", str(one / "packets.bin"), "--mission", str(two), "--out", str(tmp_path / "o")),
        ("decode", str(one / "packets.bin"), "--mdb", str(two / "xtce.xml"), "--out",
         str(tmp_path / "x.csv")),
    ):  # fmt: skip
        done = runner.invoke(main, command)
        assert done.exit_code == 1, command
        assert "was made for the mission 'one'" in done.stderr
    text = (one / "xtce.xml").read_text().replace("Imported from", "From")  # no bit is another
    (one / "xtce.xml").write_text(text)
    given = ("run", str(one / "packets.bin"), "--mission", str(one), "--out", str(tmp_path / "o"))
    assert runner.invoke(main, given).exit_code == 0


def test_decode_tells_gaps(tmp_path: Path) -> None:
    content = simulate(1, start=-2.0, end=0.0).packets
    (tmp_path / "p.bin").write_bytes(content)
    given = ("decode", str(tmp_path / "p.bin"), "--mdb", str(DEMO / "hl1.xml"), "--out",
             f"{tmp_path}/csv/")  # fmt: skip
    assert "missing" not in CliRunner().invoke(main, given).stderr
    first = 7 + int.from_bytes(content[4:6], "big")
    at, cut = first, []
    while at < len(content):  # every 50th packet is lost
        size = 7 + int.from_bytes(content[at + 4 : at + 6], "big")
        cut.append(content[at : at + size])
        at += size
    (tmp_path / "p.bin").write_bytes(b"".join(p for i, p in enumerate(cut) if i % 50 != 25))
    told = CliRunner().invoke(main, given).stderr
    assert " packets missing in " in told
    assert " gaps of sequence counts" in told


def test_a_fresh_mission_shows_what_it_has(tmp_path: Path) -> None:
    given = ("mission", "init", str(DEMO / "hl1.xml"), "--out", str(tmp_path / "m"))
    done = CliRunner().invoke(main, given)
    assert done.exit_code == 0
    assert "24 of " in done.stderr
    text = (tmp_path / "m" / "mission.toml").read_text()
    assert text.count('"') == 6 + 2 * 24
    checked = CliRunner().invoke(main, ("check", str(tmp_path / "m")))
    assert checked.exit_code == 0
    assert "limits have no deadband, min_s or latch" in checked.stderr
