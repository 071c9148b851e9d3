"""The units of systemd: well formed, confined, and what they start stands being confined.

systemd is not PID 1 everywhere, so the start is made as a unit would make it: another user without
privileges, a root that is read-only, and places to write of its own.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agents.broker.embedded import EmbeddedBroker, broker_binary, free_port
from agents.host.errors import BrokerError
from agents.warm import warm_up
from pipeline.kernel import CACHE
from tests.conftest import PROJECT

UNITS = PROJECT / "deploy" / "systemd"
WORKER, INGEST = "heartline.service", "heartline-ingest@.service"
DESK = "heartline-desk.service"
PROGRAM, CONFIG, LINK = "/opt/heartline/bin/heartline", "/etc/heartline/heartline.toml", "demo"
MOST_EXPOSED = 1.5  # of 10, by systemd's own count
USER = 54_321  # nobody's
READY_S, STOPPED_S = 30, 20
HOMES = ("/home", "/root")
# homes are emptied but for what this test itself is made of; every mount but the kernel's own
# becomes read-only, unless it is one of the three folders; privileges go
CONFINED = r"""
set -eu
for place in $NEEDED; do
    mkdir -p "$TMPDIR/aside$place"
    mount --rbind "$place" "$TMPDIR/aside$place"
done
for home in $HOMES; do mount -t tmpfs -o mode=755 none "$home"; done
for place in $NEEDED; do
    mkdir -p "$place"
    mount --move "$TMPDIR/aside$place" "$place"
done
for place in "$STATE_DIRECTORY" "$CACHE_DIRECTORY" "$TMPDIR"; do mount --bind "$place" "$place"; done
findmnt --raw --noheadings --output TARGET | while read -r at; do
    case "$at" in
        /proc*|/sys*|/dev*|"$STATE_DIRECTORY"|"$CACHE_DIRECTORY"|"$TMPDIR") ;;
        *) mount -o remount,bind,ro "$at" ;;
    esac
done
cd "$STATE_DIRECTORY"
exec setpriv --reuid "$0" --regid "$0" --clear-groups --no-new-privs --bounding-set=-all -- "$@"
"""


def needed() -> list[str]:
    """Folders in people's homes without which nothing starts here: of Python, and of this tree."""
    mine = {Path(sys.base_prefix), Path(sys.prefix), PROJECT}
    whole = [m for m in mine if not any(m != other and m.is_relative_to(other) for other in mine)]
    return [str(m) for m in whole if any(m.is_relative_to(home) for home in HOMES)]


@pytest.fixture
def analyze(tmp_path: Path) -> Path:
    """A copy of the units whose program exists."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed (Debian's package `systemd`)")
    for name in (WORKER, INGEST, DESK):
        (tmp_path / name).write_text((UNITS / name).read_text().replace(PROGRAM, "/bin/true"))
    return tmp_path


@pytest.mark.parametrize("name", [WORKER, DESK, INGEST.replace("@", f"@{LINK}")])
def test_systemd_understands_every_line(name: str, analyze: Path) -> None:
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(analyze / name)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", [WORKER, INGEST, DESK])
def test_systemd_finds_them_confined(name: str, analyze: Path) -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager",
         f"--threshold={MOST_EXPOSED * 10:.0f}", str(analyze / name)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def places() -> Iterator[dict[str, str]]:
    """State, caches and a temporary folder of the unit's user, with the kernels already there."""
    warm_up()
    # pytest's own folders are closed to other users
    with tempfile.TemporaryDirectory(prefix="heartline-unit-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        kernels = Path(CACHE)
        shutil.copytree(kernels, folder / "cache" / kernels.name)
        for place in ("state", "tmp"):
            (folder / place).mkdir()
        for path in (
            folder / "state",
            folder / "tmp",
            *(folder / "cache").rglob("*"),
            folder / "cache",
        ):
            os.chown(path, USER, USER)
        yield {
            "STATE_DIRECTORY": f"{folder}/state",
            "CACHE_DIRECTORY": f"{folder}/cache",
            "TMPDIR": f"{folder}/tmp",
        }


def command(unit: str, config: Path) -> list[str]:
    """The unit's ExecStart, of this tree and with these settings."""
    (line,) = re.findall(r"^ExecStart=(.+)$", (UNITS / unit).read_text(), re.MULTILINE)
    words = shlex.split(line.replace(CONFIG, str(config)).replace("%i", LINK))
    assert words[0] == PROGRAM
    assert str(config) in words
    return [sys.executable, "-m", "agents", *words[1:]]


@contextmanager
def started(
    unit: str, config: Path, places: dict[str, str]
) -> Iterator[tuple[subprocess.Popen[bytes], socket.socket]]:
    """The unit's program, confined, and where it tells how it does; stopped as systemd would."""
    told = Path(places["TMPDIR"]) / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(str(told))
        told.chmod(0o666)
        ear.settimeout(READY_S)
        environment = {
            **places, "NOTIFY_SOCKET": str(told), "PYTHONPATH": str(PROJECT),
            "PATH": os.environ["PATH"], "HOME": "/nonexistent",
            "HOMES": " ".join(HOMES), "NEEDED": " ".join(needed()),
        }  # fmt: skip
        log = config.with_suffix(".log")
        with log.open("wb") as out:
            process = subprocess.Popen(
                ["unshare", "--mount", "--propagation", "private", "sh", "-c", CONFINED, str(USER),
                 *command(unit, config)],
                env=environment, stdout=out, stderr=out,
            )  # fmt: skip
        try:
            yield process, ear
            process.send_signal(signal.SIGTERM)
            assert process.wait(STOPPED_S) == 0, log.read_text()
        except (AssertionError, TimeoutError) as error:
            raise AssertionError(f"{error}\n{log.read_text()}") from None
        finally:
            process.kill()
            process.wait()


def ready(ear: socket.socket) -> None:
    """TimeoutError where the program does not say so within READY_S of each other word."""
    while "READY=1" not in ear.recv(4096).decode().splitlines():
        pass


@pytest.mark.broker
@pytest.mark.parametrize("unit", [WORKER, INGEST, DESK])
def test_starts_confined(unit: str, places: dict[str, str]) -> None:
    if os.geteuid():
        pytest.skip("only root can start another user's program with a read-only root")
    try:
        broker_binary()
    except BrokerError as error:
        pytest.skip(f"embedded broker: {error}")
    metrics, desk, packets = free_port(), free_port(), free_port()
    config = Path(places["STATE_DIRECTORY"]).parent / "heartline.toml"
    with EmbeddedBroker() as broker:
        config.write_text(
            f'bootstrap = "{broker.bootstrap}"\nmetrics_port = {metrics}\n'
            f'[sources.{LINK}]\nmission = "{PROJECT}/missions/demo"\n'
            f"[desk]\nport = {free_port()}\nmetrics_port = {desk}\n"
            f'[ingest.{LINK}]\ninputs = ["udp://127.0.0.1:{packets}"]\nsource = "{LINK}"\n'
        )
        with started(unit, config, places) as (process, ear):
            ready(ear)
            if unit != INGEST:
                wait_healthy(f"http://127.0.0.1:{metrics if unit == WORKER else desk}/healthz")
            assert uid(process.pid) == USER


def wait_healthy(url: str) -> None:
    """A worker says first what it still waits for; AssertionError with that past READY_S."""
    deadline = time.monotonic() + READY_S
    why = ""
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except urllib.error.HTTPError as error:
            why = error.read().decode()
            time.sleep(0.1)
    raise AssertionError(why)


def uid(pid: int) -> int:
    (line,) = re.findall(r"^Uid:\t(\d+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return int(line)
