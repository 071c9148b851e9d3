"""A few numbers drawn with characters, for a terminal that has nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

ROWS = 9
WIDE = 2  # characters a number


def sketch(values: Sequence[float], at: int, lines: Mapping[str, float]) -> list[str]:
    """A row a line, from the largest value down. at: which number is drawn as ●.

    lines: levels to draw by name; those far outside the range of the numbers are left out.
    """
    finite = [v for v in values if np.isfinite(v)]
    if not finite:
        return []
    scale = max(map(abs, finite)) or 1.0  # so that differences do not overflow
    values, finite = [v / scale for v in values], [v / scale for v in finite]
    lines = {name: level / scale for name, level in lines.items()}
    low, high = min(finite), max(finite)
    room = (high - low) or abs(high) or 1.0
    near = {n: v for n, v in lines.items() if low - 2 * room <= v <= high + 2 * room}
    low, high = min([low, *near.values()]), max([high, *near.values()])
    if low == high:
        low, high = low - 0.5 * room, high + 0.5 * room

    def row(value: float) -> int:
        return round((high - value) / (high - low) * (ROWS - 1))

    drawn = [[" "] * (WIDE * len(values)) for _ in range(ROWS)]
    ends = [""] * ROWS
    for name, value in near.items():
        r = row(value)
        drawn[r] = ["─"] * len(drawn[r])
        ends[r] = f"{ends[r]}, {name}" if ends[r] else f" {name}"
    for i, value in enumerate(values):
        if np.isfinite(value):
            drawn[row(value)][WIDE * i + 1] = "●" if i == at else "•"
    axis = np.linspace(high, low, ROWS) * scale
    return [
        f"{label:>12.6g} │{''.join(cells)}{end}"
        for label, cells, end in zip(axis, drawn, ends, strict=True)
    ]
