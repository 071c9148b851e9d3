"""The time that is left until a parameter crosses the limit it heads for, in flight time."""

from __future__ import annotations

from dataclasses import dataclass

from agents.watch.records import Alarm
from agents.watch.words import span
from schemas.columns import SECOND
from schemas.mission import Level

_FAR_S = 1e9  # thirty years: longer leads are not shown


@dataclass(frozen=True, slots=True)
class Countdown:
    """left_s: below 0 where the time has passed without a limit alarm; None: it is over."""

    left_s: float | None

    def __str__(self) -> str:
        if self.left_s is None:
            return "over: limit alarm"
        if self.left_s <= 0:
            return f"due {span(-self.left_s)} ago"
        return f"in {span(self.left_s)}"


def is_crossed(forecast: Alarm, limit: Alarm | None) -> bool:
    """Whether the limit alarm of its parameter shows that the forecast limit was crossed. A milder
    limit that is crossed on the way to it does not end the countdown."""
    if limit is None:
        return False
    known = (forecast.limit, forecast.observed, limit.limit)
    if any(x is None for x in known):
        return limit.level >= (Level.DISTRESS if forecast.level >= Level.WARNING else Level.WATCH)
    heads_for, seen, crossed = known
    assert heads_for is not None
    assert seen is not None
    assert crossed is not None
    return crossed >= heads_for if heads_for >= seen else crossed <= heads_for


def foretells(alarm: Alarm) -> bool:
    """Whether its evidence holds a limit and the lead time to it."""
    return alarm.limit is not None and alarm.lead_s is not None


def due_ns(alarm: Alarm) -> int | None:
    """Flight time at which the forecast limit is reached; None where there is no forecast."""
    if not foretells(alarm) or alarm.level is Level.NORMAL:
        return None
    assert alarm.lead_s is not None
    if alarm.generation_ns is None or abs(alarm.lead_s) > _FAR_S:
        return None
    return alarm.generation_ns + round(alarm.lead_s * SECOND)


def countdown(alarm: Alarm, crossed: bool, flight_ns: int | None) -> Countdown | None:
    """None where the alarm holds no forecast. crossed: as `is_crossed` returns it."""
    due = due_ns(alarm)
    if due is None or (flight_ns is None and not crossed):
        return None
    return Countdown(None if crossed or flight_ns is None else (due - flight_ns) / SECOND)
