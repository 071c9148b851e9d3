"""Contract 4: a family is a file and a line, and its name is used nowhere else."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from pipeline.chain.alert_schema import as_text, brought_up, published
from pipeline.models.families import BY_NAME, FAMILIES
from pipeline.models.shared.family import Family
from tests.conftest import PROJECT

DOCS = PROJECT / "docs" / "models.md"


def run(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=PROJECT, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_one_that_is_added_flies_trains_and_is_told_of() -> None:
    assert run("-m", "tests.contracts.fly_added") == "it flies\n"


def test_one_that_is_added_keeps_the_laws() -> None:
    told = run(
        "-m", "pytest", "-p", "tests.contracts.added_family", "tests/laws/test_laws.py", "-k",
        "steady", "-q",
    )  # fmt: skip
    # chunks, causality, resume, memory, total, and score before learn
    assert re.match(r"\.{6} ", told), told


def test_the_published_schema_has_all_of_them() -> None:
    now = published()
    made = brought_up(now)
    assert made == now, "bring it up to date: python -m pipeline.chain.alert_schema"
    assert as_text(made)


def row(family: type[Family]) -> str:
    on = "on" if family.Rule().enabled else "trained" if family.trained_alone else "off"
    return f"| {family.name} | {on} | {family.sees} | {family.theta} |"


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.name)
def test_the_docs_have_it(family: type[Family]) -> None:
    assert row(family) in DOCS.read_text().splitlines(), f"docs/models.md lacks: {row(family)}"


# family names that are also ordinary words, names of other packages or published API
OTHERWISE = {"level", "flat", "shape", "bands", "residual", "activity"}


def test_no_name_of_one_stands_elsewhere() -> None:
    names = "|".join({*BY_NAME} - OTHERWISE)
    texts = re.compile(rf"[\"'](?:{names})[\"']|\bmodels\.(?:{'|'.join(BY_NAME)})\b")
    for room in ("schemas", "pipeline", "agents"):
        for path in (PROJECT / room).rglob("*.py"):
            name = path.relative_to(PROJECT).as_posix()
            if name == "pipeline/models/families.py" or path.stem in BY_NAME:
                continue
            found = [t for t in texts.findall(path.read_text()) if t]
            assert not found, f"{name}: {found}"
