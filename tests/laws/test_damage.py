"""Streams of several missions on a bad link: undamaged packets come out of the scanner."""

from __future__ import annotations

import numpy as np

from pipeline.packets import Scanner
from tests.laws.damage import damaged, in_pieces, lost, packet, sent, stream

STREAMS = 400


def test_what_is_undamaged_comes_out_whatever_its_apid(rng: np.random.Generator) -> None:
    for _ in range(50):
        one, known = stream(rng)
        for apids in (known, [1], None):
            found = Scanner(apids).feed(one.data.tobytes(), final=True)
            assert np.array_equal(found.start, one.start)
            assert np.array_equal(found.length, one.length)


def test_undamaged_packets_among_damage(rng: np.random.Generator) -> None:
    """Of known APIDs, one to seven damages in 20 to 120 packets. What is lost are first packets of
    an APID with damage on both sides, and lengths that lie to the byte: 1 in 5,000 of 10^4 streams
    (`python -m tests.laws.damage`)."""
    whole = missed = 0
    for _ in range(STREAMS):
        one, known = stream(rng)
        got = damaged(rng, one, int(rng.integers(1, 8)))
        n, m = lost(got, known)
        whole, missed = whole + n, missed + m
    assert whole > 20 * STREAMS
    assert missed <= whole / 1000


def test_damaged_streams_in_any_pieces_are_the_same(rng: np.random.Generator) -> None:
    for _ in range(40):
        one, known = stream(rng)
        got = damaged(rng, one, 5)
        every = [in_pieces(Scanner(known), got.data, rng, n) for n in (0, 40, 400)]
        assert every[0] == every[1] == every[2]


def test_a_dump_of_recorded_packets_is_one_packet(rng: np.random.Generator) -> None:
    """Packets within a packet, of APIDs that are known and came live before."""
    one = sent(rng, np.array([5, 6]), 40)
    inner = one.data[: int(one.start[20])].tobytes()
    whole = one.data.tobytes() + packet(0x0807, 9, inner) + one.data[int(one.start[39]) :].tobytes()
    found = Scanner([5, 6, 7]).feed(whole, final=True)
    assert found.length.tolist() == [*one.length, 6 + len(inner), one.length[39]]


def test_the_first_packet_waits_for_no_other() -> None:
    """At the beginning of a connection a packet comes out as soon as it is whole."""
    scanner = Scanner([5])
    one = packet(0x0805, 0, bytes(20))
    assert not len(scanner.feed(one[:9]).start)
    assert scanner.feed(one[9:]).length.tolist() == [len(one)]
    assert scanner.pending == 0


def test_a_trailer_of_a_datagram_costs_no_packet() -> None:
    """A checksum of two bytes, or ten bytes, behind a packet of a known or an unknown APID."""
    scanner = Scanner([5])
    for count, (apid, trailer) in enumerate([(5, 2), (5, 10), (77, 2), (77, 10)]):
        one = packet(0x0800 | apid, count, b"\x55" * 20)
        found = scanner.feed(one + b"\xa5" * trailer, final=True, begins=True)
        assert found.length.tolist() == [len(one)]
        assert sum(map(len, found.skip_bytes)) == trailer
