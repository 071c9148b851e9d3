"""Plot of a backtest: the faults of each flight, alerts of the model and of both baselines."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl

from pipeline.gate.validate import Backtest

mpl.use("Agg")
import matplotlib.pyplot as plt

FAULT, FOUND, FALSE = "#d0d0d0", "#1b7837", "#c51b1b"


def draw_backtest(result: Backtest, path: Path) -> None:
    """A PNG: a row a flight and judge; faults grey, detections green, false alarms red."""
    flights = [f for f, _ in result.flights]
    rows = [(flight, k) for flight in flights for k in range(len(result.judges))]
    figure, axes = plt.subplots(
        len(rows), 1, figsize=(10, 0.5 * len(rows) + 1), squeeze=False, layout="constrained"
    )
    figure.suptitle(f"{result.artefact.name}, {result.artefact.sha256[:12]}: seconds from onset")
    for (flight, k), axis in zip(rows, axes[:, 0], strict=True):
        judge = result.judges[k]
        mine = [i for i, e in enumerate(result.events) if e.flight == flight]
        false = [at for _, at, where in judge.false if where == flight]
        zero = min([result.events[i].onset_ns for i in mine] + false, default=0)
        for i in mine:
            event, found = result.events[i], judge.found[i]
            axis.axvspan(
                (event.onset_ns - zero) / 1e9, (event.until_ns - zero) / 1e9, color=FAULT, lw=0
            )
            if found:
                axis.axvline((found[1] - zero) / 1e9, color=FOUND)
        for at in false:
            axis.axvline((at - zero) / 1e9, color=FALSE, lw=0.8)
        axis.set_yticks([])
        axis.set_ylabel(f"{flight}\n{judge.name}", rotation=0, ha="right", va="center", fontsize=7)
        axis.tick_params(labelsize=6)
    figure.savefig(path, dpi=100)
    plt.close(figure)
