"""A flight over and over, as if it went on: time neither jumps nor goes back between rounds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count, islice

from pipeline.flights.records import Flight, FlightRecord, pack
from schemas.records import TICK_NS


def period_ns(flight: Flight) -> int:
    """From the first packet of a round to that of the next: it comes at the round's last tick."""
    last_tick = (int(flight.reception_ns[-1]) // TICK_NS + 1) * TICK_NS
    return last_tick - int(flight.reception_ns[0])


def pack_rounds(
    flight: Flight, shift_ns: int = 0, rounds: int | None = 1
) -> Iterator[FlightRecord]:
    """The records of a flight, `rounds` times; None: for ever.

    Each round's times are moved by the header `time_offset_ns`, and its records are due, a period
    after those of the round before. Packet bytes, and their sequence counts, are left as they are.
    """
    if not len(flight.reception_ns):
        return
    period = period_ns(flight)
    for n in islice(count(), rounds):
        for record in pack(flight, shift_ns + n * period):
            yield replace(record, due_ns=record.due_ns + n * period)
