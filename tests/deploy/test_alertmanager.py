"""Whom Alertmanager tells of what, by the routes that ship (amtool)."""

from __future__ import annotations

from functools import partial

import pytest

from tests.conftest import PROJECT
from tests.deploy.tools import run_tool

FOLDER = PROJECT / "deploy" / "alertmanager"
FILES = ("alertmanager.yml", "example.yml")


amtool = partial(run_tool, "amtool", "prometheus-alertmanager")


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
    assert found.strip() == receivers
