"""`heartline benchmark`: public anomaly benchmarks, by their authors' rules."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import click
import numpy as np
import orjson
from rich.table import Table

from agents.cli.options import FILE, drawing
from agents.host.terminal import Terminal
from pipeline.models.shared.lives import COVERAGE
from pipeline.scoring import labelled
from pipeline.scoring.bearing import bearings
from pipeline.scoring.cmapss import CAP, CUTS, OF_LIVES, SEED
from pipeline.scoring.cmapss import told as turbofans
from pipeline.scoring.column import METRICS, SPACECRAFT
from pipeline.scoring.nab import PROFILES, said, series
from pipeline.scoring.nab import score as nab_score
from pipeline.scoring.rules import Interval, RowTally, Scored, Tally, pooled
from pipeline.scoring.smap import CROPS, Channel, channels, false_a_day, floors, score

Some = Sequence[Interval]


@click.group()
def benchmark() -> None:
    """Score the models on public benchmarks, by their authors' rules (docs/benchmarks.md)."""


@benchmark.command()
@click.argument("folder", type=FILE)
@click.option("--channels", "each", is_flag=True, help="A line for every channel too.")
@click.option("--out", type=FILE, help="JSON of {channel: [[first, last], …]}, rows of the test.")
@click.option("--png", type=FILE, help="Draw every channel (extra `plot`).")
def smap(folder: Path, each: bool, out: Path | None, png: Path | None) -> None:
    """FOLDER in SMAP's layout: train/ID.npy, test/ID.npy, labeled_anomalies.csv."""
    found = channels(folder)
    by_crop = {crop: scored for crop in CROPS if (scored := list(score(found, crop)))}
    if out:
        out.write_bytes(orjson.dumps({s.series.name: s.predicted for s in by_crop[0]}))
    if png:
        drawing("pipeline.scoring.figure").draw(
            [(s.series.name, s.series.test, s.series.true, s.predicted) for s in by_crop[0]], png
        )
    console = Terminal()
    if each:
        console.print(_lines("channel", [
            (s.series.name, s.series.kind, s.telemanom, s.series.true, s.predicted)
            for s in by_crop[0]
        ]))  # fmt: skip
    console.print(_summary(by_crop))
    plain, merged = floors(found)
    console.print(
        f"{len({c.name for c in found})} channels, {sum(len(c.true) for c in found)} labelled "
        f"anomalies. Floor, outside the training range ± 5 % (telemanom's rule): "
        f"{plain.f1:.2f}; with gaps of 100 rows merged {merged.f1:.2f}.\n"
        f"False alarms per channel and day, rows a minute apart: {false_a_day(by_crop[0]):.3f}."
    )


@benchmark.command()
@click.argument("folder", type=FILE)
def nab(folder: Path) -> None:
    """FOLDER of the Numenta Anomaly Benchmark: data/, labels/combined_windows.json."""
    found = series(folder)
    table = Table("families", "profile", "score", "threshold, in margins")
    for families in (METRICS, SPACECRAFT):
        heard = [(one, said(one, families)) for one in found]
        for profile in PROFILES:
            points, threshold = nab_score(heard, profile)
            table.add_row(
                ", ".join(f.name for f in families), profile, f"{points:.1f}", f"{threshold:.2f}"
            )
    console = Terminal()
    console.print(table)
    rows, windows = sum(len(s.value) for s in found), sum(len(s.windows) for s in found)
    console.print(
        f"{len(found)} files, {rows} rows, {windows} windows. Ours is the first; the other is what "
        "spacecraft are judged by."
    )


@benchmark.command("csv")
@click.argument("folder", type=FILE)
@click.option("--label", default="", help="Column of the labels: label, anomaly or is_anomaly.")
@click.option("--past", type=FILE, help="A nominal file that each series is judged after.")
@click.option("--files", "each", is_flag=True, help="A line for every file too.")
@click.option("--out", type=FILE, help="JSON of {file: [[first, last], …]} of the first.")
def csv_(folder: Path, label: str, past: Path | None, each: bool, out: Path | None) -> None:
    """FOLDER of labelled CSVs: a file a series, a row a time, columns of numbers and of labels.

    A file without labels is left out, and may be the --past of the others."""
    found, unlabelled = labelled.files(folder, label)
    before = labelled.past(past) if past else {}
    scored, others = (labelled.score(found, families, before) for families in (SPACECRAFT, METRICS))
    if out:
        out.write_bytes(orjson.dumps({s.series.name: s.predicted for s in scored}))
    console = Terminal()
    if each:
        console.print(_lines("file", [
            (s.series.name, ", ".join(s.series.values), s.telemanom, s.series.true, s.predicted)
            for s in scored
        ]))  # fmt: skip
    table = Table("families", "rule", "precision", "recall", "F1", "hit/false/missed")
    points = Table("families", "row by row: F1", "false alarm rate", "missed alarm rate")
    for families, made in ((SPACECRAFT, scored), (METRICS, others)):
        names = ", ".join(f.name for f in families)
        for rule, tally in pooled(made).items():
            table.add_row(names, rule, *_cells(tally))
        by_row = sum((labelled.row_by_row(s) for s in made), RowTally())
        shares = (by_row.false_alarm_rate, by_row.missed_alarm_rate)
        points.add_row(names, f"{by_row.f1:.3f}", *(f"{x:.2%}" for x in shares))
    console.print(table)
    console.print(points)
    for path in unlabelled:
        console.print(f"{path} has no labels, and is left out.", markup=False)
    rows, events = sum(s.series.rows for s in scored), sum(len(s.series.true) for s in scored)
    console.print(f"{len(scored)} files, {rows} rows, {events} labelled anomalies.")


@benchmark.command()
@click.argument("folder", type=FILE)
def cmapss(folder: Path) -> None:
    """FOLDER in NASA C-MAPSS's layout: train_FDxxx.txt, and where there are such test_FDxxx.txt
    with RUL_FDxxx.txt. How many flights are left to an engine, by remaining_life."""
    table = Table(
        "part", "judge", "RMSE, flights", "PHM08 score", f"{COVERAGE:.0%} interval covers", "width"
    )
    for t in turbofans(folder):
        covers = f"{t.inside:.1%} of {len(t.truth)}"
        model = f"{t.rmse(t.said):.2f}", f"{t.score(t.said):.0f}", covers, f"{t.width:.1f}"
        table.add_row(t.name, OF_LIVES.name, *model)
        table.add_row("", "by age alone", f"{t.rmse(t.by_age):.2f}", f"{t.score(t.by_age):.0f}")
    console = Terminal()
    console.print(table)
    console.print(
        f"Capped at {CAP:g} flights. Folds: {CUTS} random cuts an engine, seed {SEED}, the score "
        "as of one. By age: an engine lasts as long as most did."
    )


@benchmark.command()
@click.argument("folder", type=FILE)
def bearing(folder: Path) -> None:
    """FOLDER of IMS bearing tests, 1st_test.csv and so on. How long before the end of a test peers
    warns of the bearings that failed, and how often of the others."""
    table = Table("test", "bearing", "failed", "lasting warning before the end", "all warnings, h")
    false, leads = 0, []
    for b in bearings(folder):
        lead = "" if b.lead_h is None else f"{b.lead_h:.0f} h"
        all_ = " ".join(f"{h:.0f}" for h in b.warnings_h)
        table.add_row(b.test, str(b.number), "yes" if b.failed else "", lead, all_)
        false += 0 if b.failed else len(b.warnings_h)
        leads += [b.lead_h or 0.0] if b.failed else []
    console = Terminal()
    console.print(table)
    console.print(
        f"{len(leads)} bearings failed, warned of {min(leads):.0f} h before the end or earlier; "
        f"{false} false alarms of the others."
    )


def _cells(t: Tally) -> tuple[str, ...]:
    shares = (f"{x:.3f}" for x in (t.precision, t.recall, t.f1))
    return (*shares, f"{t.hits}/{t.false}/{t.missed}")


def _summary(by_crop: dict[int, list[Scored[Channel]]]) -> Table:
    table = Table(
        "first rows left out", "channels", "rule", "precision", "recall", "F1", "hit/false/missed"
    )
    means: dict[str, list[float]] = {"telemanom": [], "Orion": []}
    for crop, scored in by_crop.items():
        for rule, t in pooled(scored).items():
            means[rule].append(t.f1)
            table.add_row(str(crop), str(len(scored)), rule, *_cells(t))
    for rule, f1 in means.items():
        table.add_row("mean", "", rule, "", "", f"{np.mean(f1):.3f}", "")
    return table


def _lines(what: str, scored: Iterable[tuple[str, str, Tally, Some, Some]]) -> Table:
    table = Table(what, "of", "hit/false/missed", "labelled", "predicted")
    for name, kind, t, true, predicted in scored:
        counts = f"{t.hits}/{t.false}/{t.missed}"
        table.add_row(name, kind, counts, _words(true), _words(predicted))
    return table


def _words(some: Some) -> str:
    return " ".join(f"{a}–{b}" for a, b in some)
