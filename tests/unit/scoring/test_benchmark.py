"""The scoring rules by hand, and a folder of two channels from files to the table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import orjson
import pytest
from click.testing import CliRunner

from agents.cli import main
from pipeline.scoring.nab import Series, worth
from pipeline.scoring.nab import score as score_nab
from pipeline.scoring.rules import Tally, intervals, orion, telemanom
from pipeline.scoring.smap import channels


def test_telemanom_credits_the_first_overlapped_and_each_once() -> None:
    true = [(10, 20), (30, 40), (50, 60)]
    assert telemanom([(15, 35)], true) == Tally(1, 0, 2)  # overlaps two, credits the first
    assert telemanom([(15, 16), (18, 19)], true) == Tally(1, 0, 2)  # one truth, once
    assert telemanom([(21, 29)], true) == Tally(0, 1, 3)
    assert telemanom([(20, 20), (30, 30), (61, 70)], true) == Tally(2, 1, 1)  # ends are in


def test_orion_credits_every_truth_that_is_overlapped() -> None:
    true = [(10, 20), (30, 40), (50, 60)]
    assert orion([(15, 35)], true) == Tally(2, 0, 1)
    assert orion([(15, 16), (18, 19), (21, 29)], true) == Tally(1, 1, 2)


def test_figures_of_a_tally() -> None:
    both = Tally(3, 1, 0) + Tally(0, 0, 2)
    assert (both.precision, both.recall) == (3 / 4, 3 / 5)
    assert both.f1 == pytest.approx(2 * 0.75 * 0.6 / 1.35)
    assert Tally().f1 == 0.0


def test_runs_with_a_small_gap_are_one() -> None:
    odd = np.zeros(20, np.bool_)
    odd[[0, 3, 4, 8, 19]] = True
    assert intervals(odd) == [(0, 0), (3, 4), (8, 8), (19, 19)]
    assert intervals(odd, 2) == [(0, 4), (8, 8), (19, 19)]
    assert intervals(odd, 3) == [(0, 8), (19, 19)]


@pytest.fixture
def folder(tmp_path: Path, rng: np.random.Generator) -> Path:
    """Two channels of noise; one leaves its range where the labels say so."""
    for part, rows in (("train", 1500), ("test", 5000)):
        (tmp_path / part).mkdir()
        for name in ("A-1", "B-1"):
            x = rng.uniform(-1, 1, (rows, 25))
            if (part, name) == ("test", "A-1"):
                x[4500:4520, 0] = 9.0
            np.save(tmp_path / part / f"{name}.npy", x)
    (tmp_path / "labeled_anomalies.csv").write_text(
        "chan_id,spacecraft,anomaly_sequences,class,num_values\n"
        'A-1,SMAP,"[[4490, 4530]]",[point],5000\nB-1,SMAP,"[[100, 200]]",[point],5000\n'
        'C-1,SMAP,"[[1, 2]]",[point],5\n'
    )
    return tmp_path


def test_the_command_on_a_folder(folder: Path) -> None:
    """C-1 has no files; the label of B-1 is cropped away with the first 2,000 rows."""
    out = folder / "predicted.json"
    done = CliRunner().invoke(
        main, ["benchmark", "smap", str(folder), "--channels", "--out", str(out)]
    )
    assert done.exit_code == 0, done.output
    predicted = orjson.loads(out.read_bytes())
    assert any(first == 4500 for first, _ in predicted["A-1"])  # noise may break a record too
    assert predicted.keys() == {"A-1", "B-1"}
    assert "2 channels, 2 labelled" in done.output
    assert channels(folder)[1].cropped(2000).true == ()
    assert channels(folder)[1].cropped(150).true == ((0, 50),)


def test_no_folder_of_that_kind(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["benchmark", "smap", str(tmp_path)])
    assert done.exit_code == 1
    assert "not a folder in SMAP's layout" in done.output


def test_what_a_detection_is_worth_to_nab() -> None:
    """By hand: y = -1 at the left edge, 0 just behind the right one, falling to -1 behind that."""
    one = Series("x", np.zeros(200), ((100, 109),))
    value, window = worth(one)
    assert value[100] == pytest.approx(1.0)
    assert value[109] == pytest.approx((2 / (1 + np.exp(-0.5)) - 1) / (2 / (1 + np.exp(-5)) - 1))
    assert value[99] == -1.0  # no window before it
    assert value[118] == pytest.approx(2 / (1 + np.exp(5.0)) - 1)  # one width behind
    assert value[137] == -1.0  # beyond three
    assert set(window[100:110]) == {0}
    assert set(window[110:]) == {-1}


def test_nab_takes_the_best_threshold_and_the_best_of_a_window() -> None:
    one = Series("x", np.zeros(1000), ((500, 599),))
    said = np.zeros(1000)
    said[100] = 9.0  # within the first 15 %: not scored
    said[500], said[550] = 2.0, 3.0
    said[900] = 1.0
    assert score_nab([(one, said)], "standard") == (pytest.approx(100.0), 2.0)
    said[900] = 4.0  # louder than the truth: it costs .11 of 2
    assert score_nab([(one, said)], "standard")[0] == pytest.approx(100 * (2 - 0.11) / 2)
    assert score_nab([(one, said)], "low false positives")[0] == pytest.approx(100 * (2 - 0.22) / 2)
