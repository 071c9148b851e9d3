"""The order of rows on the screen: the worst first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from agents.watch.figures import FigureKey
from agents.watch.names import Names
from agents.watch.records import Alarm
from schemas.mission import Level


@dataclass(frozen=True, slots=True)
class Ordered:
    """alarms: the worst first; in a level unacknowledged ones first, then the newest; at the end
    inhibited monitors. figures: those of parameters with an alarm first, in the alarms' order.
    limits: the limit alarm by (source, parameter). names: short where they are unambiguous."""

    alarms: list[Alarm]
    figures: list[FigureKey]
    limits: dict[tuple[str, str], Alarm]
    names: Names


def ordered(alarms: Iterable[Alarm], figures: Iterable[FigureKey]) -> Ordered:
    by_worst = sorted(
        alarms, key=lambda a: (-a.level, a.acknowledged is not None, -(a.since_ns or 0), a.key)
    )
    standing = [(a.source, a.parameter) for a in by_worst if a.level is not Level.NORMAL]
    rank = {name: -i for i, name in enumerate(reversed(standing))}  # of its worst alarm
    by_concern = sorted(figures, key=lambda k: (rank.get(k[:2], 1), k))
    shown = {(a.source, a.parameter) for a in by_worst} | {k[:2] for k in by_concern}
    limits = {
        (a.source, a.parameter): a
        for a in by_worst
        if a.kind == "limit" and a.level is not Level.NORMAL
    }
    return Ordered(by_worst, by_concern, limits, Names(shown))
