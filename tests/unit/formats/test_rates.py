"""What a fresh mission says of how often its containers come."""

from __future__ import annotations

import tomllib
from typing import Any

import numpy as np

from pipeline.formats.rates import rate_rules
from pipeline.formats.spec import Column, Recorded, Table
from pipeline.mission.folder import read_settings
from schemas.columns import SECOND

HOUR = 3600.0


def table(name: str, seconds: Any) -> Recorded:
    columns = (Column(f"{name}_a", "f8"), Column(f"{name}_b", "f8"))
    times = np.round(np.asarray(seconds, np.float64) * SECOND).astype(np.int64)
    return Recorded(Table(name, 1, columns), times)


def rules(*recordings: Recorded) -> Any:
    """The text as a mission reads it."""
    told = tomllib.loads(rate_rules(recordings))
    read_settings({"name": "x", "xtce": "x.xml", **told})
    return told


def test_what_comes_once_a_second_or_faster_needs_no_words() -> None:
    assert rules(table("fast", np.arange(500) * 0.1), table("slow", np.arange(50) * 1.2)) == {}


def test_a_row_an_hour_has_a_grid_of_an_hour() -> None:
    told = rules(table("engine", np.arange(200) * HOUR))
    (rule,) = told["resample"]
    assert rule["match"] == "engine_*"
    assert round(1 / rule["hz"]) == HOUR
    assert rule["max_age_s"] == 5 * HOUR
    assert told["time"] == {"los_s": 5 * HOUR, "silence_s": 5 * HOUR, "jump_s": 5 * HOUR}


def test_what_is_sent_on_change_is_stale_after_twice_its_longest_silence() -> None:
    steady = table("imu", np.arange(3000) * 0.1)
    on_change = table("mode", [0.0, 10.0, 11.0, 130.0, 290.0])
    told = rules(steady, on_change)
    assert "time" not in told
    (rule,) = told["resample"]
    assert rule["match"] == "mode_*"
    assert 2 * 159 <= rule["max_age_s"] <= 2 * 161


def test_a_gap_of_the_whole_recording_is_no_silence_of_one() -> None:
    times = np.concatenate([np.arange(300) * 0.1, 1500 + np.arange(300) * 0.1])
    assert rules(table("imu", times), table("baro", times)) == {}


def test_times_that_are_none_do_not_count() -> None:
    """A topic of a ULog whose first stamp is 0, centuries before the others."""
    steady = np.arange(3000) * 0.1 + 3e9
    told = rules(table("imu", steady), table("mode", [0.0, 3e9 + 10, 3e9 + 200]))
    assert told["resample"][0]["max_age_s"] < 1000


def test_names_without_a_beginning_of_their_own_are_named_one_by_one() -> None:
    columns = (Column("x", "f8"), Column("engine_y", "f8"))
    mixed = Recorded(Table("t", 2, columns), table("t", np.arange(200) * HOUR).time_ns)
    told = rules(table("engine", np.arange(200) * 600.0), mixed)
    assert [r["match"] for r in told["resample"]] == ["engine_a", "engine_b", "x", "engine_y"]


def test_a_recording_without_rows_or_columns_has_no_rate() -> None:
    empty = Recorded(Table("t", 1, ()), table("t", np.arange(200) * HOUR).time_ns)
    assert rules(table("t", [])) == {}
    assert "resample" not in rules(empty)
