"""One flight through two missions: which alerts appear, vanish or move (`heartline diff`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.chain import Chain
from pipeline.flights.records import Flight
from pipeline.flights.run import run_flight
from pipeline.mission.folder import Mission
from schemas import topics

Key = tuple[str, str, str]  # parameter, monitor's kind, level


@dataclass(frozen=True, slots=True)
class Change:
    """An alert raised to a level by one mission and not by the other, or at another time.

    a_ns, b_ns: generation time there; None where it is not raised.
    """

    parameter: str
    monitor: str
    level: str
    a_ns: int | None
    b_ns: int | None

    @property
    def word(self) -> str:
        if self.a_ns is None:
            return "appears"
        return "vanishes" if self.b_ns is None else "moves"

    @property
    def earlier_s(self) -> float | None:
        """Seconds by which the second mission is earlier; negative: later."""
        if self.a_ns is None or self.b_ns is None:
            return None
        return (self.a_ns - self.b_ns) / 1e9

    @property
    def first_ns(self) -> int:
        return min(t for t in (self.a_ns, self.b_ns) if t is not None)


def raised(flight: Flight, mission: Mission) -> dict[Key, list[int]]:
    """Generation times of every alert that is raised to a level, or changes up to it, in order."""
    found: dict[Key, list[int]] = {}
    for fed in run_flight(flight, Chain(mission)):
        for _, output in fed.outputs:
            alert = output.event if output.topic == topics.ALERTS else None
            if not alert or alert["transition"] == "cleared":
                continue
            key = (alert["parameter"], alert["monitor"]["kind"], alert["level_after"])
            found.setdefault(key, []).append(alert["generation_ns"])
    return found


def changes(a: dict[Key, list[int]], b: dict[Key, list[int]], within_s: float) -> list[Change]:
    """The differences, in order of time. Two alerts of one key that are at most `within_s` apart
    are the same alert, moved."""
    made = [
        change
        for key in a.keys() | b.keys()
        for change in _of(key, sorted(a.get(key, ())), sorted(b.get(key, ())), within_s)
    ]
    return sorted(made, key=lambda c: (c.first_ns, c.parameter, c.monitor, c.level))


def _of(key: Key, a: list[int], b: list[int], within_s: float) -> Iterator[Change]:
    i = j = 0
    while i < len(a) or j < len(b):
        if i < len(a) and j < len(b) and abs(a[i] - b[j]) <= within_s * 1e9:
            if a[i] != b[j]:
                yield Change(*key, a[i], b[j])
            i, j = i + 1, j + 1
        elif j == len(b) or (i < len(a) and a[i] < b[j]):
            yield Change(*key, a[i], None)
            i += 1
        else:
            yield Change(*key, None, b[j])
            j += 1
