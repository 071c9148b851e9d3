"""The newest figures of every source, parameter and window."""

from __future__ import annotations

from dataclasses import dataclass

from agents.watch.records import Pane

MOST = 50_000  # rows
FigureKey = tuple[str, str, float]  # source, parameter, window in s


@dataclass(frozen=True, slots=True)
class Figure:
    """values: count, mean, std, min, max; None where there is none. end_ns: of the window."""

    values: tuple[float | None, ...]
    end_ns: int


class Figures:
    def __init__(self) -> None:
        self.rows: dict[FigureKey, Figure] = {}
        self.not_held = 0  # figures of rows beyond MOST

    def take(self, pane: Pane) -> bool:
        """Whether there are new rows."""
        before = len(self.rows)
        for name, values in zip(pane.parameters, pane.figures, strict=True):
            key = (pane.source, name, pane.window_s)
            if key in self.rows or len(self.rows) < MOST:
                self.rows[key] = Figure(values, pane.end_ns)
            else:
                self.not_held += 1
        return len(self.rows) > before
