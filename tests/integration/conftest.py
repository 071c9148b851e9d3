from __future__ import annotations

from collections.abc import Iterator

import pytest

from agents.broker.embedded import EmbeddedBroker, broker_binary
from agents.host.errors import BrokerError
from agents.warm import warm_up


@pytest.fixture(scope="session", autouse=True)
def kernels() -> None:
    """No test waits for a worker that compiles: how long that takes is the machine's matter."""
    warm_up()


@pytest.fixture
def broker() -> Iterator[str]:
    """Bootstrap address of a fresh embedded broker."""
    try:
        broker_binary()
    except BrokerError as error:
        pytest.skip(f"embedded broker: {error}")
    with EmbeddedBroker() as running:
        yield running.bootstrap
