"""Apache Kafka clusters for tests, on free ports and gone when the test is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agents.broker.apache import Cluster, jars
from agents.host.errors import BrokerError


@contextmanager
def cluster(folder: Path, brokers: int = 1) -> Iterator[Cluster]:
    """A running cluster; skips with the reason where Kafka cannot be had."""
    try:
        jars()
    except BrokerError as error:
        pytest.skip(f"Apache Kafka: {error}")
    one = Cluster(folder / "kafka")
    one.make(brokers)
    try:
        one.start()
        yield one
    finally:
        one.stop()


@contextmanager
def kafka(folder: Path) -> Iterator[str]:
    """Bootstrap address of a fresh one-node cluster."""
    with cluster(folder) as one:
        yield one.bootstrap
