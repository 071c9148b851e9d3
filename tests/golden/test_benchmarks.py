"""SMAP and NAB: the floors that need no model, as they are published; both ends of the scale."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import orjson
import pytest
from click.testing import CliRunner

from agents.cli import main
from pipeline.errors import FlightError
from pipeline.scoring import labelled
from pipeline.scoring.column import SPACECRAFT
from pipeline.scoring.nab import PROFILES, Series, series
from pipeline.scoring.nab import score as nab_score
from pipeline.scoring.rules import Tally
from pipeline.scoring.smap import channels, floors, score


@pytest.fixture
def smap(data: Path) -> Path:
    return data / "anomaly/smap"


def test_the_floors_are_the_published_ones(smap: Path) -> None:
    """Both scoring and reading of labels are right, or these two would not be met."""
    plain, merged = floors(channels(smap))
    assert (round(plain.f1, 2), round(merged.f1, 2)) == (0.41, 0.52)


def test_no_channel_is_worse_than_the_floor_that_needs_no_model(smap: Path) -> None:
    found = [c for c in channels(smap) if c.name in ("P-1", "E-1", "D-1", "T-1", "A-1", "F-1")]
    assert len(found) == 6
    ours = sum((s.telemanom for s in score(found, 0)), Tally())
    assert ours.f1 > max(t.f1 for t in floors(found))


@pytest.fixture
def numenta(data: Path) -> list[Series]:
    return series(data / "anomaly/nab")


@pytest.mark.parametrize("profile", PROFILES)
def test_nab_is_0_for_silence_and_100_for_who_is_right_at_once(
    numenta: list[Series], profile: str
) -> None:
    """Its two ends, over its 58 files, 365,558 rows and 116 windows."""
    assert len(numenta) == 58
    assert sum(len(s.value) for s in numenta) == 365_558
    assert sum(len(s.windows) for s in numenta) == 116
    silent = [(s, np.zeros(len(s.value))) for s in numenta]
    assert nab_score(silent, profile)[0] == 0.0
    right = [(s, np.zeros(len(s.value))) for s in numenta]
    for one, said in right:
        for first, _ in one.windows:
            said[max(first, one.probation)] = 1.0
    assert nab_score(right, profile)[0] == pytest.approx(100.0)


def test_a_folder_of_labelled_csvs_is_scored(tmp_path: Path) -> None:
    """Two columns and a fault in one of them; a file in a folder below, in another dialect."""
    rows = np.arange(3000)
    plain, fault = np.sin(rows / 7.0), np.where((rows >= 2000) & (rows < 2050), 5.0, 0.0)
    lines = ["time,A,B,changepoint,anomaly"] + [
        f"2020-01-01 {i},{a:.4f},{a + f:.4f},0,{float(f > 0)}"
        for i, (a, f) in enumerate(zip(plain, fault, strict=True))
    ]
    (tmp_path / "one.csv").write_text("\n".join(lines))
    (tmp_path / "below").mkdir()
    # an index without a name is no value
    other = ["\ufeff;A;Label", *(f"{i};{a:.4f};false" for i, a in enumerate(plain))]
    (tmp_path / "below" / "two.csv").write_text("\n".join(other))

    (below, one), unlabelled = labelled.files(tmp_path)
    assert unlabelled == []
    assert (below.name, list(below.values), below.true) == ("below/two.csv", ["A"], ())
    assert (one.name, list(one.values), one.true) == ("one.csv", ["A", "B"], ((2000, 2049),))
    found = labelled.score([below, one], SPACECRAFT, {})
    assert [s.telemanom for s in found] == [Tally(), Tally(hits=1)]
    out = tmp_path / "out.json"
    done = CliRunner().invoke(
        main, ["benchmark", "csv", str(tmp_path), "--files", "--out", f"{out}"]
    )
    assert done.exit_code == 0, done.output
    assert "1/0/0" in done.output
    predicted = orjson.loads(out.read_bytes())
    assert predicted["below/two.csv"] == []
    assert predicted["one.csv"][0][0] == 2000


@pytest.mark.parametrize(
    ("text", "why"),
    [("A,B\n1,2\n", "no column label"), ("A,label\n1\n", "row 2: 1 cells under 2 names"),
     ("A,label\nx,0\n", "no column of numbers"), ('A,label\n1,"' + "x" * 200_000, "line 2: field"), ("", "no column label")],
)  # fmt: skip
def test_a_csv_that_is_not_labelled_is_refused(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(FlightError, match="no CSV"):
        labelled.files(tmp_path)
    (tmp_path / "one.csv").write_text(text)
    with pytest.raises(FlightError, match=why):
        labelled.files(tmp_path)


def test_every_channel_is_drawn(smap: Path, tmp_path: Path) -> None:
    some = tmp_path / "some"
    for part in ("train", "test"):
        (some / part).mkdir(parents=True)
        for name in ("E-1", "T-1"):
            (some / part / f"{name}.npy").write_bytes((smap / part / f"{name}.npy").read_bytes())
    (some / "labeled_anomalies.csv").write_text((smap / "labeled_anomalies.csv").read_text())
    png = tmp_path / "x.png"
    done = CliRunner().invoke(main, ["benchmark", "smap", str(some), "--png", str(png)])
    assert done.exit_code == 0, done.output
    assert png.read_bytes().startswith(b"\x89PNG")
