"""Cases of alarms: checks, monitors, stale containers and loss of signal."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.alarms.change import Bounds, ChangeLimits
from pipeline.alarms.check import NO_CHOICE
from pipeline.alarms.condition import Asked, Conditions
from pipeline.alarms.flapping import Flapping
from pipeline.alarms.loss_of_signal import LossOfSignal
from pipeline.alarms.monitor import Monitor
from pipeline.alarms.stale import Stale
from pipeline.alarms.static import Judged, Limits, Ranges
from pipeline.outputs.alerts import encode_alert
from pipeline.outputs.evidence import Origin
from pipeline.outputs.pending import Pending
from pipeline.timeline.resample import Resample
from schemas.columns import (
    Heard,
    Rows,
    Scores,
    Stage,
)
from schemas.settings import ResampleRule
from schemas.state import Composite
from tests.laws.case import (
    SECOND,
    Case,
    F,
    N,
    Rng,
    as_bytes,
    batch_of,
    ones_of,
    ordered_of,
    rows_of,
)
from tests.laws.streams import wild_numbers


def _feed_limits(stage: Any, stream: Any, a: int, b: int) -> bytes:
    s = stage.feed(rows_of(*(x[a:b] for x in stream)))
    return b"".join(as_bytes(s.enter[i], s.leave[i]) for i in range(b - a))


def _levels(rng: Rng) -> Any:
    time, _, _ = wild_numbers(rng)
    enter = rng.choice([0, 0, 0, 1, 2, 4, 255], (N, F)).astype(np.uint8)
    enter = np.repeat(enter[::6], 6, axis=0)[:N]
    return time, enter, np.maximum(enter, rng.choice([0, 1], (N, F)).astype(np.uint8))


def _feed_monitor(stage: Monitor, stream: Any, a: int, b: int) -> bytes:
    time, enter, leave = (s[a:b] for s in stream)
    none = np.empty((0, F))
    t = stage.feed(time, np.arange(a, b), Scores(enter, leave, none, none, none))
    columns = (t.row + a, t.parameter, t.before, t.after, t.since_ns, t.since_offset)
    return b"".join(as_bytes(*(c[i] for c in columns)) for i in range(len(t.row)))


class _Flaps(Composite):
    """A monitor, and the flapping of its alarms."""

    def __init__(self) -> None:
        self.monitor, self.flapping = Monitor(ones_of(1), ones_of(0), ones_of(1)), Flapping(F)

    @property
    def stages(self) -> dict[str, Stage]:
        return {"monitor": self.monitor, "flapping": self.flapping}


def _feed_flaps(stage: _Flaps, stream: Any, a: int, b: int) -> bytes:
    time, enter, leave = (s[a:b] for s in stream)
    none = np.empty((0, F))
    t = stage.monitor.feed(time, np.arange(a, b), Scores(enter, leave, none, none, none))
    told = stage.flapping.feed(time, t)
    if told is None:
        return b""
    told.row[:] += a
    return b"".join(as_bytes(*one) for one in zip(*told, strict=True))


class _Stale(Composite):
    """A container that comes now and then, and its source, which is lost now and then."""

    def __init__(self) -> None:
        self.resample = Resample(np.arange(F), ResampleRule(max_age_s=5))
        self.stale = Stale("/S/C", (0, 0), 5 * SECOND, Origin("S", 0, {}))

    @property
    def stages(self) -> dict[str, Stage]:
        return {"resample": self.resample, "stale": self.stale}


def _feed_stale(stage: _Stale, stream: Any, a: int, b: int) -> bytes:
    batch, every = batch_of(b - a, stream[0][a:b]), np.arange(a, b)
    batch.offset[:] = every
    lost = every % 100 > 70
    batch.heard = Heard(
        batch.reception_ns - lost * 9 * SECOND,
        batch.reception_ns - every * SECOND,
        batch.reception_ns,
    )
    out: list[Pending] = []
    for grid in stage.resample.feed(ordered_of(stream, a, b)):
        stage.stale.feed(grid, batch, out)
    return b"".join(encode_alert(p.make(str(p.packet + a)).draft or {}) for p in out)


def _feed_los(stage: LossOfSignal, stream: Any, a: int, b: int) -> bytes:
    time, every = stream[0][a:b], np.arange(a, b)
    batch = batch_of(b - a, time)
    batch.length[every % 50 > 25] = 0  # only ticks for a while
    batch.offset[:] = every
    out: list[Pending] = []
    stage.feed(batch, out)
    return b"".join(encode_alert(p.make(str(p.packet + a)).draft or {}) for p in out)


def _limits() -> Limits:
    low = np.tile(np.array([[-1.0], [-2.0], [-3.0], [-4.0], [-5.0]]), F)
    every = np.arange(F)
    ranges = Ranges(
        np.repeat(low, 2, 1), np.repeat(-low, 2, 1) * np.array([1.0, 3.0] * F), np.arange(2 * F + 1),
        np.full(2 * F, 3, np.uint8), np.full(2 * F, 0.1), np.full(2 * F, 0.2),
    )  # fmt: skip
    text = (every == 1).astype(np.uint8)
    context = np.where(every < 2, 0, NO_CHOICE)
    return Limits(Judged(every, 2 * every, context, text, np.full(F, 0.25)), ranges)


class _Static:
    """Static limits, and conditions of every second variant beside them."""

    def __init__(self) -> None:
        self.limits, every = _limits(), np.arange(F)
        levels = np.full(F, 2, np.uint8)
        asked = Asked(every, 2 * every + 1, np.ones(F, np.int64), np.arange(F + 1), levels)
        self.conditions = Conditions(asked)
        self.snapshot, self.restore = self.limits.snapshot, self.limits.restore

    def feed(self, rows: Rows) -> Scores:
        scores = self.limits.levels(rows)
        self.conditions.feed(rows, rows.time_ns, self.limits.variant, scores)
        return scores


def _changes() -> _Changing:
    low = np.tile(np.array([[-0.5], [-1.0], [-2.0], [-4.0], [-8.0]]), F)
    return _Changing(low)


class _Changing:
    """Static and change limits, which write to the same levels."""

    def __init__(self, low: Any) -> None:
        every = np.arange(F)
        self.limits = _limits()
        second = np.arange(F, dtype=np.uint8) % 2
        self.changes = ChangeLimits(Bounds(every, every, 2 * every, low, -low, second))
        self.snapshot, self.restore = self.changes.snapshot, self.changes.restore

    def feed(self, rows: Rows) -> Scores:
        scores = self.limits.levels(rows)
        self.changes.feed(rows, rows.time_ns, self.limits.variant, scores)
        return scores


CASES = [
    Case(
        "loss of signal",
        lambda: LossOfSignal("/S", 5.0, Origin("S", 0, {})),
        wild_numbers,
        _feed_los,
    ),
    Case("static limits and a condition", _Static, wild_numbers, _feed_limits),
    Case("limits of change", _changes, wild_numbers, _feed_limits),
    Case(
        "monitor", lambda: Monitor(ones_of(3), ones_of(SECOND), ones_of(2)), _levels, _feed_monitor
    ),
    Case("flapping", _Flaps, _levels, _feed_flaps),
    Case("stale", _Stale, wild_numbers, _feed_stale),
]
