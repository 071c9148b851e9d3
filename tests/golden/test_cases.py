"""Small inputs from the field that came out wrong, and the right answers (`CASES`)."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner
from pyarrow import ipc

from agents.cli import main
from tests.conftest import PROJECT

CASES = Path(os.environ.get("CASES", PROJECT.parent / "shared" / "cases"))


@pytest.fixture
def cases() -> Path:
    if not CASES.is_dir():
        pytest.skip(f"inputs from the field not found: CASES={CASES}")
    return CASES


def heartline(*given: object) -> Any:
    return CliRunner().invoke(main, [str(x) for x in given])


def rows(case: Path, out: Path) -> dict[str, int]:
    """Rows a container that `decode` gives."""
    done = heartline("decode", case / "p.bin", "--mdb", case / "x.xml", "--out", f"{out}/")
    assert done.exit_code == 0, done.output
    texts = {p.stem: p.read_text().splitlines() for p in out.glob("*.csv")}
    return {name: len([*csv.reader(lines)]) - 1 for name, lines in texts.items()}


def test_a_label_is_each_of_its_values(cases: Path, tmp_path: Path) -> None:
    """16, 17 and 31 are all HIGH (value 16, maxValue 31); a label that stands twice, either."""
    assert rows(cases / "label_of_a_range", tmp_path / "a") == {"One": 3}
    assert rows(cases / "label_twice", tmp_path / "b") == {"One": 2}


def test_a_label_of_several_values_in_a_context(cases: Path, tmp_path: Path) -> None:
    case = cases / "label_in_context_alarm"
    assert heartline("mission", "init", case / "x.xml", "--out", tmp_path / "m").exit_code == 0
    done = heartline("run", case / "p.bin", "--mission", tmp_path / "m", "--out", tmp_path / "o")
    assert done.exit_code == 0, done.output
    alerts = [orjson.loads(x) for x in (tmp_path / "o" / "alerts.jsonl").read_bytes().splitlines()]
    assert [a["level_after"] for a in alerts if a["monitor"]["kind"] == "limit"] == [
        "critical",
        "normal",
    ]


def alerts_of(case: Path, out: Path) -> list[tuple[str, str, str]]:
    """(kind, transition, level after) of what `run` says."""
    done = heartline("run", case / "packets.bin", "--mission", case / "mission", "--out", out)
    assert done.exit_code == 0, done.output
    alerts = [orjson.loads(x) for x in (out / "alerts.jsonl").read_bytes().splitlines()]
    return [(a["monitor"]["kind"], a["transition"], a["level_after"]) for a in alerts]


@pytest.mark.parametrize(("case", "wrong"), [("clock_near", 1), ("clock_two", 2)])
def test_a_stamp_that_is_off_silences_nobody(
    cases: Path, tmp_path: Path, case: str, wrong: int
) -> None:
    found = alerts_of(cases / case, tmp_path)
    assert ("limit", "raised", "critical") in found
    assert ("residual", "raised", "watch") in found  # models go on
    assert not [kind for kind, _, _ in found if kind in ("clock", "refused")]
    told = orjson.loads((tmp_path / "summary.json").read_bytes())
    assert told["rejected"] == {"time_jump": wrong}


def test_recorded_data_beside_live_have_alarms_of_their_own(cases: Path, tmp_path: Path) -> None:
    found = alerts_of(cases / "recorded_beside_live", tmp_path)
    assert [x for x in found if "limit" in x[0]] == [
        ("recorded_limit", "raised", "critical"),
        ("recorded_limit", "cleared", "normal"),
    ]


def test_a_segment_is_never_a_packet(cases: Path, tmp_path: Path) -> None:
    """A packet in three segments: refused by APID, or put together; nothing of it alone."""
    case = cases / "segments"
    done = heartline("decode", case / "p.bin", "--mdb", case / "x.xml", "--out", f"{tmp_path}/a/")
    assert "refused segment: 3 (3 APID 5)" in done.output
    assert "segmented_apids" in done.output
    assert not list((tmp_path / "a").glob("*"))
    assert heartline("mission", "init", case / "x.xml", "--out", tmp_path / "m").exit_code == 0
    given = ("--mission", tmp_path / "m", "--out", tmp_path / "o")
    assert "refused segment: 3 (3 APID 5)" in heartline("run", case / "p.bin", *given).output
    with (tmp_path / "m" / "mission.toml").open("a") as file:
        file.write("segmented_apids = [5]\n")
    told = heartline("run", case / "p.bin", *given).output
    assert "refused segment" not in told
    assert "refused trailing_bytes: 1 (1 APID 5 of A)" in told  # it has more than the database


def test_an_apid_that_no_database_knows_costs_no_other(cases: Path, tmp_path: Path) -> None:
    """APIDs 5 and 77 in turn, the database knows 5: in step, the length field decides."""
    case = cases / "unknown_apid_alternating"
    done = heartline("decode", case / "p.bin", "--mdb", case / "x.xml", "--out", f"{tmp_path}/")
    assert "500" in done.output
    assert "refused no_container: 500 (500 APID 77)" in done.output
    assert rows(case, tmp_path / "again") == {"A": 500}


def test_a_length_that_lies_costs_its_own_packet(cases: Path, tmp_path: Path) -> None:
    assert rows(cases / "flipped_length_bit", tmp_path) == {"A": 99}


def test_a_member_by_a_slash(cases: Path, tmp_path: Path) -> None:
    assert rows(cases / "member_by_slash", tmp_path) == {"Rep": 3}


def test_an_adjustment_without_a_slope(cases: Path, tmp_path: Path) -> None:
    case = cases / "adjustment_without_slope"
    assert rows(case, tmp_path) == {"Rep": 3}
    told = heartline("mdb", "check", case / "x.xml").output
    assert "no slope, and XTCE 1.2 gives no default: read as 1" in told


# --- recordings ------------------------------------------------------------------------------------


def imported(path: Path, out: Path, *more: str) -> tuple[str, list[list[str]]]:
    """What `import` says, and the rows of what it made, by `decode`: header, time and values."""
    done = heartline("import", path, "--out", out, *more)
    assert done.exit_code == 0, done.output
    table = out / "table.csv"
    given = ("--mdb", out / "xtce.xml", "--out", table)
    assert heartline("decode", out / "packets.bin", *given).exit_code == 0
    return done.output, [row[7:] for row in csv.reader(table.read_text().splitlines())]


def test_a_date_and_a_time_of_day_are_one_time(cases: Path, tmp_path: Path) -> None:
    _, table = imported(cases / "csv" / "datetime2.csv", tmp_path)
    assert [row[0] for row in table[1:]] == [
        "2026-01-01T10:30:25.000000000Z",
        "2026-01-01T10:30:26.000000000Z",
    ]
    assert [row[1] for row in table[1:]] == ["23.5", "23.6"]


def test_one_odd_cell_leaves_numbers_numbers(cases: Path, tmp_path: Path) -> None:
    told, table = imported(cases / "csv" / "one_odd_cell.csv", tmp_path)
    assert "soc: 64 bit number, no unit; 1 cell is no number ('--'), first at line 779" in told
    values = [float(row[1]) for row in table[1:]]
    assert len(values) == 1999
    assert sum(x != x for x in values) == 1


def test_a_time_that_goes_back_is_told_and_makes_no_gap(cases: Path, tmp_path: Path) -> None:
    path = cases / "csv" / "reset.csv"
    told, table = imported(path, tmp_path / "m")
    assert "time goes back 1 times, first at line 52 by 49 s" in told
    assert "--sort-time" in told
    assert [float(row[1]) for row in table[1:]] == [*range(50), *range(50)]
    given = ("--mission", tmp_path / "m", "--out", tmp_path / "o")
    done = heartline("run", tmp_path / "m" / "packets.bin", *given)
    assert "0 packets missing in 0 gaps" in done.output
    alerts = [orjson.loads(x) for x in (tmp_path / "o" / "alerts.jsonl").read_bytes().splitlines()]
    steps = [a for a in alerts if a["monitor"]["kind"] == "clock" and a["transition"] == "raised"]
    assert [round(a["clock"]["step_s"]) for a in steps] == [-50]
    _, table = imported(path, tmp_path / "sorted", "--sort-time")
    assert [float(row[1]) for row in table[1:]] == sorted(2 * [*range(50)])


def test_comments_are_passed_over(cases: Path, tmp_path: Path) -> None:
    told, table = imported(cases / "csv" / "hash.csv", tmp_path)
    assert "comment lines are passed over" in told
    assert table[0][1:] == ["Altitude", "Vertical_velocity"]
    assert [row[1] for row in table[1:]] == ["0.0", "0.1", "0.2"]


def test_a_record_that_is_cut_off_is_left_out(cases: Path, tmp_path: Path) -> None:
    told, table = imported(cases / "csv" / "last_line_cut.csv", tmp_path)
    assert "its last record is cut off ('3,2') and left out" in told
    assert [row[1] for row in table[1:]] == ["20.5", "20.6", "20.7"]


def test_a_ulog_that_is_cut_off(cases: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyulog.core")
    tables: dict[str, list[str]] = {}
    for name in ("trunc", "good"):
        out = tmp_path / name
        done = heartline("import", cases / "ulog" / f"{name}.ulg", "--out", out)
        assert done.exit_code == 0, done.output
        assert ("cut off in a message" in done.output) == (name == "trunc")
        given = ("--mdb", out / "xtce.xml", "--out", f"{out}/t/")
        assert heartline("decode", out / "packets.bin", *given).exit_code == 0
        every = sorted((out / "t").glob("*.csv"))
        tables[name] = [line for path in every for line in path.read_text().splitlines()[1:]]
    assert (len(tables["trunc"]), len(tables["good"])) == (599, 600)
    assert len(set(tables["good"]) - set(tables["trunc"])) == 1


def test_an_array_of_257(cases: Path, tmp_path: Path) -> None:
    case = cases / "dynamic_array_257"
    assert rows(case, tmp_path / "a") == {"X": 1}
    (header, row) = csv.reader((tmp_path / "a" / "X.csv").read_text().splitlines())
    named = dict(zip(header, row, strict=True))
    assert [named[f"D[{i}]"] for i in range(257)] == [str(i % 256) for i in range(257)]
    told = heartline("mdb", "check", case / "x.xml").output
    assert "limit: D of X: at most 1024 are read" in told
    packet = bytearray((case / "p.bin").read_bytes())
    more = 1025
    packet[6:8] = more.to_bytes(2, "big")
    packet[8:] = bytes(more)
    packet[4:6] = (len(packet) - 7).to_bytes(2, "big")
    (tmp_path / "more.bin").write_bytes(packet)
    given = ("--mdb", case / "x.xml", "--out", f"{tmp_path}/b/")
    told = heartline("decode", tmp_path / "more.bin", *given).output
    assert "refused too_many: 1 (1 APID 9 of X): D of X comes 1025 times, 1024 are read" in told


def test_packets_without_a_time(cases: Path, tmp_path: Path) -> None:
    """Numbers take its place, said aloud; every sample that is told is in the file."""
    case, mission = cases / "no_time_in_packets", tmp_path / "m"
    assert heartline("mission", "init", case / "x.xml", "--out", mission).exit_code == 0
    assert "2 containers have no time of their own" in heartline("check", mission).output
    begin = 1_767_225_600_000_000_000
    for more, first, step in (
        ((), 0, 10**9),
        (("--begin", "2026-01-01", "--hz", "0.1"), begin, 10**10),
    ):
        out = tmp_path / f"o{first}"
        done = heartline("run", case / "p.bin", "--mission", mission, "--out", out, *more)
        assert "no packet has a time of its own" in done.output
        assert "6 packets, 48 samples" in done.output
        tables = [ipc.open_stream(p.read_bytes()).read_all() for p in (out / "samples").iterdir()]
        times = sorted({t for table in tables for t in table["time_ns"].to_pylist()})
        assert times == [first + i * step for i in range(6)]
        # six seconds close no pane, a minute does
        with ipc.open_stream((out / "statistics.arrow").read_bytes()) as statistics:
            assert bool(statistics.read_all().num_rows) == bool(more)
