"""Contract 6: a topic and a figure are a row each."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from schemas import topics
from tests.conftest import PROJECT


def test_a_topic_that_is_added_stands_everywhere() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.contracts.fly_topic"], cwd=PROJECT, check=False,
        capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "it stands\n"), done.stderr[-3000:]


def test_a_figure_that_is_added_moves_no_other(tmp_path: Path) -> None:
    """A figure before the extremes once broke the quantiles: they were found by index."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.contracts.fly_figure"], cwd=PROJECT, check=False,
        capture_output=True, text=True, env=os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)},
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "it is counted\n"), done.stderr[-3000:]


@pytest.mark.parametrize("topic", topics.TOPICS, ids=lambda t: t.name)
def test_the_docs_have_it(topic: topics.Topic) -> None:
    partitions = "as telemetry.raw" if topic.partitioned else "1"
    if topic.name == topics.RAW:
        partitions = "`partitions`"
    row = f"| {topic.name} | {topic.key} | {partitions} | {topic.kept} |"
    assert row in (PROJECT / "docs" / "topics.md").read_text().splitlines(), f"missing: {row}"


def test_every_schema_that_is_named_is_there() -> None:
    for topic in topics.TOPICS:
        if topic.schema:
            assert (PROJECT / "schemas" / "json" / topic.schema).exists()
