"""Segments put together by sequence flags (CCSDS 133.0-B-2, 4.1.3.4.2), or refused whole."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from pipeline.chain import Chain
from pipeline.mission.folder import Mission
from pipeline.packets import PacketReader, Reassembler
from pipeline.packets.reassembly import MAX_SEGMENTS
from pipeline.simulate import simulate
from schemas.columns import Reason
from schemas.records import RawRecord
from schemas.space_packet import MAX_PACKET_BYTES
from tests.laws.vehicle import vehicle_mission

CONTINUED, FIRST, LAST, WHOLE = range(4)
SECOND_NS = 1_000_000_000


def packet(flags: int, count: int, data: bytes, apid: int = 5) -> bytes:
    head = (0x0800 | apid).to_bytes(2, "big") + (flags << 14 | count % 16384).to_bytes(2, "big")
    return head + (len(data) - 1).to_bytes(2, "big") + data


def fed(
    *packets: bytes, apids: tuple[int, ...] = (5, 6), stage: Reassembler | None = None
) -> tuple[list[bytes], list[tuple[int, int, int]], Reassembler]:
    """Packets out; (record's offset, start, length) refused; each packet is a record of its own."""
    stage = stage or Reassembler(apids)
    records = [RawRecord(i, p, (), i * SECOND_NS) for i, p in enumerate(packets)]
    batch, refused = PacketReader().feed(records)
    assert not len(refused)
    out, lost = stage.feed(batch)
    whole = [bytes(out.data[s : s + n]) for s, n in zip(out.start, out.length, strict=True)]
    places = zip(lost.offset.tolist(), lost.start.tolist(), lost.length.tolist(), strict=True)
    assert set(lost.reason.tolist()) <= {Reason.SEGMENT_LOST, Reason.TOO_MANY}
    return whole, list(places), stage


def test_three_segments_are_one_packet() -> None:
    out, lost, stage = fed(
        packet(FIRST, 3, b"ab"), packet(CONTINUED, 4, b"c"), packet(LAST, 5, b"d")
    )
    assert out == [packet(WHOLE, 3, b"abcd")]
    assert not lost
    assert not stage.pending


def test_it_comes_with_the_record_and_time_of_its_last_segment() -> None:
    parts = [packet(FIRST, 3, b"ab"), packet(LAST, 4, b"cde")]
    batch, _ = PacketReader().feed([RawRecord(7 + i, p, (), i) for i, p in enumerate(parts)])
    out, _ = Reassembler([5]).feed(batch)
    assert (out.offset.tolist(), out.reception_ns.tolist(), out.record.tolist()) == ([8], [1], [1])
    assert out.seq_count.tolist() == [3]
    told = out.rejects(np.array([0]), np.array([Reason.NO_CONTAINER], np.uint8))
    assert (told.offset.tolist(), told.start.tolist(), told.length.tolist()) == ([8], [0], [9])


def test_the_count_goes_on_at_16384() -> None:
    parts = [packet(FIRST, 16383, b"a"), packet(CONTINUED, 0, b"b"), packet(LAST, 1, b"c")]
    assert fed(*parts)[0] == [packet(WHOLE, 16383, b"abc")]


def test_apids_do_not_mix() -> None:
    out, lost, _ = fed(
        packet(FIRST, 1, b"a"), packet(FIRST, 9, b"x", 6), packet(CONTINUED, 2, b"b"),
        packet(LAST, 10, b"y", 6), packet(LAST, 3, b"c"),
    )  # fmt: skip
    assert out == [packet(WHOLE, 9, b"xy", 6), packet(WHOLE, 1, b"abc")]
    assert not lost


def test_segments_of_other_apids_are_no_packets() -> None:
    strangers = [packet(CONTINUED, 5, b"a", 7), packet(WHOLE, 6, b"b", 7)]
    for apids in ((), (5, 6)):
        batch, _ = PacketReader().feed([RawRecord(i, p, (), i) for i, p in enumerate(strangers)])
        out, lost = Reassembler(apids).feed(batch)
        assert len(out) == 1
        assert (lost.reason.tolist(), lost.offset.tolist()) == ([Reason.SEGMENT], [0])
        assert lost.apid is not None
        assert lost.apid.tolist() == [7]


LOSSES = {
    "in the middle": ([(FIRST, 1), (CONTINUED, 3), (LAST, 4)], [0, 1, 2]),
    "of the last": ([(FIRST, 1), (CONTINUED, 2), (FIRST, 4)], [0, 1]),
    "of the first": ([(CONTINUED, 2), (LAST, 3)], [0, 1]),
    "of the rest, then a whole packet": ([(FIRST, 1), (WHOLE, 4)], [0]),
    "of nothing, but one twice": ([(FIRST, 1), (CONTINUED, 2), (CONTINUED, 2), (LAST, 3)],
                                  [0, 1, 2, 3]),
    "of nothing, but one late": ([(FIRST, 1), (CONTINUED, 3), (CONTINUED, 2), (LAST, 4)],
                                 [0, 1, 2, 3]),
    "of the last, twice in a row": ([(FIRST, 1), (FIRST, 3), (FIRST, 5)], [0, 1]),
}  # fmt: skip


@pytest.mark.parametrize("loss", LOSSES)
def test_loss(loss: str) -> None:
    """Every segment of the group is refused with its place; none is in a packet."""
    flags, gone = LOSSES[loss]
    parts = [packet(f, n, b"d" * (n + 1)) for f, n in flags]
    out, lost, _ = fed(*parts)
    assert sorted(lost) == [(i, 0, len(parts[i])) for i in gone]
    assert out == [p for p, (f, _) in zip(parts, flags, strict=True) if f == WHOLE]


def test_the_next_packet_after_a_loss_is_whole() -> None:
    out, lost, _ = fed(
        packet(FIRST, 1, b"a"), packet(LAST, 3, b"c"), packet(FIRST, 4, b"d"), packet(LAST, 5, b"e")
    )
    assert out == [packet(WHOLE, 4, b"de")]
    assert len(lost) == 2


def test_a_segment_of_an_earlier_feed_is_told_by_its_own_record() -> None:
    reader, stage = PacketReader(), Reassembler([5])
    parts = [packet(FIRST, 1, b"ab"), packet(LAST, 3, b"c")]
    for i, part in enumerate(parts):
        batch, _ = reader.feed([RawRecord(40 + i, part, ())])
        out, lost = stage.feed(batch)
        assert not len(out)
    assert lost.offset.tolist() == [40, 41]
    assert lost.record.tolist() == [0, 0]


def test_open_segments_are_pending() -> None:
    assert fed(packet(FIRST, 1, b"ab"), packet(CONTINUED, 2, b"c"))[2].pending == 8 + 7


def test_a_packet_larger_than_any_may_be_is_refused() -> None:
    half = b"x" * 40_000
    out, lost, stage = fed(
        packet(FIRST, 1, half), packet(CONTINUED, 2, half), packet(LAST, 3, b"x")
    )
    assert (out, len(lost), stage.pending) == ([], 3, 0)
    most = MAX_PACKET_BYTES - 6 - len(half)
    out, lost, _ = fed(packet(FIRST, 1, half), packet(LAST, 2, b"x" * most))
    assert [len(p) for p in out] == [MAX_PACKET_BYTES]
    many = [packet(CONTINUED, 1 + i, b"x") for i in range(MAX_SEGMENTS)]
    out, lost, _ = fed(packet(FIRST, 0, b"x"), *many)
    assert len(lost) == MAX_SEGMENTS + 1


def cut_up(stream: bytes, apid: int, pieces: int) -> list[bytes]:
    """The packets of a flight, those of one APID in segments with counts of their own."""
    out, at, count = [], 0, 0
    while at < len(stream):
        size = int.from_bytes(stream[at + 4 : at + 6], "big") + 7
        whole = stream[at : at + size]
        at += size
        if int.from_bytes(whole[:2], "big") & 2047 != apid:
            out.append(whole)
            continue
        places = np.linspace(6, size, pieces + 1).astype(int).tolist()
        for k, (a, b) in enumerate(pairwise(places)):
            flags = (k == 0) | (k == pieces - 1) << 1
            out.append(packet(flags, count, whole[a:b], apid))
            count += 1
    return out


def segmented(mission: Mission, *apids: int) -> Mission:
    return replace(mission, settings=replace(mission.settings, segmented_apids=apids))


def test_the_chain_says_of_segments_what_it_says_of_whole_packets() -> None:
    """Alerts, statistics and rejects but for their ids; in any chunking the same bytes."""
    stream = simulate(4, (), -1.0, 6.0).packets
    mission = segmented(vehicle_mission(), 101)
    parts = cut_up(stream, 101, 3)
    assert len(parts) > len(cut_up(stream, 101, 1))
    records = [RawRecord(i, p, (), i) for i, p in enumerate(parts)]
    whole = Chain(mission).feed(records)
    plain = [RawRecord(i, p, (), i) for i, p in enumerate(cut_up(stream, 101, 1))]
    wanted = Chain(vehicle_mission()).feed(plain)
    assert whole.samples == wanted.samples > 0
    assert not whole.rejected
    chain = Chain(mission)
    single = [o.value for r in records for _, o in chain.feed([r]).outputs]
    assert single == [o.value for _, o in whole.outputs]


def test_a_mission_without_segments_has_no_state_of_them() -> None:
    state = Chain(vehicle_mission()).snapshot()
    assert not sum(a.nbytes for name, a in state.items() if name.startswith("reassembly/"))
