"""Compares two models by the alerts that they raised, live or replayed (docs/gate.md)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import Any

from pipeline.flights.compare import changes


@dataclass(slots=True)
class Beside:
    """Alarms on one parameter. both: raised by both models within the time asked for.

    earlier_s: median of how much earlier the second was in those; None where there are none.
    """

    parameter: str
    both: int
    first: int
    second: int
    earlier_s: float | None


def raised_by(alerts: Iterable[dict[str, Any]], model: str) -> dict[str, list[int]]:
    """Generation times of the alarms that a model raised, active or in shadow, by parameter."""
    found: dict[str, list[int]] = {}
    for alert in alerts:
        mine = alert.get("model", {})
        if mine.get("id") == model and "stage" in mine and alert["transition"] == "raised":
            found.setdefault(alert["parameter"], []).append(alert["generation_ns"])
    return found


def side_by_side(
    alerts: Iterable[dict[str, Any]], first: str, second: str, within_s: float
) -> list[Beside]:
    """By parameter, in order of name."""
    kept = [*alerts]
    a, b = raised_by(kept, first), raised_by(kept, second)
    made = []
    for name in sorted({*a, *b}):
        ours, theirs = a.get(name, []), b.get(name, [])
        key = (name, "", "")
        differ = changes({key: ours}, {key: theirs}, within_s)
        only_a = sum(c.word == "vanishes" for c in differ)
        only_b = sum(c.word == "appears" for c in differ)
        both = len(ours) - only_a
        moved = [c.earlier_s for c in differ if c.earlier_s is not None]
        earlier = median(moved + [0.0] * (both - len(moved))) if both else None
        made.append(Beside(name, both, only_a, only_b, earlier))
    return made
