"""Contract 5: a check of an alarm is a file and a line."""

from __future__ import annotations

from tests.contracts.test_families import run


def test_one_that_is_added_speaks_and_is_told_of() -> None:
    assert run("-m", "tests.contracts.fly_check") == "it flies\n"


def test_one_that_is_added_keeps_the_laws() -> None:
    told = run(
        "-m", "pytest", "-p", "tests.contracts.added_check", "tests/laws/test_laws.py", "-k",
        "chain and not chains", "-q",
    )  # fmt: skip
    assert "....." in told, told
