"""Engines and bearings that ran to failure, by the musts of the figures in docs/benchmarks.md."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from agents.cli import main
from pipeline.errors import FlightError
from pipeline.scoring.bearing import bearings
from pipeline.scoring.cmapss import told


def test_engines_of_other_folds_are_told_as_published_methods_do(data: Path) -> None:
    (one,) = told(data / "prognostics/cmapss")
    assert (one.name, one.engines) == ("FD001, 10 folds by engine", 100)
    assert len(one.truth) == 1000
    assert one.rmse(one.said) < 15
    assert 0.87 <= one.inside <= 0.93
    assert one.rmse(one.said) < 0.5 * one.rmse(one.by_age)
    assert one.score(one.said) < 0.1 * one.score(one.by_age)


def test_bearings_that_failed_are_warned_of_a_day_before(data: Path) -> None:
    found = [*bearings(data / "prognostics/bearing")]
    failed = {(b.test, b.number): b.lead_h for b in found if b.failed}
    assert [*failed] == [("1st_test", 3), ("1st_test", 4), ("2nd_test", 1)]
    assert all(lead and lead >= 24 for lead in failed.values()), failed
    assert sum(len(b.warnings_h) for b in found if not b.failed) <= 2


@pytest.fixture
def engines(tmp_path: Path) -> Path:
    """A folder in NASA's layout: 20 engines that fail, 6 that are cut off, a sensor that wears."""
    random = np.random.default_rng(7)

    def written(name: str, units: int, whole: bool) -> list[int]:
        rows, left = [], []
        for unit in range(1, units + 1):
            n = int(random.integers(150, 250))
            last = n if whole else int(random.integers(60, n))
            wear = (np.arange(n) / n) ** 2
            for k in range(last):
                sensors = random.normal(0, 0.05, 21) + 100
                sensors[3] += wear[k]
                cells = [unit, k + 1, 0.0, 0.0, 100.0, *sensors.round(4)]
                rows.append(" ".join(map(str, cells)) + "  ")
            left.append(n - last)
        (tmp_path / name).write_text("\n".join(rows) + "\n")
        return left

    written("train_FD009.txt", 20, whole=True)
    left = written("test_FD009.txt", 6, whole=False)
    (tmp_path / "RUL_FD009.txt").write_text("\n".join(map(str, left)) + "\n")
    return tmp_path


def test_a_test_part_is_told_at_its_last_rows(engines: Path) -> None:
    folds, test = told(engines)
    assert (test.name, test.engines, test.cuts) == ("FD009, its test part", 6, 1)
    left = np.loadtxt(engines / "RUL_FD009.txt")
    assert test.truth.tolist() == np.minimum(left, 125).tolist()
    assert test.rmse(test.said) < test.rmse(test.by_age)
    assert folds.cuts == 10
    done = CliRunner().invoke(main, ["benchmark", "cmapss", str(engines)])
    assert done.exit_code == 0, done.output
    assert f"{folds.rmse(folds.said):.2f}" in done.output
    assert f"{test.rmse(test.said):.2f}" in done.output


def test_the_score_of_phm08_by_hand(engines: Path) -> None:
    """Late by 10 costs e - 1; early by 13 costs e - 1; right costs nothing."""
    _, test = told(engines)
    late, early = test.truth.copy(), test.truth.copy()
    late[0] += 10
    early[1] -= 13
    assert test.score(test.truth) == 0.0
    assert test.score(late) == pytest.approx(np.e - 1)
    assert test.score(early) == pytest.approx(np.e - 1)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("RUL_FD009.txt", "1\n2\n", "tells of 2 engines, and the test has 6"),
        ("train_FD009.txt", "1 2 3\n", "has 3 columns, not 26"),
        ("train_FD009.txt", "unit cycle\n", "cannot be read as numbers"),
    ],
)
def test_what_is_not_that_layout_is_refused(
    engines: Path, name: str, content: str, says: str
) -> None:
    (engines / name).write_text(content)
    with pytest.raises(FlightError, match=says):
        list(told(engines))


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    for command in ("cmapss", "bearing"):
        done = CliRunner().invoke(main, ["benchmark", command, str(tmp_path)])
        assert done.exit_code == 1
        assert f"{tmp_path}: holds no" in done.output.replace("\n", "")
