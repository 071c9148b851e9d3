"""What time it is in a flight: the latest time that it told, and what has passed since."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class FlightClock:
    """Of one source. A replay is years back, and some on-board clocks count from nowhere; between
    two times that are told, flight time is taken to pass as ours does."""

    _ahead_ns: int | None = None  # flight time less ours

    def set(self, flight_ns: int, now_ns: int) -> None:
        """It was flight_ns at now_ns, whatever was thought before."""
        self._ahead_ns = flight_ns - now_ns

    def at_least(self, flight_ns: int, now_ns: int) -> None:
        """It was flight_ns or later at now_ns: a window is told of once it is over."""
        if self._ahead_ns is None or flight_ns - now_ns > self._ahead_ns:
            self._ahead_ns = flight_ns - now_ns

    def at(self, now_ns: int) -> int | None:
        """Flight time, ns; None where none was ever told."""
        return None if self._ahead_ns is None else now_ns + self._ahead_ns
