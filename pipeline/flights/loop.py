"""Repeats a flight as if it went on: time neither jumps nor goes back between rounds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count, islice

from pipeline.flights.records import Flight, FlightRecord, pack
from schemas.records import TICK_NS


def period_ns(flight: Flight) -> int:
    """Time from the first packet of a round to that of the next, which is at the last tick."""
    last_tick = (int(flight.reception_ns[-1]) // TICK_NS + 1) * TICK_NS
    return last_tick - int(flight.reception_ns[0])


def pack_rounds(
    flight: Flight, shift_ns: int = 0, rounds: int | None = 1
) -> Iterator[FlightRecord]:
    """The records of a flight, `rounds` times; None: for ever.

    The header `time_offset_ns` moves the times of each round by one more period, and its records
    are due a period later. Packet bytes and their sequence counts are not changed.
    """
    if not len(flight.reception_ns):
        return
    period = period_ns(flight)
    for n in islice(count(), rounds):
        for record in pack(flight, shift_ns + n * period):
            yield replace(record, due_ns=record.due_ns + n * period)
