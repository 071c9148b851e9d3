"""A model validated on labelled flights: what it finds, how early, with how many false alarms, and
whether two judges that need no model do as well (docs/gate.md).

An event is a fault of a flight's truth.json on a parameter of the model, from its onset to its end,
if the parameter is received for most of that time. A slow fault ends with the flight. The event is
found by the first alert raised on one of its parameters in that time. An alert that belongs to no
event is false, whatever its level.

Timing quality is that of ESA-ADB (Kotowski et al. 2024): with x from onset to detection, β the
event's length and α the smaller of β and the time since the event before it,

    0 for x ≤ -α or x ≥ β;  ((x + α) / α)^e for -α < x ≤ 0;  1 / (1 + (x / (β - x))^e) for 0 < x < β

Only the last of these can occur here: an alert before the onset is a false alarm.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import orjson

from pipeline.alarms.monitor import Monitor
from pipeline.chain import Chain
from pipeline.errors import FlightError, MissionError
from pipeline.flights.run import run_flight
from pipeline.gate.baselines import NAMES, judged
from pipeline.gate.calibrate import Rate
from pipeline.gate.grids import Heard, Recorded, listen, read_flight
from pipeline.mission.folder import Mission
from pipeline.timeline.after_gap import UNHEARD
from schemas import topics
from schemas.artefact import Artefact
from schemas.columns import Scores
from schemas.control import ModelStage

TRUTH = "truth.json"  # beside a flight's first file, as `heartline simulate` writes it
Raised = list[tuple[str, int]]  # (parameter, generation time)


@dataclass(frozen=True, slots=True)
class Event:
    """limit_ns: when a critical limit is crossed; None where none is."""

    flight: str
    kind: str
    parameters: tuple[str, ...]
    onset_ns: int
    until_ns: int
    limit_ns: int | None


@dataclass(slots=True)
class Judge:
    """Result of the model or of a baseline. found: by event, on what and when, or None.

    false: alarms that belong to no event, (parameter, generation time, flight).
    """

    name: str
    found: list[tuple[str, int] | None] = field(default_factory=list)
    false: list[tuple[str, int, str]] = field(default_factory=list)
    parameter_days: float = 0.0

    @property
    def hits(self) -> int:
        return sum(f is not None for f in self.found)

    @property
    def rate(self) -> Rate:
        return Rate(len(self.false), self.parameter_days)

    @property
    def precision(self) -> float | None:
        said = self.hits + len(self.false)
        return self.hits / said if said else None


@dataclass(slots=True)
class Backtest:
    """judges: the model first, then the baselines."""

    artefact: Artefact
    flights: list[tuple[str, str]] = field(default_factory=list)  # name, SHA-256
    hours: float = 0.0
    events: list[Event] = field(default_factory=list)
    judges: list[Judge] = field(default_factory=list)


def validate(
    artefact: Artefact, mission: Mission, paths: Sequence[Path | Sequence[Path]]
) -> Backtest:
    """Run a model over labelled flights. MissionError where it does not fit the mission."""
    result = Backtest(artefact, judges=[Judge(artefact.name), *map(Judge, NAMES)])
    trained = {t.sha256 for t in artefact.trained}
    for path in paths:
        recorded = read_flight(path, mission)
        if recorded.sha256 in trained:
            raise FlightError(
                f"{recorded.name}: the model was trained on it; hold it against other flights."
            )
        _fly(result, recorded, mission)
    return result


def _fly(result: Backtest, recorded: Recorded, mission: Mission) -> None:
    chain = Chain(mission)
    try:
        chain.models.apply(ModelStage(result.artefact.name, "shadow", result.artefact))
    except ValueError as error:
        raise MissionError(f"model {result.artefact.name}: {error}.") from None
    names = {n for p in result.artefact.parts for n in p.parameters}
    heard = [*listen(chain, names.__contains__)]
    raised: Raised = []
    for fed in run_flight(recorded.flight, chain):
        for _, output in fed.outputs:
            alert = output.event if output.topic == topics.SHADOW else None
            if alert and alert["level_before"] == "normal":
                raised.append((alert["parameter"], alert["generation_ns"]))
    ends = [int(h.whole.time_ns[-1]) for h in heard if len(h.whole.time_ns)]
    if not ends:
        raise FlightError(f"{recorded.name}: holds no row of the model's parameters.")
    end = max(ends)
    events = [e for e in _events(recorded, names, end) if _heard(e, heard)]
    said = [raised, *_baselines(result.artefact, heard)]
    days = sum(h.parameter_days for h in heard)
    for judge, alerts in zip(result.judges, said, strict=True):
        judge.parameter_days += days
        _score(judge, events, sorted(alerts, key=lambda a: a[1]), recorded.name)
    clock = recorded.flight.reception_ns
    result.hours += float(clock[-1] - clock[0]) / 3.6e12
    result.flights.append((recorded.name, recorded.sha256))
    result.events += events


def _events(recorded: Recorded, names: set[str], end_ns: int) -> Iterator[Event]:
    path = recorded.files[0].parent / TRUTH
    if not path.exists():
        return
    truth = orjson.loads(path.read_bytes())

    def at(seconds: float) -> int:
        return int(truth["t0_ns"] + round(seconds * 1e9))

    for fault in truth["faults"]:
        mine = tuple(n for n in sorted(names) if n.rsplit("/", 1)[1] in fault["parameters"])
        if mine:
            limit = fault["critical_s"]
            until = end_ns if fault["slow"] else at(fault["until"])
            crossed = None if limit is None else at(limit)
            yield Event(recorded.name, fault["kind"], mine, at(fault["onset"]), until, crossed)


def _heard(event: Event, flight: Sequence[Heard]) -> bool:
    """Whether most of the event was received: a silent parameter is for other monitors."""
    heard = []
    for h in flight:
        grid = h.whole
        inside = (grid.time_ns >= event.onset_ns) & (grid.time_ns <= event.until_ns)
        for j, name in enumerate(h.names):
            if name in event.parameters:
                heard.append((grid.quality[inside, j] & UNHEARD) == 0)
    return any(len(h) and h.mean() > 0.5 for h in heard)


def _baselines(artefact: Artefact, heard: Sequence[Heard]) -> list[Raised]:
    """What each baseline raises, with the persistence of a record family's monitor."""
    known = {p.parameters: p.baseline for p in artefact.parts}
    said: list[Raised] = [[] for _ in NAMES]
    for h in heard:
        grid, f = h.whole, len(h.columns)
        ones = np.ones(f, np.int64)
        for raised, levels in zip(said, judged(grid, known[h.names]).values(), strict=True):
            none = np.empty((0, f))
            monitor = Monitor(ones, ones * 0, ones * 100)
            scores = Scores(levels, levels, none, none, none)
            t = monitor.feed(grid.time_ns, grid.packet, scores)
            rising = t.before == 0
            raised += [
                (h.names[j], int(grid.time_ns[row]))
                for row, j in zip(t.row[rising], t.parameter[rising], strict=True)
            ]
    return said


def _score(judge: Judge, events: Sequence[Event], raised: Raised, flight: str) -> None:
    hits: list[tuple[str, int] | None] = [None] * len(events)
    for name, at in raised:
        mine = [
            i
            for i, e in enumerate(events)
            if name in e.parameters and e.onset_ns <= at <= e.until_ns
        ]
        for i in mine:
            hits[i] = hits[i] or (name, at)
        if not mine:
            judge.false.append((name, at, flight))
    judge.found += hits


def timing(event: Event, at_ns: int) -> float:
    """ESA-ADB's quality of a detection after the onset, 0 to 1."""
    x, length = at_ns - event.onset_ns, event.until_ns - event.onset_ns
    if x <= 0:
        return 1.0
    return 1.0 / (1.0 + (x / (length - x)) ** math.e) if x < length else 0.0


def heard_enough(result: Backtest, mission: Mission) -> bool:
    """Whether it was heard for long enough to show that it keeps to its budget of false alarms: the
    upper end of the rate's interval is within it, not the rate alone."""
    budget = mission.settings.gate.false_alarms_per_parameter_day
    return result.judges[0].rate.interval[1] <= budget


def verdict(result: Backtest, mission: Mission) -> list[str]:
    """Why the model does not pass the gate, were it heard for ever so long; empty if it passes."""
    gate, model, events = mission.settings.gate, result.judges[0], len(result.events)
    reasons = []
    if not events:
        reasons.append("none of these flights has a labelled fault of its parameters")
    elif model.hits / events < gate.found:
        reasons.append(
            f"it finds {model.hits} of {events} faults, and {gate.found:.0%} of them must be found"
        )
    if model.rate.a_day > gate.false_alarms_per_parameter_day:
        reasons.append(
            f"it raises {len(model.false)} false alarms in {model.parameter_days:.3g} "
            f"parameter-days, and {gate.false_alarms_per_parameter_day:g} a parameter-day are "
            "allowed"
        )
    for other in result.judges[1:]:
        more, fewer = other.hits - model.hits, len(model.false) - len(other.false)
        if events and min(more, fewer) >= 0 and max(more, fewer) > 0:  # better, and no worse
            reasons.append(
                f"the {other.name} alone finds {other.hits} with {len(other.false)} false alarms"
            )
    return reasons
