"""The scoring rules by hand, and a folder of two channels from files to the table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import orjson
import pytest
from click.testing import CliRunner

from agents.cli import main
from pipeline.scoring import labelled
from pipeline.scoring.column import SPACECRAFT
from pipeline.scoring.nab import Series, worth
from pipeline.scoring.nab import score as score_nab
from pipeline.scoring.rules import RowTally, Tally, intervals, orion, telemanom
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


def test_a_test_that_is_shorter_than_a_crop(folder: Path, rng: np.random.Generator) -> None:
    """It is judged by the crops that leave some of it."""
    np.save(folder / "test" / "B-1.npy", rng.uniform(-1, 1, (2100, 25)))
    done = CliRunner().invoke(main, ["benchmark", "smap", str(folder)])
    assert done.exit_code == 0, done.output
    counts = {
        line.split()[1]: line.split()[3] for line in done.output.splitlines() if "Orion" in line
    }
    assert {"0": "2", "2000": "2", "3500": "1", "4200": "1"}.items() <= counts.items(), done.output
    for name in ("A-1", "B-1"):
        np.save(folder / "test" / f"{name}.npy", rng.uniform(-1, 1, (300, 25)))
    done = CliRunner().invoke(main, ["benchmark", "smap", str(folder)])
    assert done.exit_code == 0, done.output
    assert "3500" not in done.output


def test_rows_of_a_tally() -> None:
    both = RowTally(3, 1, 0, 6) + RowTally(0, 1, 2, 2)
    assert both == RowTally(3, 2, 2, 8)
    assert (both.false_alarm_rate, both.missed_alarm_rate) == (2 / 10, 2 / 5)
    assert both.f1 == pytest.approx(2 * 3 / (2 * 3 + 2 + 2))
    assert (RowTally().false_alarm_rate, RowTally().missed_alarm_rate) == (0.0, 0.0)


def test_labelled_files_behind_links_and_a_nominal_one(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    """The nominal file has no labels: it is named, left out, and may be the past of the others:
    what was never there before is odd then from the first row on."""
    kept, folder = tmp_path / "kept", tmp_path / "folder"
    kept.mkdir()
    folder.mkdir()
    calm = rng.uniform(-1, 1, 2000)
    (kept / "nominal.csv").write_text("a\n" + "\n".join(f"{x:.4f}" for x in calm) + "\n")
    rows = [(f"{x:.4f}", "0") for x in rng.uniform(-0.9, 0.9, 400)]
    rows[100:140] = [("9.0", "1")] * 40
    (kept / "odd.csv").write_text("a,label\n" + "\n".join(",".join(r) for r in rows) + "\n")
    (folder / "linked").symlink_to(kept)
    (kept / "round").symlink_to(folder)  # a link that leads back
    found, unlabelled = labelled.files(folder)
    assert ([one.name for one in found], [p.name for p in unlabelled]) == (
        ["linked/odd.csv"], ["nominal.csv"],
    )  # fmt: skip
    with_past = labelled.past(kept / "nominal.csv")
    [alone], [after] = (labelled.score(found, SPACECRAFT, past) for past in ({}, with_past))
    assert alone.predicted == []  # 400 rows are too few to know it by
    tally = labelled.row_by_row(after)
    assert tally.missed < 10
    assert tally.hits >= 30
    command = ["benchmark", "csv", str(folder), "--past", str(kept / "nominal.csv")]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    assert "nominal.csv has no labels" in done.output.replace("\n", "")
    (kept / "odd.csv").unlink()
    done = CliRunner().invoke(main, ["benchmark", "csv", str(folder)])
    assert (done.exit_code, "no column label or anomaly" in done.output) == (1, True)
