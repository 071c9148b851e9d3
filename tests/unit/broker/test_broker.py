"""The embedded broker's port, and the end of its command."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from agents.broker.embedded import EmbeddedBroker, broker_binary, free_port
from agents.host.errors import BrokerError
from agents.settings import Settings


def test_a_port_that_is_taken_is_refused() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with (
            pytest.raises(BrokerError, match="cannot be used"),
            EmbeddedBroker(other.getsockname()[1]),
        ):
            pass


def listens(port: int) -> bool:
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.broker
def test_sigterm_takes_the_broker_along() -> None:
    try:
        broker_binary()
    except BrokerError as error:
        pytest.skip(f"embedded broker: {error}")
    port = free_port()
    command = subprocess.Popen(
        [sys.executable, "-m", "agents", "broker", "--port", str(port)],
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 30
    while not listens(port) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert listens(port)
    time.sleep(0.3)  # until the command has said that it is up
    os.kill(command.pid, signal.SIGTERM)
    assert command.wait(15) == 0
    assert not listens(port)


@pytest.mark.parametrize("raised", [KeyboardInterrupt, BrokerError])
def test_an_interrupt_before_it_listens_takes_it_along(
    monkeypatch: pytest.MonkeyPatch, raised: type[BaseException]
) -> None:
    started: list[subprocess.Popen[bytes]] = []

    def interrupted(self: EmbeddedBroker) -> None:
        assert self._process
        started.append(self._process)
        raise raised

    monkeypatch.setattr("agents.broker.embedded.broker_binary", lambda: "/bin/cat")
    monkeypatch.setattr(EmbeddedBroker, "_wait", interrupted)
    with pytest.raises(raised), EmbeddedBroker():
        pass
    assert started[0].returncode is not None


def test_a_namespace_has_groups_of_its_own() -> None:
    assert Settings(namespace="replay").group_on_wire != Settings().group_on_wire
