"""The broker is away for a minute while packets come, and ingest is killed (`outage.py`)."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.integration.outage import outage


@pytest.mark.kafka
def test_a_minute_without_a_broker(tmp_path: Path) -> None:
    outage(60.0, tmp_path, lambda line: sys.stdout.write(f"{line}\n") and None)
