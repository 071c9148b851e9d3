"""What time it is for a source: in the stamps of its flight, and in those of who received it.

A replay may be years old, some on-board clocks have no known epoch, and a worker that catches up
reports old samples. So a reception time near our time is taken to be on our clock, however late it
is reported; one far from our time is taken to be reported at once.
"""

from __future__ import annotations

from agents.watch.records import Alarm
from schemas.columns import SECOND

NEAR_NS = 7 * 86_400 * SECOND


class SourceClock:
    """Times in ns. Between two reported times, flight time passes as our time does."""

    def __init__(self) -> None:
        self._reception_ahead: int | None = None  # reception less our time
        self._flight_ahead: int | None = None  # generation less our time
        self._by_alert = False

    def tell(self, alarm: Alarm, at_ns: int, by_alert: bool) -> None:
        """Take the stamps of a sample, reported at at_ns. A state may be written long after its
        sample: once there was an alert only alerts count, until then the latest state."""
        if self._by_alert and not by_alert:
            return
        reception = flight = None
        if alarm.reception_ns is not None:
            reception = _ahead(alarm.reception_ns, at_ns)
        if alarm.generation_ns is not None:
            flight = _ahead(alarm.generation_ns, at_ns)
            if reception is not None and alarm.reception_ns is not None:
                flight = reception + alarm.generation_ns - alarm.reception_ns
        self._reception_ahead = _newer(self._reception_ahead, reception, forward=not by_alert)
        self._flight_ahead = _newer(self._flight_ahead, flight, forward=not by_alert)
        self._by_alert = by_alert

    def pane(self, end_ns: int, at_ns: int) -> None:
        """A window is reported after its end: flight time is then at least end_ns."""
        self._flight_ahead = _newer(self._flight_ahead, end_ns - at_ns, forward=True)

    def flight(self, now_ns: int) -> int | None:
        return None if self._flight_ahead is None else now_ns + self._flight_ahead

    def age_ns(self, alarm: Alarm, now_ns: int) -> int | None:
        """Age of its sample: the larger one of those by its two stamps."""
        ages = [
            now_ns + ahead - stamp
            for ahead, stamp in (
                (self._reception_ahead, alarm.reception_ns),
                (self._flight_ahead, alarm.generation_ns),
            )
            if ahead is not None and stamp is not None
        ]
        return max(ages, default=None)


def _ahead(stamp_ns: int, at_ns: int) -> int:
    ahead = stamp_ns - at_ns
    return 0 if abs(ahead) < NEAR_NS else ahead


def _newer(old: int | None, new: int | None, forward: bool) -> int | None:
    """forward: the clock is never put back."""
    if new is None or (forward and old is not None and old > new):
        return old
    return new
