"""How a threshold was found, for people (docs/gate.md)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipeline.gate.calibrate import Calibration


def calibration_words(
    found: Calibration, theta: str, budget: float, flights: Sequence[str]
) -> Iterator[str]:
    """theta: what the family calls its threshold. flights: names of those it was trained on."""
    chosen = found.chosen
    why = "as given" if found.given else f"the least with {budget:g} false alarms a day or fewer"
    yield f"{theta} = {chosen.threshold:.3g}, {why}. On each flight, by a model of the others:"
    for one in found.tried:
        if one.threshold in found.finds:
            share, mark = found.finds[one.threshold], "▶" if one is chosen else " "
            finds = "nothing" if share is None else f"{share:.0%} of its range"
            yield (
                f" {mark} {theta} {one.threshold:<8.3g} {one.rate.false_alarms:>5} false alarms, "
                f"{one.rate.a_day:.3g} a day; least step that most parameters can make and be "
                f"found: {finds}"
            )
    if found.given and chosen.rate.a_day > budget:
        yield f"That is more than the budget of {budget:g} a day, by which the gate judges."
    for flight, threshold in found.odd:
        n = next(t for t in found.tried if t.threshold == threshold).by_flight[flight].false_alarms
        yield (
            f"{flights[flight]} is unlike the others: {n} false alarms of a model of them; without "
            f"it {theta} = {threshold:.3g} would do. Is it nominal?"
        )
