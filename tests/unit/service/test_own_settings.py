"""What one test's command sets is gone in the next (`own_settings` of conftest.py)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from agents.broker.security import ENVIRONMENT, Security, in_use
from agents.cli import main


@pytest.mark.parametrize("turn", [1, 2])
def test_the_broker_s_settings_are_of_one_test(tmp_path: Path, turn: int) -> None:
    """Whichever of the two comes first."""
    assert ENVIRONMENT not in os.environ
    assert in_use() == Security(), turn
    file = tmp_path / "kafka.toml"
    file.write_text('"allow.plaintext" = ["broker"]\n')
    CliRunner().invoke(main, ["--kafka-config", str(file), "topics", "--help"])
    assert os.environ[ENVIRONMENT] == str(file)
    assert in_use() != Security()
