"""The job that all peers do: decode, one EWMA and one limit a parameter, an alert a crossing.

Runs in the project's venv and in the peers'; nothing of Heartline is imported here.
"""

from __future__ import annotations

import sys
import time
from importlib.metadata import version
from typing import Any, NamedTuple

import numpy as np
import orjson
from numba import njit
from numpy.typing import NDArray

from schemas.columns import F8, I8, U1

CONTAINERS, WIDTH = 40, 25  # parameters a container, which is an APID from 1
LIMIT = 21.0  # of either sign
ALPHA = 0.05
HEADER, PACKET = 6, 6 + 8 + 4 * WIDTH
TICK = 8  # bytes of a tick's value; one of packets is longer
FETCH_BYTES = 1024 * 1024  # of a partition: what all clients have by default
LINGER_MS = 5
_MOST = 4096 * WIDTH  # crossings of one record


class Asked(NamedTuple):
    """What a peer is told on its command line."""

    bootstrap: str
    raw: str
    alerts: str
    group: str
    records: int
    how: str  # bare: read, and do nothing; job; store: the job, its state in the framework's store


def asked() -> Asked:
    bootstrap, raw, alerts, group, records, how = sys.argv[1:]
    return Asked(bootstrap, raw, alerts, group, int(records), how)


@njit(cache=True)
def big_endian(value: U1, at: Any, octets: int) -> np.int64:
    n = np.int64(0)
    for i in range(octets):
        n = (n << 8) | np.int64(value[at + i])
    return n


@njit(cache=True)
def decode(value: Any) -> Any:
    """Times i8[k], containers i8[k] and values f4[k, WIDTH] of a record's value (docs/raw.md)."""
    k = 0 if len(value) == TICK else big_endian(value, 0, 4)
    time, container = np.empty(k, np.int64), np.empty(k, np.int64)
    bits = np.empty((k, WIDTH), np.uint32)
    for p in range(k):
        at = 4 + 8 * k + PACKET * p
        container[p] = (big_endian(value, at, 2) & 0x7FF) - 1
        time[p] = big_endian(value, at + HEADER, 8)
        for j in range(WIDTH):
            bits[p, j] = big_endian(value, at + HEADER + 8 + 4 * j, 4)
    return time, container, bits.view(np.float32)


@njit(cache=True)
def follow(value: U1, mean: F8, beyond: Any, places: I8, figures: F8) -> Any:
    """Moves the state over a record; crossings into places and figures; returns how many."""
    time, container, values = decode(value)
    n = 0
    for p in range(len(time)):
        c = container[p]
        for j in range(WIDTH):
            x = np.float64(values[p, j])
            m = mean[c, j]
            m = m + ALPHA * (x - m) if m == m else x
            mean[c, j] = m
            now = x < -LIMIT or x > LIMIT
            if now != beyond[c, j]:
                beyond[c, j] = now
                places[n, 0], places[n, 1], places[n, 2] = c, j, time[p]
                figures[n, 0], figures[n, 1] = x, m
                n += 1
    return n


class State(NamedTuple):
    """Of all parameters: EWMA (NaN before the first value), and whether beyond the limit."""

    mean: NDArray[np.float64]
    beyond: NDArray[np.bool_]


def fresh(containers: int = CONTAINERS) -> State:
    return State(np.full((containers, WIDTH), np.nan), np.zeros((containers, WIDTH), np.bool_))


class Clock:
    """The same for all: runs from when a tenth of `records` is processed until all of them are.

    Started by the first record, it would favour the peer with the largest first batch: what was
    fetched for that was there before the clock began.
    """

    def __init__(self, records: int) -> None:
        self._warm, self._last = records // 10, records
        self.records = self._first = 0
        self._begun = self._ended = 0.0

    @property
    def done(self) -> bool:
        return self.records >= self._last

    def passed(self, records: int) -> None:
        """So many more records are processed: a whole batch, where batches can be seen."""
        if self.done:
            return
        self.records += records
        if not self._begun and self.records >= self._warm:
            self._begun, self._first = time.perf_counter(), self.records
        if self.done:
            self._ended = time.perf_counter()

    def tell(self, package: str) -> None:
        """One line on standard output, for the benchmark. Faust sends sys.stdout to its log."""
        counted, seconds = self.records - self._first, self._ended - self._begun
        line = {"version": version(package), "records": counted, "seconds": seconds}
        print(orjson.dumps(line).decode(), file=sys.__stdout__, flush=True)


class Job:
    """A record's value in, its alerts out. Whoever hands over the records advances its clock."""

    def __init__(self, records: int) -> None:
        self.clock = Clock(records)
        self._places, self._figures = np.empty((_MOST, 3), np.int64), np.empty((_MOST, 2))
        self._alerts(np.frombuffer(bytes(TICK), np.uint8), fresh())  # compile

    @property
    def done(self) -> bool:
        return self.clock.done

    def feed(self, value: bytes, state: State) -> list[bytes]:
        return self._alerts(np.frombuffer(value, np.uint8), state)

    def _alerts(self, value: NDArray[np.uint8], state: State) -> list[bytes]:
        n = follow(value, state.mean, state.beyond, self._places, self._figures)
        return [self._alert(i) for i in range(n)] if n else []

    def _alert(self, i: int) -> bytes:
        c, j, at = self._places[i].tolist()
        value, mean = self._figures[i].tolist()
        return orjson.dumps(
            {
                "parameter": f"P{c}_{j}",
                "time_ns": at,
                "state": "critical" if abs(value) > LIMIT else "normal",
                "value": value,
                "mean": mean,
            }
        )
