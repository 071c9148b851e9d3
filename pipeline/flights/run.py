"""Runs a recorded flight through the chain without Kafka: the same records, the same bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.chain import Chain, Fed
from pipeline.errors import FlightError
from pipeline.flights.records import Flight, FlightRecord, PacketRate, flight_of, pack
from pipeline.mdb.mark import heed_marks
from pipeline.mission.apids import known_apids
from pipeline.mission.folder import Mission
from pipeline.packets import Scanned, Scanner
from pipeline.packets.files import joined, scans
from schemas.records import RawRecord

BATCH = 64  # records a feed; any number gives the same bytes
HOPELESS_BYTES = 64 << 20  # stop here if there is no packet yet: rubbish must not fill memory


@dataclass(slots=True)
class Recording:
    """Files of packets back to back, scanned, and their flight. size: bytes, unpacked."""

    scanned: Scanned
    flight: Flight
    size: int


def scan_files(paths: Sequence[Path], mission: Mission, ground_header: int) -> tuple[Scanned, int]:
    """Packets of all files, and bytes read. FlightError when there is no packet."""
    scanner, parts, size = Scanner(known_apids(mission.mdb), ground_header), [], 0
    packets = 0
    for read, scanned in scans(paths, scanner):
        size += read
        packets += len(scanned.start)
        if not packets and size > HOPELESS_BYTES:
            break
        parts.append(scanned)
    if not packets:
        raise FlightError(
            f"{', '.join(map(str, paths))}: no packet of {mission.mdb.path} found in {size} bytes. "
            "Is it a file of CCSDS packets, and of this mission? (A ground station's header before "
            "each packet is stepped over with --skip-header-bytes.)"
        )
    return joined(parts), size


def load_recording(
    paths: Path | Sequence[Path], mission: Mission, chain: Chain, ground_header: int = 0,
    numbered: PacketRate | None = None,
) -> Recording:  # fmt: skip
    """Scan the files of one flight, in order, and determine the time of each packet. numbered: used
    if no packet has a time."""
    files = [paths] if isinstance(paths, Path) else paths
    heed_marks(files, mission.mdb)
    scanned, size = scan_files(files, mission, ground_header)
    settings = mission.settings
    jump = round(settings.time.jump_s * 1e9)
    flight = flight_of(
        scanned.data, scanned.start, scanned.length, chain.plans, jump, settings.segmented_apids,
        numbered,
    )  # fmt: skip
    return Recording(scanned, flight, size)


def cut_flight(flight: Flight, start_s: float | None, end_s: float | None) -> Flight:
    """The part from `start_s` to `end_s`, counted from the first packet."""
    if (start_s is None and end_s is None) or not len(flight.start):
        return flight
    seconds = (flight.reception_ns - flight.reception_ns[0]) / 1e9
    keep = (seconds >= (start_s or 0.0)) & (seconds <= (np.inf if end_s is None else end_s))
    return Flight(flight.data, flight.start[keep], flight.length[keep], flight.reception_ns[keep])


def raw_records(flight: Flight, before: Sequence[FlightRecord] = ()) -> Iterator[RawRecord]:
    """The flight as a fresh partition of telemetry.raw would hold it: offsets from 0."""
    for offset, record in enumerate((*before, *pack(flight)) if before else pack(flight)):
        yield RawRecord(offset, record.value, record.headers)


def run_flight(flight: Flight, chain: Chain, before: Sequence[FlightRecord] = ()) -> Iterator[Fed]:
    """Feed a whole flight. before: control records that come first."""
    held: list[RawRecord] = []
    for record in raw_records(flight, before):
        held.append(record)
        if len(held) == BATCH:
            yield chain.feed(held)
            held = []
    if held:
        yield chain.feed(held)
