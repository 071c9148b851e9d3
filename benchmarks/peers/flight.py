"""The flight that all peers read, and the crossings that all must find."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.chain import BEGIN, INF, records_of
from benchmarks.peers.job import ALPHA, CONTAINERS, LIMIT, WIDTH
from pipeline.formats.spec import Column, Recorded, Table
from schemas.mission import AlarmRanges
from schemas.records import RawRecord

PULL = 0.01  # of the walk to zero, per second: its spread is 7, the limit is at 3 spreads
Crossing = tuple[str, int, str]  # parameter, time, new state


def tables() -> list[Table]:
    """The limit as a critical range of one violation."""
    low = (-INF, -INF, -INF, -LIMIT, -INF)
    high = (INF, INF, INF, LIMIT, INF)
    alarm = AlarmRanges(low, high, 1)
    return [
        Table(
            f"C{c}", c + 1, tuple(Column(f"P{c}_{j}", "f4", "V", alarm=alarm) for j in range(WIDTH))
        )
        for c in range(CONTAINERS)
    ]


@dataclass(slots=True)
class Flight:
    """time_ns i8[seconds]; values f4[seconds, CONTAINERS, WIDTH]: seeded walks, pulled to zero."""

    time_ns: NDArray[np.int64]
    values: NDArray[np.float32]

    def records(self) -> list[RawRecord]:
        """Forty packets a record, and a tick, a second."""
        return records_of([
            Recorded(table, self.time_ns, {
                column.name: self.values[:, c, j] for j, column in enumerate(table.columns)
            })
            for c, table in enumerate(tables())
        ])  # fmt: skip

    def crossings(self) -> Iterator[tuple[Crossing, float, float]]:
        """Each crossing with its value and its EWMA, in order of time; only with numpy."""
        beyond = np.abs(self.values[0]) > np.inf
        mean = self.values[0].astype(np.float64)
        for k, time in enumerate(self.time_ns.tolist()):
            x = self.values[k].astype(np.float64)
            mean += ALPHA * (x - mean)
            now = np.abs(x) > LIMIT
            for c, j in np.argwhere(now != beyond):
                state = "critical" if now[c, j] else "normal"
                yield (f"P{c}_{j}", time, state), float(x[c, j]), float(mean[c, j])
            beyond = now


def flight(seconds: int) -> Flight:
    rng = np.random.default_rng(20261201)
    values = np.empty((seconds, CONTAINERS, WIDTH), np.float32)
    x = rng.normal(0, (2 * PULL) ** -0.5, values.shape[1:])
    for k in range(seconds):
        x = (1 - PULL) * x + rng.normal(0, 1, x.shape)
        values[k] = x
    return Flight(BEGIN + np.arange(seconds) * 10**9 + 300_000_000, values)
