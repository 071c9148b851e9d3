"""The wheel, installed and used in another folder: nothing of the checkout is there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import PROJECT


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the wheel holds; what it depends on is this environment's."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"  # setuptools leaves its own files beside what it builds
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.split("\0")
    if not any(names):
        pytest.skip("not a checkout of git: what belongs to the wheel is not known")
    for name in filter(None, names):
        if (PROJECT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((PROJECT / name).read_bytes())
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run(
        [*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", str(folder), str(source)],
        check=True,
        capture_output=True,
        timeout=120,
    )
    (wheel,) = folder.glob("*.whl")
    target = folder / "site"
    subprocess.run([*pip, "install", "--no-deps", "--target", str(target), str(wheel)],
                   check=True, capture_output=True, timeout=120)  # fmt: skip
    return target


def heartline(installed: Path, cwd: Path, *given: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    return subprocess.run(
        [sys.executable, "-m", "agents", *given], cwd=cwd, env=environment, capture_output=True,
        text=True, timeout=240, check=False,
    )  # fmt: skip


def test_it_flies_in_another_folder(installed: Path, tmp_path: Path) -> None:
    where = "import agents, pipeline, schemas; print(agents.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", where], cwd=tmp_path, capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(installed)},
    )  # fmt: skip
    assert str(installed) in done.stdout
    done = heartline(installed, tmp_path, "simulate", "--out", "f", "--start", "-3", "--end", "1")
    assert done.returncode == 0, done.stderr
    for given in (
        ("check", "f"),
        ("run", "f/packets.bin", "--mission", "f", "--out", "out"),
        ("mission", "init", "f/hl1.xml", "--out", "m"),
        ("mdb", "show", "f/hl1.xml"),
    ):
        done = heartline(installed, tmp_path, *given)
        assert done.returncode == 0, (given, done.stderr)
    assert {p.name for p in tmp_path.iterdir()} == {"f", "out", "m"}


def test_the_demo_s_mission_and_the_lock_of_kafka_are_in_it(installed: Path) -> None:
    assert (installed / "missions" / "demo" / "hl1.xml").is_file()
    assert (installed / "missions" / "demo" / "mission.toml").is_file()
    assert [*(installed / "agents" / "broker").glob("kafka-*.sha256")]
    assert [*(installed / "schemas" / "json").glob("*.json")]
    assert not (installed / "tests").exists()
