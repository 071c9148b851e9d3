"""Small inputs from the field that came out wrong, and the right answers (`CASES`)."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner

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
        "critical", "normal"
    ]  # fmt: skip


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
    assert "no slope: read as 1, not as the schema's default of 0" in told
