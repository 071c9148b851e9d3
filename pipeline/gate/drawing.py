"""Plot of a model: the range of each parameter in training, and its largest array of weights."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np

from schemas.artefact import Artefact

mpl.use("Agg")
import matplotlib.pyplot as plt


def draw(artefact: Artefact, path: Path) -> None:
    """A PNG, a row a parameter: its range in training, and beside it its largest array."""
    rows = [(part, j) for part in artefact.parts for j in range(len(part.parameters))]
    figure, axes = plt.subplots(
        len(rows), 2, figsize=(10, 1.2 * len(rows) + 1), squeeze=False, layout="constrained"
    )
    figure.suptitle(f"{artefact.name}: {artefact.family}, {artefact.sha256[:12]}")
    for (part, j), (left, right) in zip(rows, axes, strict=True):
        low, high = float(part.baseline["low"][j]), float(part.baseline["high"][j])
        left.barh([0], [high - low], left=[low], height=0.5)
        left.set_yticks([])
        left.set_title(part.parameters[j].rsplit("/", 1)[1], fontsize=8, loc="left")
        key, mine = max(part.own(j).items(), key=lambda item: item[1].size)
        right.plot(np.where(np.isfinite(mine), mine, np.nan), ".", markersize=2)
        right.set_title(key, fontsize=8, loc="left")
    figure.savefig(path, dpi=100)
    plt.close(figure)
