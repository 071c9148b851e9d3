"""`heartline demo` interrupted in flight: it ends soon, and takes all that it started along."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from agents.broker.embedded import broker_binary, free_port
from agents.host.errors import BrokerError
from tests.integration.system import READY_S, wait_until

SOON_S = 30.0  # a second or two, on a machine that has nothing else to do

pytestmark = pytest.mark.broker


def children(pid: int) -> list[int]:
    """Processes that it started and that run."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_text().rsplit(")", 1)[1].split()[:2]
        except OSError:
            continue
        if int(parent) == pid and state != "Z":
            found.append(int(stat.parent.name))
    return found


def flown(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=2) as answer:
            lines = answer.read().decode().splitlines()
    except (urllib.error.URLError, OSError):
        return False
    return any(x.startswith("heartline_packets_total") and float(x.split()[-1]) > 0 for x in lines)


@pytest.mark.parametrize(
    ("number", "group"), [(signal.SIGINT, True), (signal.SIGTERM, False), (signal.SIGHUP, False)]
)
def test_an_interrupted_demo_ends_soon(tmp_path: Path, number: signal.Signals, group: bool) -> None:
    """By Ctrl-C, which all of its process group hears; by a supervisor; by a terminal's end."""
    if not Path("/proc/self/stat").exists():
        pytest.skip("children are found in /proc")
    try:
        broker_binary()
    except BrokerError as error:
        pytest.skip(f"embedded broker: {error}")
    port, log = free_port(), tmp_path / "demo.log"
    with log.open("wb") as out:
        demo = subprocess.Popen(
            [sys.executable, "-m", "agents", "demo", "--metrics-port", str(port), "--speed", "2"],
            stdout=out,
            stderr=out,
            start_new_session=True,
            # who runs the tests may ignore it (nohup), and what is ignored stays so
            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
        )
    started: list[int] = []
    try:
        wait_until(lambda: flown(port), READY_S, lambda: log.read_text(errors="replace")[-2000:])
        started = children(demo.pid)
        assert len(started) == 2, started  # broker and worker
        begun = time.monotonic()
        (os.killpg if group else os.kill)(demo.pid, number)
        assert demo.wait(SOON_S) == 0, log.read_text(errors="replace")[-2000:]
        print(f"{number.name}: {time.monotonic() - begun:.1f} s")  # noqa: T201 - pytest -s shows it
        assert not [pid for pid in started if Path(f"/proc/{pid}").exists()]
    finally:
        if demo.poll() is None:
            demo.kill()
            demo.wait()
        for pid in started:
            if Path(f"/proc/{pid}").exists():  # its parent did not end it: we do
                os.kill(pid, signal.SIGKILL)
