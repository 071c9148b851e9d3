"""JPSS-1, decoded from its own XTCE, against space_packet_parser: every value of every packet."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from agents.cli import main
from pipeline.decode import Decoder, compile_plans
from pipeline.mdb import load_xtce
from pipeline.packets import PacketReader, Scanner
from schemas.columns import PacketBatch
from schemas.records import PACKETS_HEADERS, RawRecord, encode_packets
from schemas.settings import TimeSettings

pytestmark = pytest.mark.data
PACKETS = 7200
TIME = TimeSettings(epoch="1958-01-01", day="DOY", milliseconds="MSEC", microseconds="USEC")


@pytest.fixture(scope="module")
def oracle(data: Path) -> list[dict[str, float]]:
    """All values by space_packet_parser, an independent decoder."""
    from space_packet_parser import generators
    from space_packet_parser.xtce.definitions import XtcePacketDefinition

    folder = data / "ccsds" / "jpss1"
    definition = XtcePacketDefinition.from_xtce(folder / "jpss1_geolocation_xtce_v1.xml")
    with next(folder.glob("*.DAT1")).open("rb") as file:
        packets = [definition.parse_bytes(raw) for raw in generators.ccsds_generator(file)]
    return [{name: float(value) for name, value in packet.items()} for packet in packets]


def batch_of(content: bytes) -> PacketBatch:
    scanned = Scanner([11]).feed(content, final=True)
    assert len(scanned.start) == PACKETS
    assert not scanned.skip_bytes
    value = encode_packets([0] * PACKETS, content)
    batch, refused = PacketReader().feed([RawRecord(0, value, PACKETS_HEADERS)])
    assert not len(refused)
    return batch


def test_every_value(data: Path, oracle: list[dict[str, float]]) -> None:
    folder = data / "ccsds" / "jpss1"
    plans = compile_plans(load_xtce(folder / "jpss1_geolocation_xtce_v1.xml"), TIME)
    batch = batch_of(next(folder.glob("*.DAT1")).read_bytes())
    (rows,) = Decoder(plans).feed(batch).rows
    names = plans.plans[0].names
    want = np.array([[packet[n] for n in names] for packet in oracle])
    assert rows.eng.shape == want.shape == (PACKETS, 27)
    np.testing.assert_array_equal(rows.eng, want)
    day, ms, us = (want[:, names.index(n)].astype(np.int64) for n in ("DOY", "MSEC", "USEC"))
    since_1970 = (day - 4383) * 86_400_000_000 + ms * 1000 + us  # 1958 is 4383 days before
    np.testing.assert_array_equal(rows.time_ns, since_1970 * 1000)
    assert not rows.quality.any()


def test_facts(data: Path) -> None:
    """The facts that come with the data: first packet, |q| = 1, |r| about 7,205.7 km."""
    folder = data / "ccsds" / "jpss1"
    plans = compile_plans(load_xtce(folder / "jpss1_geolocation_xtce_v1.xml"), TIME)
    (rows,) = Decoder(plans).feed(batch_of(next(folder.glob("*.DAT1")).read_bytes())).rows
    column = {n: i for i, n in enumerate(plans.plans[0].names)}
    assert rows.eng[0, column["ADGPSPOSX"]] == 6389695.5
    assert rows.eng[0, column["ADCFAQ1"]] == pytest.approx(-0.21635, abs=1e-5)
    q = rows.eng[:, [column[f"ADCFAQ{i}"] for i in (1, 2, 3, 4)]]
    np.testing.assert_allclose(np.linalg.norm(q, axis=1), 1.0, atol=1e-6)
    r = rows.eng[:, [column[f"ADGPSPOS{a}"] for a in "XYZ"]]
    np.testing.assert_allclose(np.linalg.norm(r, axis=1), 7_205_700, rtol=2e-3)


def test_decode_command(data: Path, oracle: list[dict[str, float]], tmp_path: Path) -> None:
    folder = data / "ccsds" / "jpss1"
    out = tmp_path / "x.csv"
    done = CliRunner().invoke(
        main,
        ["decode", str(next(folder.glob("*.DAT1"))), "--out", str(out), "--mdb",
         str(folder / "jpss1_geolocation_xtce_v1.xml")],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    with out.open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == PACKETS
    for row, packet in zip(rows, oracle, strict=True):
        assert {k: float(v) for k, v in row.items()} == packet
