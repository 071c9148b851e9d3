"""The schema that an editor uses says what the loader takes."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator, ValidationError

from agents.cli import main
from pipeline.errors import MissionError
from pipeline.mission.folder import read_settings
from pipeline.mission.schema import mission_schema

PROJECT = Path(__file__).parents[3]
VALIDATOR = Draft202012Validator(mission_schema())


@pytest.mark.parametrize("mission", sorted((PROJECT / "missions").glob("*/mission.toml")), ids=str)
def test_our_missions_are_valid(mission: Path) -> None:
    VALIDATOR.validate(tomllib.loads(mission.read_text()))


@pytest.mark.parametrize(
    "wrong",
    [
        {"nam": "x"},
        {"name": "x", "colour": "red"},
        {"name": 5},
        {"name": "x", "time": {"epok": "1970-01-01"}},
        {"name": "x", "resample": [{"match": "*", "hz": "fast"}]},
        {"name": "x", "ignore": "P"},
        {"name": "x", "alarms": {"P": {"critical": [1.0]}}},
        {"name": "x", "alarms": {"P": {"purple": [1.0, 2.0]}}},
    ],
    ids=str,
)
def test_both_refuse(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        VALIDATOR.validate(wrong)
    with pytest.raises(MissionError):
        read_settings(dict(wrong))


def test_the_command_prints_it() -> None:
    done = CliRunner().invoke(main, ["mission", "schema"])
    assert done.exit_code == 0
    Draft202012Validator.check_schema(orjson.loads(done.stdout))
    assert orjson.loads(done.stdout) == mission_schema()


def test_explain_tells_from_bits_to_alert() -> None:
    demo = str(PROJECT / "missions" / "demo")
    done = CliRunner().invoke(main, ["check", demo, "--explain", "PC"])
    assert done.exit_code == 0, done.output
    for word in (
        "at bit",
        "critical",
        "min violations",
        "resample",
        "flat",
        "time to limit",
        "118",
    ):
        assert word in done.output
    wrong = CliRunner().invoke(main, ["check", demo, "--explain", "TP_VIB"])
    assert wrong.exit_code == 1
    assert "TP_VIB_BRG" in wrong.output
