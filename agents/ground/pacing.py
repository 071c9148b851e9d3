"""The pace of a replay, and how late the broker acknowledged each record."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable

import numpy as np

_LEAST_S = 1e-6
_STEP = math.log(1.02)  # a quantile is exact to 2 %
_BINS = 1 + math.ceil(math.log(1e6 / _LEAST_S) / _STEP)  # up to eleven days


class Lateness:
    """How late records are, in seconds. Bounded in memory: a replay may go on for ever."""

    def __init__(self) -> None:
        self.count, self.worst_s = 0, 0.0
        self._sum = 0.0
        self._bins = np.zeros(_BINS, np.int64)

    def add(self, seconds: float) -> None:
        late = max(0.0, seconds)
        self.count += 1
        self._sum += late
        self.worst_s = max(self.worst_s, late)
        place = math.ceil(math.log(max(late, _LEAST_S) / _LEAST_S) / _STEP)
        self._bins[min(place, _BINS - 1)] += 1

    @property
    def mean_s(self) -> float:
        return self._sum / max(1, self.count)

    @property
    def p99_s(self) -> float:
        """The 99th percentile, at most 2 % too high."""
        if not self.count:
            return 0.0
        place = int(np.searchsorted(np.cumsum(self._bins), 0.99 * self.count))
        return min(self.worst_s, _LEAST_S * math.exp(place * _STEP))


class Pace:
    """When records are due on the clock. speed: times flight time; None is at once."""

    def __init__(
        self,
        speed: float | None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._speed, self._clock, self._sleep = speed, clock, sleep
        self._begun = clock()

    @property
    def paced(self) -> bool:
        return self._speed is not None

    @property
    def seconds(self) -> float:
        """Since it began."""
        return self._clock() - self._begun

    async def wait(self, flight_s: float) -> float:
        """Wait for that flight time. Returns when it is due, in seconds since the beginning."""
        if self._speed is None:
            return 0.0
        due = flight_s / self._speed
        if (early := due - self.seconds) > 0:
            await self._sleep(early)
        return due
