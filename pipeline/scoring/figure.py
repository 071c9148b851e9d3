"""Plot of a benchmark: every series with its labelled and its predicted intervals."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

from pipeline.scoring.rules import Interval
from schemas.columns import F8

mpl.use("Agg")
import matplotlib.pyplot as plt

LABELLED, SAID = "#f4a582", "#2166ac"
Drawn = tuple[str, F8, Sequence[Interval], Sequence[Interval]]  # name, values, labelled, said


def draw(series: Sequence[Drawn], path: Path) -> None:
    """A PNG, one row per series: labelled spans orange, predicted ones a blue bar below."""
    figure, axes = plt.subplots(
        len(series), 1, figsize=(12, 0.6 * len(series) + 0.5), squeeze=False, layout="constrained"
    )
    for (name, values, labelled, said), axis in zip(series, axes[:, 0], strict=True):
        axis.plot(values, color="black", lw=0.4)
        for first, last in labelled:
            axis.axvspan(first, last + 1, color=LABELLED, lw=0)
        for first, last in said:
            axis.plot([first, last + 1], [0, 0], color=SAID, lw=4, solid_capstyle="butt",
                      transform=axis.get_xaxis_transform())  # fmt: skip
        axis.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=7)
        axis.set_xlim(0, max(len(values), 1))
        axis.set_xticks([])
        axis.set_yticks([])
    figure.savefig(path, dpi=100)
    plt.close(figure)
