"""Kafka on this machine: the process that is stopped is its own, and so are the files that run."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from agents.broker import apache
from agents.broker.apache import LOCK, Cluster, Node, jars
from agents.cli import main
from agents.host.errors import BrokerError
from agents.host.hashes import difference, locked
from agents.host.process import begun, is_the_one, send

WAITS = "import sys; print('up', flush=True); sys.stdin.read()"


@contextmanager
def harmless(*named: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that does nothing, with these words in its command line."""
    process = subprocess.Popen(
        [sys.executable, "-c", WAITS, *named], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin
    assert process.stdout
    try:
        assert process.stdout.readline() == b"up\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def kept(folder: Path, *nodes: dict[str, object]) -> str:
    folder.mkdir()
    (folder / "cluster.json").write_text(json.dumps(nodes))
    return str(folder)


NODE = {"node": 1, "port": 1, "controller": 2}


@pytest.mark.parametrize("old", [False, True])
def test_stop_ends_no_process_that_has_the_number_now(tmp_path: Path, old: bool) -> None:
    """In the file of this version, and in one that knows the number alone."""
    with harmless("some", "editor") as stranger:
        more = {} if old else {"begun": begun(stranger.pid) - 1, "config": "editor"}
        folder = kept(tmp_path / "kafka", {**NODE, "pid": stranger.pid, **more})
        status = CliRunner().invoke(main, ["kafka", "status", "--folder", folder])
        assert (status.exit_code, "down" in status.output) == (1, True)
        done = CliRunner().invoke(main, ["kafka", "stop", "--folder", folder])
        assert done.exit_code == 0, done.output
        assert stranger.poll() is None


def test_stop_ends_its_own(tmp_path: Path) -> None:
    with harmless("kafka.Kafka", "/x/server.properties") as broker:
        same = {"pid": broker.pid, "begun": begun(broker.pid), "config": "/x/server.properties"}
        folder = kept(tmp_path / "kafka", {**NODE, **same})
        assert Cluster(Path(folder)).nodes[0].alive
        assert CliRunner().invoke(main, ["kafka", "stop", "--folder", folder]).exit_code == 0
        assert broker.wait(20) == -signal.SIGTERM
        assert Cluster(Path(folder)).nodes == [
            Node(**NODE, config="/x/server.properties", begun=same["begun"])
        ]  # type: ignore[arg-type]


def test_a_process_is_known_by_when_it_began_and_what_it_runs() -> None:
    with harmless("server.properties") as one:
        since = begun(one.pid)
        assert since
        assert is_the_one(one.pid, since, "server.properties")
        assert is_the_one(one.pid, 0, "server.properties")
        assert not is_the_one(one.pid, since, "other.properties")
        assert not is_the_one(one.pid, since + 1, "server.properties")
        assert not send(one.pid, since + 1, "server.properties", signal.SIGKILL)
        assert one.poll() is None
        assert send(one.pid, since, "server.properties", signal.SIGKILL)
        while begun(one.pid):  # dead, and not waited for
            pass
        assert not is_the_one(one.pid, since, "server.properties")
    assert not send(one.pid, since, "server.properties", signal.SIGKILL)
    for number in (0, -1, -(2**31)):  # of a group, of all, of none
        assert not send(number, 0, "", signal.SIGKILL)


@pytest.mark.parametrize("text", ["", "[", "{}x", '[{"node": 1}]', '[{"shell": 1}]', "[3]"])
def test_a_damaged_file_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "cluster.json").write_text(text)
    done = CliRunner().invoke(main, ["kafka", "stop", "--folder", str(tmp_path)])
    assert done.exit_code == 1
    assert "cluster.json cannot be read" in done.stderr


# --- what Maven brings -------------------------------------------------------------------------


def test_the_lock_is_of_all_that_kafka_needs() -> None:
    lock = locked(LOCK)
    assert f"kafka_2.13-{apache.VERSION}.jar" in lock
    assert all(len(digest) == 64 and int(digest, 16) for digest in lock.values())
    assert all(name.endswith(".jar") and "/" not in name for name in lock)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of two files, fetched and locked."""
    libs = tmp_path / "cache" / "libs"
    libs.mkdir(parents=True)
    (tmp_path / "cache" / "done").touch()
    lines = []
    for name in ("a.jar", "b.jar"):
        (libs / name).write_bytes(name.encode())
        lines.append(f"{hashlib.sha256(name.encode()).hexdigest()}  {name}\n")
    (tmp_path / "lock").write_text("".join(lines))
    monkeypatch.setattr(apache, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(apache, "LOCK", tmp_path / "lock")
    monkeypatch.setattr(apache, "_need", lambda *_: None)
    monkeypatch.delenv("KAFKA_HOME", raising=False)
    return libs


def test_what_is_as_it_was_is_taken(cache: Path) -> None:
    assert jars() == f"{cache}/*"


def test_what_is_not_is_refused_by_name(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (cache / "c.jar").write_bytes(b"")
    with pytest.raises(BrokerError, match=r"c\.jar is not of it"):
        jars()
    (cache / "c.jar").unlink()
    (cache / "b.jar").write_bytes(b"b.jaR")
    with pytest.raises(BrokerError, match=r"b\.jar has SHA-256 .*Delete .*cache and start again"):
        jars()
    (cache / "b.jar").unlink()
    with pytest.raises(BrokerError, match=r"b\.jar is missing"):
        jars()
    monkeypatch.setenv("KAFKA_HOME", str(cache.parent))  # the operator's own, whose libs these are
    assert jars() == f"{cache}/*"


def test_what_maven_brought_just_now_is_checked_too(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And is not taken for fetched the next time."""
    (cache.parent / "done").unlink()

    def maven(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        (cache / "b.jar").write_bytes(b"other")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", maven)
    with pytest.raises(BrokerError, match=r"b\.jar has SHA-256"):
        jars()
    assert not (cache.parent / "done").exists()


def test_the_real_ones_are_those_of_the_lock() -> None:
    libs = Path(apache.CACHE) / "libs"
    if not (libs.parent / "done").exists():
        pytest.skip("Apache Kafka has not been fetched on this machine")
    assert difference(libs, locked(LOCK)) is None


def test_a_process_that_has_just_begun_has_no_command_line_yet(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Between fork and exec nothing names it; when it began is known, and that is enough."""
    import agents.host.process as process

    mine = process.begun(os.getpid())
    if not mine:
        pytest.skip("no /proc here: when a process began is not known")
    monkeypatch.setattr(process, "_command", lambda pid: "")  # noqa: ARG005
    assert process.is_the_one(os.getpid(), mine, "server.properties")
    assert not process.is_the_one(os.getpid(), mine + 1, "server.properties")
    assert not process.is_the_one(os.getpid(), 0, "server.properties")
