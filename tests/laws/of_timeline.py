"""Cases of the timeline: order, resampling, phases, statistics."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from pipeline.statistics import Statistics
from pipeline.timeline.order import Order
from pipeline.timeline.phases import Phases, phase_of
from pipeline.timeline.resample import Resample
from pipeline.timeline.unwrap import Unwrap
from schemas.columns import (
    Rows,
)
from schemas.settings import ResampleRule, TimeSettings, WindowSettings
from tests.laws.case import (
    SECOND,
    Case,
    F,
    N,
    Rng,
    as_bytes,
    batch_of,
    grid_of,
    ordered_of,
    rows_of,
)
from tests.laws.streams import late_numbers, wild_numbers


def _feed_order(stage: Order, stream: Any, a: int, b: int) -> bytes:
    time, value, quality = (s[a:b] for s in stream)
    batch = batch_of(b - a, time + 5)
    every = np.arange(a, b)
    ticks = np.flatnonzero(every % 7 == 0)
    rows = rows_of(time, value, quality)
    keep = every % 7 != 0
    rows = Rows(
        0, np.flatnonzero(keep), time[keep], rows.raw[keep], rows.eng[keep],
        rows.quality[keep], rows.choice[keep], rows.data,
    )  # fmt: skip
    found = stage.feed(batch, rows, ticks)
    steps, kinds = found.steps, zip(found.kind, found.judged_ns, strict=True)
    events = [
        (int(rows.packet[i]) + a, 0, 0, as_bytes(kind, judged))
        for i, (kind, judged) in enumerate(kinds)
    ]
    events += [(int(p) + a, 1, 0, b"late") for p in found.late.packet]
    events += [
        (int(p) + a, 2, 0, as_bytes(steps.before_ns[i], steps.after_ns[i], steps.step_ns[i]))
        for i, p in enumerate(steps.packet)
    ]
    for piece in found.pieces:
        if piece.anew:
            events.append((piece.packet + a, 4, 0, b"anew"))
        out = piece.ordered
        events += [
            (int(out.packet[i]) + a, 5 if out.packet[i] == piece.packet else 3, i,
             as_bytes(out.time_ns[i], out.eng[i], out.quality[i]))
            for i in range(len(out.packet))
        ]  # fmt: skip
        events += [
            (int(out.advance_packet[i]) + a, 6, i, as_bytes(out.advance_ns[i]))
            for i in range(len(out.advance_ns))
        ]
    return b"".join(as_bytes(np.int64(e[0])) + e[3] for e in sorted(events, key=lambda e: e[:3]))


def _feed_resample(stage: Resample, stream: Any, a: int, b: int) -> bytes:
    out = []
    for g in stage.feed(ordered_of(stream, a, b)):
        out += [
            as_bytes(g.time_ns[i], g.value[i], g.quality[i], g.age_ns[i])
            for i in range(len(g.time_ns))
        ]
    return b"".join(out)


def _feed_statistics(stage: Statistics, stream: Any, a: int, b: int) -> bytes:
    return b"".join(
        as_bytes(w.end_ns[e], w.panes[e], w.figures[e], w.quality[e])
        for w in stage.feed(grid_of(stream, a, b))
        for e in range(len(w.end_ns))
    )


def _feed_phases(stage: Any, stream: Any, a: int, b: int) -> bytes:
    """The phase of each row, each one closed by a packet of its own."""
    rows = rows_of(*(x[a:b] for x in stream))
    packet = np.arange(b - a)
    return as_bytes(phase_of(rows.time_ns, packet, stage.feed({0: replace(rows, packet=packet)})))


def _phase_numbers(rng: Rng) -> Any:
    time, value, quality = wild_numbers(rng)
    value[:, 1] = rng.integers(0, 4, N) // 2 * rng.integers(0, 3, N)
    return time, value, quality


def _feed_unwrap(stage: Unwrap, stream: Any, a: int, b: int) -> bytes:
    value = stream[1][a:b].copy()
    stage.feed(value, stream[2][a:b])
    return as_bytes(value)


CASES = [
    Case("order", lambda: Order(np.arange(F), TimeSettings(jump_s=100)), late_numbers, _feed_order),
    Case(
        "order, late by 3 s",
        lambda: Order(np.array([4, 0]), TimeSettings(lateness_s=3, jump_s=100)),
        late_numbers,
        _feed_order,
    ),
    Case(
        "resample last",
        lambda: Resample(np.arange(F), ResampleRule()),
        wild_numbers,
        _feed_resample,
    ),
    Case(
        "resample mean",
        lambda: Resample(np.array([1, 3]), ResampleRule(method="mean", hz=0.5)),
        wild_numbers,
        _feed_resample,
    ),
    Case(
        "resample linear",
        lambda: Resample(np.array([1, 3]), ResampleRule(method="linear", hz=4)),
        wild_numbers,
        _feed_resample,
    ),
    Case(
        "statistics",
        lambda: Statistics(F, WindowSettings(60, 10), (0.05, 0.5, 0.95)),
        wild_numbers,
        _feed_statistics,
    ),
    Case(
        "phases",
        lambda: Phases(((1.0,), (2.0,)), {0: 1}, 100 * SECOND),
        _phase_numbers,
        _feed_phases,
    ),
    Case("unwrap", lambda: Unwrap(np.arange(F), np.full(F, 3.0)), wild_numbers, _feed_unwrap),
]
