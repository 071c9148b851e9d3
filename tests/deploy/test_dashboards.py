"""The dashboards that ship are those of their code, and what they ask for is exposed."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from deploy.dashboards.__main__ import BOARDS, FOLDER, written
from tests.conftest import PROJECT


def board(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text())


def test_the_folder_holds_these_and_no_others() -> None:
    assert sorted(p.stem for p in FOLDER.glob("*.json")) == sorted(BOARDS)


@pytest.mark.parametrize("name", BOARDS)
def test_what_ships_is_what_the_code_makes(name: str) -> None:
    assert (FOLDER / f"{name}.json").read_text() == written(name), "run `make dashboards`"


@pytest.mark.parametrize("name", BOARDS)
def test_a_board_works_in_any_grafana(name: str) -> None:
    """No data source by a fixed name; every panel says what it shows; a way to the others."""
    made = board(name)
    text = json.dumps(made)
    source = "alerts_db" if name == "alerts" else "datasource"
    assert set(re.findall(r'"uid": "([^"]+)"', text)) == {made["uid"], f"${{{source}}}"}
    assert [v["name"] for v in made["templating"]["list"]][:2] == [source, "source"]
    assert made["links"][0]["type"] == "dashboards"
    panels = [p for p in made["panels"] if p["type"] != "row"]
    assert [p["title"] for p in panels if not p.get("description")] == []
    for one in panels:
        at = one["gridPos"]
        assert at["x"] + at["w"] <= 24, one["title"]


def test_every_board_is_told_of_in_the_docs() -> None:
    page = (PROJECT / "docs" / "dashboards.md").read_text()
    assert [n for n in BOARDS if f"## {n.capitalize()}" not in page] == []
