"""Whom Alertmanager tells of what, by the routes that ship (amtool)."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from tests.conftest import PROJECT

FOLDER = PROJECT / "deploy" / "alertmanager"
FILES = ("alertmanager.yml", "example.yml")


def amtool(*arguments: str) -> str:
    if shutil.which("amtool") is None:
        pytest.skip("amtool is not installed (Debian's package `prometheus-alertmanager`)")
    done = subprocess.run(
        ["amtool", *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("name", FILES)
def test_it_is_valid(name: str) -> None:
    assert "SUCCESS" in amtool("check-config", str(FOLDER / name))


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        ({"severity": "watch", "escalated": "no"}, "nobody"),
        ({"severity": "warning", "escalated": "no"}, "shift"),
        ({"severity": "critical", "escalated": "no"}, "shift"),
        ({"severity": "critical", "escalated": "yes"}, "chief,shift"),
        ({"severity": "info"}, "nobody"),  # of the pipeline's own
        ({"severity": "critical"}, "shift"),
    ],
)
def test_who_is_told(name: str, labels: dict[str, str], receivers: str) -> None:
    told = [f"{key}={value}" for key, value in ({"alertname": "X"} | labels).items()]
    found = amtool("config", "routes", "test", f"--config.file={FOLDER / name}", *told)
    assert found == receivers
