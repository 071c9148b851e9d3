"""JPSS-1 from its file's bytes to columns, against ccsdspy and space_packet_parser."""

from __future__ import annotations

import io
import logging
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.goals import DECODE
from benchmarks.timing import compare, median, seconds
from pipeline.decode import Decoder, PlanSet, compile_plans
from pipeline.mdb import load_xtce
from pipeline.packets import Scanner
from schemas.columns import PADDING, PacketBatch
from schemas.settings import TimeSettings

COPIES = 20
BATCH = 2048
TIME = TimeSettings(epoch="1958-01-01", day="DOY", milliseconds="MSEC", microseconds="USEC")


def batch_of(content: bytes) -> PacketBatch:
    scanned = Scanner([11]).feed(content, final=True)
    k = len(scanned.start)
    zero = np.zeros(k, np.int64)
    data = np.concatenate([scanned.data, np.zeros(PADDING, np.uint8)])
    return PacketBatch(
        data, scanned.start, scanned.length.astype(np.int32), np.zeros(k, np.uint16),
        np.zeros(k, np.uint16), zero, zero, zero, np.zeros(k, np.uint8),
        np.zeros(k, np.int32), np.zeros(1, np.int64),
    )  # fmt: skip


def part(batch: PacketBatch, first: int) -> PacketBatch:
    """A slice of a batch, without copying its data."""
    s = slice(first, first + BATCH)
    b = batch
    return PacketBatch(
        b.data, b.start[s], b.length[s], b.apid[s], b.seq_count[s], b.reception_ns[s],
        b.time_offset_ns[s], b.offset[s], b.duplicate[s], b.record[s], b.record_start,
    )  # fmt: skip


def reused(content: bytes, decoder: Decoder) -> int:
    """Batches of 2,048 packets into the decoder's own buffers, as in the chain."""
    batch = batch_of(content)
    return sum(
        len(r.packet)
        for i in range(0, len(batch), BATCH)
        for r in decoder.feed(part(batch, i)).rows
    )


def fresh(content: bytes, plans: PlanSet) -> Any:
    """The whole file into columns of its own, as a notebook would want it."""
    return Decoder(plans).feed(batch_of(content)).rows[0]


def run(data: Path) -> list[str]:
    import ccsdspy
    from space_packet_parser import generators
    from space_packet_parser.xtce.definitions import XtcePacketDefinition

    logging.getLogger("ccsdspy").setLevel("ERROR")  # it warns of the count at each seam
    folder = data / "ccsds" / "jpss1"
    xtce = folder / "jpss1_geolocation_xtce_v1.xml"
    one = next(folder.glob("*.DAT1")).read_bytes()
    many = one * COPIES
    plans = compile_plans(load_xtce(xtce), TIME)
    decoder = Decoder(plans)
    definition = XtcePacketDefinition.from_xtce(xtce)
    reader = ccsdspy.FixedLength.from_file(str(folder / "ccsdspy_jpss1_geolocation.csv"))

    def theirs() -> Any:
        return reader.load(io.BytesIO(many))

    def parser() -> list[Any]:
        return [definition.parse_bytes(p) for p in generators.ccsds_generator(io.BytesIO(one))]

    # equal values first
    rows, columns, packets = fresh(many, plans), theirs(), parser()
    names = plans.plans[0].names
    compared = 0
    for name, values in columns.items():
        if name in names:
            np.testing.assert_array_equal(rows.eng[:, names.index(name)], values)
            compared += 1
    np.testing.assert_array_equal(
        rows.eng[: len(packets)], [[float(p[n]) for n in names] for p in packets]
    )
    fast = compare(lambda: reused(many, decoder), theirs)
    whole = compare(lambda: fresh(many, plans), theirs)
    slow = seconds(parser)
    mine = median(lambda: reused(one, decoder))
    batch = part(batch_of(one), 0)
    alone = median(lambda: [decoder.feed(batch) for _ in range(200)]) / 200
    values = 7200 * COPIES * len(names)
    lines = []

    def line(name: str, per_s: float, words: str = "") -> None:
        lines.append(f"  {name:28s}{per_s / 1e6:8.2f} M values/s   {words}")

    lines.append(f"decode JPSS-1, {7200 * COPIES} packets, from the file's bytes to columns")
    lines.append(f"  equal: {compared} fields that ccsdspy names, all 27 of space_packet_parser")
    line("heartline, buffers reused", values / fast.mine, f"{fast.ratio:.1f} × ccsdspy ({DECODE})")
    line("heartline, fresh columns", values / whole.mine, f"{whole.ratio:.1f} × ccsdspy")
    line("heartline, decoder alone", BATCH * len(names) / alone)
    line(
        "ccsdspy, fixed length", 7200 * COPIES * len(columns) / fast.other, f"{len(columns)} fields"
    )
    line(
        "space_packet_parser",
        7200 * len(names) / slow,
        f"heartline is {slow / mine:.0f} × this (goal 1,000)",
    )
    return lines
