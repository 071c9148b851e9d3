"""What a model knows, drawn: the training's range of each parameter, and its longest weights."""

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
        f = len(part.parameters)
        arrays = {
            k: a for k, a in part.weights.items() if a.ndim and f in (a.shape[0], a.shape[-1])
        }
        key = max(arrays, key=lambda k: arrays[k].size)
        array = arrays[key]
        mine = array.take(j, -1 if array.shape[-1] == f else 0).ravel()
        right.plot(np.where(np.isfinite(mine), mine, np.nan), ".", markersize=2)
        right.set_title(key, fontsize=8, loc="left")
    figure.savefig(path, dpi=100)
    plt.close(figure)
