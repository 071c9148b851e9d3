"""A short fuzz in every test run: `make fuzz` is the long one (docs/fuzz.md)."""

from __future__ import annotations

import pytest

from tests.fuzz.catalog import TARGETS
from tests.fuzz.run import run, warm
from tests.fuzz.targets import Target

BYTES = 400_000  # of each target; texts are dearer, so they have fewer


# A kept seed: new ones are what `make fuzz` looks with. This one found something in its long run.
SEED = 3333645644


@pytest.fixture
def seed() -> int:
    return SEED


@pytest.fixture(scope="module", autouse=True)
def compiled() -> None:
    warm()


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: t.name)
def test_nothing_unaccounted_and_no_surprise(target: Target, seed: int) -> None:
    tallies, finds = run(seed, BYTES, [target], least=20)
    assert not finds, f"--seed {seed} --target '{target.name}': {finds[0]}"
    assert tallies[target.name].bytes >= BYTES


def test_most_of_the_bytes_are_valid_input_that_was_changed(seed: int) -> None:
    tallies, _ = run(seed, 1_000_000, least=20)
    assert sum(t.mutated for t in tallies.values()) > sum(t.bytes for t in tallies.values()) / 2


def test_a_seed_repeats_its_inputs(seed: int) -> None:
    chosen = TARGETS[:2]
    first, again = (run(seed, 1000, chosen, least=3)[0] for _ in range(2))
    for target in chosen:
        a, b = first[target.name], again[target.name]
        assert (a.bytes, a.mutated, a.refused) == (b.bytes, b.mutated, b.refused)
