"""The command line: a user's mistake is one line, and no traceback."""

from __future__ import annotations

import shutil
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner, Result

from agents.cli import main
from tests.conftest import PROJECT

DEMO = str(PROJECT / "missions" / "demo")


def heartline(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


@pytest.fixture(scope="module")
def flight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("cli") / "flight"
    done = heartline("simulate", "--out", str(out), "--start", "-2", "--end", "40")
    assert done.exit_code == 0, done.output
    return out


def test_simulate_check_run_explain(flight: Path, tmp_path: Path) -> None:
    assert {p.name for p in flight.iterdir()} == {
        "packets.bin",
        "hl1.xml",
        "mission.toml",
        "truth.json",
        "packets.bin.mission.json",
    }
    done = heartline("check", str(flight))
    assert done.exit_code == 0
    assert "TP_VIB_BRG" in done.output
    out = tmp_path / "out"
    done = heartline("run", str(flight / "packets.bin"), "--mission", DEMO, "--out", str(out))
    assert done.exit_code == 0, done.output
    names = {
        "alerts.jsonl",
        "alerts.shadow.jsonl",
        "statistics.arrow",
        "samples",
        "rejects.jsonl",
        "summary.json",
    }
    assert {p.name for p in out.iterdir()} == names
    alerts = [orjson.loads(line) for line in (out / "alerts.jsonl").read_bytes().splitlines()]
    limits = [a for a in alerts if a["monitor"]["kind"] == "limit" and a.get("limit") is not None]
    one = limits[-1]
    done = heartline("explain", "--from", str(out), one["id"])
    assert done.exit_code == 0, done.output
    assert done.output.count("●") == 2  # drawn, and named below
    assert " limit" in done.output
    told = orjson.loads(heartline("explain", "--from", str(out), "--json", one["id"]).output)
    samples = told.pop("samples")
    assert told == one
    times = [s["time_ns"] for s in samples]
    assert times == sorted(times)
    place = times.index(one["generation_ns"])
    assert samples[place]["value"] == one["observed"]
    assert place < 10  # it comes soon after the flight begins
    assert len(samples) == place + 11
    verified = heartline("audit", "verify", "--from", str(out))
    assert verified.exit_code == 0, verified.output
    kept = (out / "alerts.jsonl").read_bytes()
    (out / "alerts.jsonl").write_bytes(kept.replace(b'"raised"', b'"cleared"', 1))
    assert heartline("audit", "verify", "--from", str(out)).exit_code == 1
    done = heartline("explain", "--from", str(out), "telemetry.raw-0-999999-0")
    assert done.exit_code == 1
    assert "No alert" in done.stderr


def test_check_says_what_a_worker_could_not_run(flight: Path, tmp_path: Path) -> None:
    """One sensor cannot vote, which is known once its container is put together."""
    shutil.copytree(flight, tmp_path / "m", ignore=shutil.ignore_patterns("*.bin"))
    toml = tmp_path / "m" / "mission.toml"
    lonely = '[[voting]]\nmatch = "PC"\nenabled = true\ntolerance = 1\n'
    toml.write_text(f"{toml.read_text()}\n{lonely}")
    done = heartline("check", str(tmp_path / "m"))
    assert done.exit_code == 1
    assert "[[voting]] in /HL1/ENGINE: 'PC' names 1 parameters here" in done.stderr


def test_decode_of_several_containers_needs_a_folder(flight: Path, tmp_path: Path) -> None:
    packets, mdb = str(flight / "packets.bin"), str(flight / "hl1.xml")
    one = heartline("decode", packets, "--mdb", mdb, "--out", str(tmp_path / "x.csv"))
    assert one.exit_code == 1
    assert "several containers" in one.stderr
    many = heartline("decode", packets, "--mdb", mdb, "--out", f"{tmp_path}/many/")
    assert many.exit_code == 0
    assert len(list((tmp_path / "many").iterdir())) == 7


def test_mission_init(flight: Path, tmp_path: Path) -> None:
    out = tmp_path / "mine"
    assert heartline("mission", "init", str(flight / "hl1.xml"), "--out", str(out)).exit_code == 0
    assert heartline("check", str(out)).exit_code == 0
    again = heartline("mission", "init", str(flight / "hl1.xml"), "--out", str(out))
    assert again.exit_code == 1
    assert "exists already" in again.stderr


MISTAKES = {
    "a mission that is not there": ("check", "none"),
    "a flight that is not there": ("run", "none", "--mission", DEMO, "--out", "x"),
    "a flight of something else": ("run", __file__, "--mission", DEMO, "--out", "x"),
    "an unknown format": ("import", __file__, "--out", "x"),
    "no source": ("worker", "--bootstrap", "127.0.0.1:1"),
}


@pytest.mark.parametrize("what", MISTAKES)
def test_mistakes_are_one_line(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = heartline(*MISTAKES[what])
    assert done.exit_code == 1
    assert done.stderr.startswith("heartline: ")
    assert "Traceback" not in done.output


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("nme = 1", "'nme' is unknown"),
        ('name = "x"\n[[resample]]\nhz = -1', "must be above 0"),
        ('name = "x"\n[[statistics]]\nwindow_s = 25\npane_s = 10', "no whole number of panes"),
        ('name = "x"\n[alarms.NOPE]\ncritical = [0, 1]', "no such parameter"),
        ('name = "x"\n[alarms.PC]\ncritical = [0, 1]', "say override = true"),
        ('name = "x"\n[alarms.PC]\ncritical = [2, 1]\noverride = true', "above"),
        ('name = "x"\n[time]\nparameter = "PC"', "no AbsoluteTimeParameterType"),
        ("= broken", "not TOML"),
    ],
)
def test_mistakes_in_a_mission(text: str, why: str, flight: Path, tmp_path: Path) -> None:
    (tmp_path / "mission.toml").write_text(text)
    done = heartline("check", str(tmp_path), "--mdb", str(flight / "hl1.xml"))
    assert done.exit_code == 1
    assert why in done.stderr


def test_csv_mistakes(tmp_path: Path) -> None:
    for text, why in (
        ("a,b\n1,2\n", "--time-column"),
        ("time,b\n1,2,3\n", "line 2"),
        ("time,b\nx,2\n", "no number"),
    ):
        path = tmp_path / "f.csv"
        path.write_text(text)
        done = heartline("import", str(path), "--out", str(tmp_path / "o"))
        assert done.exit_code == 1
        assert why in done.stderr


def test_another_missions_flight_is_told(flight: Path, tmp_path: Path) -> None:
    """A CSV's XTCE against the simulated flight: nothing decodes, and the status says so."""
    (tmp_path / "f.csv").write_text("time,volts\n0,1\n1,2\n2,3\n")
    other = tmp_path / "other"
    assert heartline("import", str(tmp_path / "f.csv"), "--out", str(other)).exit_code == 0
    done = heartline(
        "run", str(flight / "packets.bin"), "--mission", str(other), "--out", str(tmp_path / "o")
    )
    assert done.exit_code == 1
    assert "was made for the mission 'HL1'" in done.stderr
    (flight / "packets.bin.mission.json").rename(tmp_path / "mark")
    done = heartline(
        "run", str(flight / "packets.bin"), "--mission", str(other), "--out", str(tmp_path / "o")
    )
    (tmp_path / "mark").rename(flight / "packets.bin.mission.json")
    assert done.exit_code == 1
    assert "of this mission?" in done.stderr


def test_import_leaves_a_mission_as_it_is(flight: Path, tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text("time,volts\n0,1\n1,2\n")
    before = (flight / "packets.bin").read_bytes()
    done = heartline("import", str(tmp_path / "f.csv"), "--out", str(flight))
    assert done.exit_code == 1
    assert "mission folder already" in done.stderr
    assert (flight / "packets.bin").read_bytes() == before


def test_run_into_a_file_or_of_nothing(flight: Path, tmp_path: Path) -> None:
    packets, file = str(flight / "packets.bin"), tmp_path / "file"
    file.write_text("")
    done = heartline("run", packets, "--mission", DEMO, "--out", str(file))
    assert done.exit_code == 2
    assert "name a folder" in done.stderr
    cut = ("--start", "900", "--end", "100")
    done = heartline("run", packets, "--mission", DEMO, "--out", str(tmp_path / "o"), *cut)
    assert done.exit_code == 2


def test_check_takes_the_folder_or_its_toml_and_tells_a_database_apart(flight: Path) -> None:
    assert heartline("check", str(flight / "mission.toml")).exit_code == 0
    wrong = heartline("check", str(flight / "hl1.xml"))
    assert wrong.exit_code == 1
    assert "a mission is a folder" in wrong.stderr


def test_a_rule_that_matches_nothing_is_refused(flight: Path, tmp_path: Path) -> None:
    (tmp_path / "hl1.xml").write_bytes((flight / "hl1.xml").read_bytes())
    (tmp_path / "mission.toml").write_text(
        'name = "x"\nxtce = "hl1.xml"\n[[resample]]\nmatch = "TYPO_*"\nhz = 2\n'
    )
    done = heartline("check", str(tmp_path))
    assert done.exit_code == 1
    assert "'TYPO_*' matches no parameter" in done.stderr
