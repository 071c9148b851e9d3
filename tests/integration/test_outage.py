"""A minute of packets, for most of which the broker is away, and ingest is killed (`outage.py`)."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.integration.outage import outage


@pytest.mark.kafka
def test_a_broker_that_is_away(tmp_path: Path) -> None:
    outage(45.0, tmp_path, lambda line: sys.stdout.write(f"{line}\n") and None)
