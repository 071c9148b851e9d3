"""Law 6: nothing that came in goes unaccounted."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.chain import Chain
from pipeline.packets import PacketReader, Reassembler, Scanner
from pipeline.packets.scanner import MAX_SKIP_BYTES
from pipeline.timeline.order import Order
from schemas import topics
from schemas.columns import Reason
from schemas.settings import TimeSettings
from tests.laws.case import F, N, batch_of, rows_of
from tests.laws.cases import CASES
from tests.laws.damage import in_pieces
from tests.laws.of_packets import GROUND, SEGMENTED, byte_stream, segments, with_ground_headers
from tests.laws.streams import late_numbers, raw_records
from tests.laws.vehicle import vehicle_mission


@pytest.mark.parametrize("ground", [0, GROUND, 4])
def test_scanner_bytes(ground: int, rng: np.random.Generator) -> None:
    """bytes in = packets + ground headers + skipped + pending, after every piece; at the end
    nothing is pending."""
    stream = with_ground_headers(rng) if ground else byte_stream(rng)
    scanner, fed, told = Scanner([5, 6, 7], ground), 0, 0
    at = sorted(rng.integers(0, len(stream), 20).tolist())
    for a, b in zip([0, *at], [*at, len(stream)], strict=True):
        s = scanner.feed(stream[a:b])
        fed += b - a
        told += int(s.length.sum()) + s.header_bytes + sum(map(len, s.skip_bytes))
        assert fed == told + scanner.pending
    s = scanner.feed(b"", final=True)
    assert scanner.pending == 0
    assert fed == told + int(s.length.sum()) + s.header_bytes + sum(map(len, s.skip_bytes))


def test_reassembly_bytes(rng: np.random.Generator) -> None:
    """Bytes of packets in = of packets out, less the headers that went, + refused + pending."""
    reader, stage = PacketReader(), Reassembler(SEGMENTED)
    packets, out_bytes, lost_bytes, headers = 0, 0, 0, 0
    for record in segments(rng):
        batch, _ = reader.feed([record])
        out, lost = stage.feed(batch)
        packets += int(batch.length.sum())
        out_bytes += int(out.length.sum())
        lost_bytes += int(lost.length.sum())
        headers += int((batch.length > 0).sum()) - int((out.length > 0).sum()) - len(lost)
        waiting = int(stage.state["open"][:, 0].sum())  # segments whose headers may go yet
        assert packets == out_bytes + lost_bytes + stage.pending + 6 * (headers - waiting)
    assert lost_bytes


@pytest.mark.parametrize("ground", [0, GROUND])
def test_scanner_says_where_and_what(ground: int, rng: np.random.Generator) -> None:
    """Skips are the input at their places; skips and packets are the same in any chunking."""
    garbage = rng.bytes(int(rng.integers(3 * MAX_SKIP_BYTES)))
    stream = garbage + (with_ground_headers(rng) if ground else byte_stream(rng))
    found = []
    for cuts in (0, 30):
        packets, skips = in_pieces(Scanner([5, 6, 7], ground), stream, rng, cuts)
        for place, content in skips:
            assert stream[place : place + len(content)] == content
        found.append((packets, skips))
    assert found[0] == found[1]


def test_reader_bytes(rng: np.random.Generator) -> None:
    """Every byte of every record is a header, a packet, an idle packet or refused."""
    reader = PacketReader()
    for record in raw_records(rng):
        before = reader.counters
        batch, refused = reader.feed([record])
        seen = {name: n - before[name] for name, n in reader.counters.items()}
        assert seen["bytes"] == len(record.value)
        assert seen["packets"] + seen["ticks"] == len(batch)
        packets, lost = int(batch.length.sum()), int(refused.length.sum())
        assert packets + lost <= len(record.value)
        if not len(batch) and not len(refused):
            assert seen["idle"] or seen["ticks_back"] or seen["controls"] or len(record.value) == 4


def test_samples_in_are_used_late_or_rejected(rng: np.random.Generator) -> None:
    for lateness in (0.0, 3.0):
        order = Order(np.arange(F), TimeSettings(lateness_s=lateness, jump_s=100))
        time, value, quality = late_numbers(rng)
        found = order.feed(batch_of(N, time), rows_of(time, value, quality), np.zeros(0, np.int64))
        out = sum(len(p.ordered.time_ns) for p in found.pieces)
        assert out + len(found.late) + order.held == N
        assert set(found.late.reason.tolist()) <= {int(Reason.LATE), int(Reason.TIME_JUMP)}
        for piece in found.pieces:
            assert (np.diff(piece.ordered.time_ns) >= 0).all()


def test_chain_publishes_every_refusal(rng: np.random.Generator) -> None:
    records = raw_records(rng)
    fed = Chain(vehicle_mission()).feed(records)
    published = sum(o.topic == topics.REJECTS for _, o in fed.outputs)
    assert 0 < published <= sum(fed.rejected.values())


def test_ids_are_unique(rng: np.random.Generator) -> None:
    fed = Chain(vehicle_mission()).feed(raw_records(rng))
    ids = [o.id for _, o in fed.outputs]
    assert len(ids) == len(set(ids)) > 0


def test_every_stage_of_the_chain_has_a_case() -> None:
    """A stage added to the chain without joining the laws fails here."""
    from pathlib import Path

    import pipeline

    here = Path(pipeline.__file__).parent
    stages = {
        (p.parent.name if p.stem == "stage" else p.stem)
        for p in here.rglob("*.py")
        if any(
            base in p.read_text()
            for base in ("(Stateful)", "(Family)", "(RecordModel)", "(ExtentModel)")
        )
        and "class Stateful" not in p.read_text()
    }
    text = " ".join(c.name for c in CASES).replace(" ", "_")
    missing = {s for s in stages if s.removesuffix("r") not in text and s not in text}
    assert missing <= {
        "decoder",
        "check",
        "family",
        "record",
    }  # base classes, and stages that a case combines
