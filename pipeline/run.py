"""A recorded flight through the chain with no Kafka: the same records, the same bytes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.chain import Chain, Fed
from pipeline.errors import FlightError
from pipeline.flight import Flight, flight_of, pack
from pipeline.known_apids import known_apids
from pipeline.mission import Mission
from pipeline.packets import Scanned, Scanner
from schemas.records import RawRecord

BATCH = 64  # records a feed; any number gives the same bytes


@dataclass(slots=True)
class Recording:
    """A file of packets back to back, scanned, and its flight."""

    scanned: Scanned
    flight: Flight
    size: int


def scan_file(path: Path, mission: Mission) -> Scanned:
    """Packets of a file. FlightError when it holds none."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise FlightError(f"{path}: cannot be read: {error.strerror}.") from None
    scanned = Scanner(known_apids(mission.mdb)).feed(content, final=True)
    if not len(scanned.start):
        raise FlightError(
            f"{path}: no packet of {mission.mdb.path} found in {len(content)} bytes. "
            "Is it a file of CCSDS packets, and of this mission?"
        )
    return scanned


def load_recording(path: Path, mission: Mission, chain: Chain) -> Recording:
    """Scan a file and find out when each packet was."""
    scanned = scan_file(path, mission)
    jump = round(mission.settings.time.jump_s * 1e9)
    flight = flight_of(scanned.data, scanned.start, scanned.length, chain.plans, jump)
    return Recording(scanned, flight, path.stat().st_size)


def cut_flight(flight: Flight, start_s: float | None, end_s: float | None) -> Flight:
    """The part from `start_s` to `end_s`, counted from the first packet."""
    if (start_s is None and end_s is None) or not len(flight.start):
        return flight
    seconds = (flight.reception_ns - flight.reception_ns[0]) / 1e9
    keep = (seconds >= (start_s or 0.0)) & (seconds <= (np.inf if end_s is None else end_s))
    return Flight(flight.data, flight.start[keep], flight.length[keep], flight.reception_ns[keep])


def raw_records(flight: Flight) -> Iterator[RawRecord]:
    """The flight as a fresh partition of telemetry.raw would hold it: offsets from 0."""
    for offset, record in enumerate(pack(flight)):
        yield RawRecord(offset, record.value, record.headers)


def run_flight(flight: Flight, chain: Chain) -> Iterator[Fed]:
    """Feed a whole flight."""
    held: list[RawRecord] = []
    for record in raw_records(flight):
        held.append(record)
        if len(held) == BATCH:
            yield chain.feed(held)
            held = []
    if held:
        yield chain.feed(held)
