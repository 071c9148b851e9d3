"""Memory is bounded, whatever a stream says of itself."""

from __future__ import annotations

import struct
import tracemalloc
from collections.abc import Iterator

from pipeline.chain import Chain
from pipeline.mission.folder import Mission
from pipeline.packets import PacketReader, Scanner
from pipeline.packets.scanner import MAX_SKIP_BYTES
from schemas.columns import Reason
from schemas.records import PACKETS_HEADERS, RawRecord, encode_packets
from schemas.space_packet import APIDS, MAX_PACKET_BYTES
from tests.laws.case import SECOND

BASE = 1_700_000_000 * SECOND


def packet(apid: int, count: int, said: int = 0, body: bytes = b"\0") -> bytes:
    return struct.pack(">HHH", 0x0800 | apid, 0xC000 | count % 16384, said) + body


def record(offset: int, packets: list[bytes]) -> RawRecord:
    times = [BASE + offset * SECOND] * len(packets)
    return RawRecord(offset, encode_packets(times, b"".join(packets)), PACKETS_HEADERS)


def all_apids(rounds: int) -> Iterator[RawRecord]:
    """2,048 packets a record, one of each APID."""
    for n in range(rounds):
        yield record(n, [packet(apid, n) for apid in range(APIDS)])


def held(chain: Chain) -> dict[str, tuple[int, ...]]:
    return {name: array.shape for name, array in chain.snapshot().items()}


def test_a_scanner_waits_for_one_packet_at_most() -> None:
    """Every header says 65,536 bytes follow, in step: none is waited for longer than that. What it
    swallowed is seen then, so an open skip may stand beside it."""
    scanner = Scanner()
    first = packet(5, 0, 0xFFFF, bytes(65536))
    scanner.feed(first + packet(5, 1, 0xFFFF))
    most = 0
    for n in range(2_000):
        scanner.feed(packet(5, n, 0xFFFF, bytes(994)))
        most = max(most, scanner.pending)
    assert most <= MAX_PACKET_BYTES + MAX_SKIP_BYTES + 1000


def test_records_that_lie_about_every_length(demo_mission: Mission) -> None:
    chain = Chain(demo_mission)
    before = held(chain)
    for n in range(200):
        fed = chain.feed([record(n, [packet(100, n, 0xFFFF, bytes(20))] * 50)])
        assert fed.rejected == {int(Reason.MALFORMED_RECORD): 1}
    assert held(chain) == before


def test_a_million_apids(demo_mission: Mission) -> None:
    """All 2,048 over and over: the state keeps its size."""
    chain = Chain(demo_mission)
    before = held(chain)
    packets = 0
    for one in all_apids(489):
        chain.feed([one])
        packets += APIDS
    assert packets > 1_000_000
    assert held(chain) == before


def test_a_reader_keeps_nothing() -> None:
    reader = PacketReader()
    records = list(all_apids(40))
    reader.feed(records[:1])
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for one in records:
        reader.feed([one])
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after - before < 100_000
