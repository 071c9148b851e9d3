"""What is fed by mistake is named, and no packet is taken for it."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from agents.cli import main
from pipeline.packets.captures import ASM, capture
from tests.laws.damage import stream
from tests.unit.mdb.test_mdb import document

PCAP = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
PCAPNG = struct.pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28)
FRAMES = (ASM + bytes(1115)) * 3


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (PCAP + bytes(100), "a pcap capture"),
        (PCAPNG + bytes(100), "a pcapng capture"),
        (FRAMES, "transfer frames of 1115 bytes, each behind a sync marker"),
        (b"ULog\x01\x12\x35" + bytes(50), "a PX4 ULog: `heartline import` reads it"),
        (b"PK\x03\x04" + bytes(50), "a zip archive"),
    ],
)
def test_it_is_named(content: bytes, what: str, tmp_path: Path) -> None:
    (tmp_path / "x.xml").write_text(document())
    (tmp_path / "p.bin").write_bytes(content)
    given = ("--mdb", str(tmp_path / "x.xml"), "--out", str(tmp_path / "x.csv"))
    done = CliRunner().invoke(main, ["decode", str(tmp_path / "p.bin"), *given])
    assert done.exit_code == 1
    assert f"p.bin: holds no packets as they are, but {what}" in " ".join(done.output.split())


def test_packets_are_nothing_of_that_kind(rng: np.random.Generator) -> None:
    for _ in range(200):
        one, _ = stream(rng)
        assert not capture(one.data.tobytes())
    header = ASM + bytes.fromhex("0007")  # one packet may begin as a marker does
    assert not capture(header + bytes(8) + header + bytes(20))
