"""The page for notebooks says what runs: its examples are run, on a short flight."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from agents.cli import main
from pipeline import notebook
from pipeline.errors import FlightError
from pipeline.simulate import simulate

PROJECT = Path(__file__).parents[3]
EXAMPLES = re.findall(r"```python\n(.*?)```", (PROJECT / "docs/notebook.md").read_text(), re.DOTALL)


@pytest.fixture(scope="module")
def flight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("notebook") / "flight"
    folder.mkdir()
    flown = simulate(1, (), -20.0, 5.0)
    (folder / "packets.bin").write_bytes(flown.packets)
    (folder / "hl1.xml").write_bytes(flown.xtce)
    demo = PROJECT / "missions" / "demo" / "mission.toml"
    (folder / "mission.toml").write_bytes(demo.read_bytes())
    return folder


def test_the_examples_of_the_page_run(flight: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(EXAMPLES) == 4
    monkeypatch.chdir(flight.parent)
    names: dict[str, object] = {}
    for example in EXAMPLES:
        exec(compile(example, "docs/notebook.md", "exec"), names)


def test_the_same_samples_by_both_ways(flight: Path) -> None:
    tables = notebook.decode([flight / "packets.bin"], flight / "hl1.xml")
    flown = notebook.run(flight / "packets.bin", flight)
    assert flown.statistics
    assert not flown.rejects
    compared = 0
    for container, samples in flown.samples.items():
        decoded = tables[container]
        assert samples["time_ns"].equals(decoded["time_ns"])
        for name in samples.column_names[1:-1]:
            if decoded[name].type == "double":  # else labels
                values = samples[name].to_numpy().astype(float)
                np.testing.assert_array_equal(values, decoded[name].to_numpy())
                compared += 1
    assert flown.samples.keys() == tables.keys()
    assert compared > 30
    out = flight.parent / "read"
    given = ("run", str(flight / "packets.bin"), "--mission", str(flight), "--out", str(out))
    assert CliRunner().invoke(main, given).exit_code == 0
    read = notebook.read_samples(out)
    assert {n: t.num_rows for n, t in read.items()} == {
        n: t.num_rows for n, t in flown.samples.items()
    }
    assert all(read[n].equals(t) for n, t in flown.samples.items())


def test_what_is_in_no_table_is_counted(flight: Path, tmp_path: Path) -> None:
    """A packet that ends too soon, two of no container, and one that the file's end cuts."""
    packets = (flight / "packets.bin").read_bytes()
    first = packets[: int.from_bytes(packets[4:6], "big") + 7]
    short = first[:4] + bytes([0, 1]) + first[6:8]
    nobody = bytes.fromhex("0f00c000000000")
    path = tmp_path / "x.bin"
    path.write_bytes(packets + short + nobody * 2 + first[:-1])
    whole = notebook.decode(flight / "packets.bin", flight / "hl1.xml")
    tables = notebook.decode(path, flight / "hl1.xml")
    assert (whole.refused, whole.skipped) == ({}, {})
    assert {n: t.num_rows for n, t in tables.items()} == {n: t.num_rows for n, t in whole.items()}
    assert tables.refused == {"too_short": 1, "no_container": 2}  # in step, no database decides
    assert sum(tables.skipped.values()) == len(first) - 1
    assert "refused 2 packets: no_container\nrefused 1 packets: too_short" in repr(tables)
    assert notebook.run(path, flight).skipped == tables.skipped


def test_mistakes_are_told(flight: Path, tmp_path: Path) -> None:
    rubbish = tmp_path / "x.bin"
    rubbish.write_bytes(bytes(range(256)) * 4)
    with pytest.raises(FlightError, match=r"1019 bytes: not_a_packet; .*Is it of this mission"):
        notebook.decode(rubbish, flight / "hl1.xml")
    with pytest.raises(FlightError, match=r"alerts\.jsonl"):
        notebook.read_alerts(tmp_path)
