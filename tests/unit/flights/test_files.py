"""Files as they come: gzip, several of one flight, ground headers, a root container by name."""

from __future__ import annotations

import csv
import gzip
import io
import struct
import zlib
from pathlib import Path

import numpy as np
import orjson
import pytest
from click.testing import CliRunner, Result

from agents.cli import main
from pipeline.errors import FlightError
from pipeline.packets import Scanner
from pipeline.packets.files import PIECE_BYTES, file_pieces, joined, pieces, scans
from pipeline.simulate import simulate
from schemas.columns import Reason
from tests.conftest import PROJECT
from tests.unit.packets.test_reassembly import cut_up, packet

DEMO = str(PROJECT / "missions" / "demo")
HL1 = str(PROJECT / "missions" / "demo" / "hl1.xml")
GROUND = 10


def heartline(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


@pytest.fixture(scope="module")
def flight() -> bytes:
    return simulate(2, (), -1.0, 1.0).packets


@pytest.fixture(scope="module")
def packets(flight: bytes) -> list[bytes]:
    return cut_up(flight, 101, 1)


# --- pieces ----------------------------------------------------------------------------------


def read(content: bytes, tmp_path: Path) -> bytes:
    path = tmp_path / "flight"
    path.write_bytes(content)
    return b"".join(file_pieces(path))


def test_gzip_is_known_by_its_magic(tmp_path: Path, rng: np.random.Generator) -> None:
    content = rng.bytes(3 * PIECE_BYTES + 7)
    packed = gzip.compress(content, 1)
    assert read(content, tmp_path) == content
    assert read(packed, tmp_path) == content
    assert read(b"", tmp_path) == b""
    assert read(b"\x1f", tmp_path) == b"\x1f"
    members = packed + gzip.compress(b"") + gzip.compress(b"tail") + bytes(700)
    assert read(members, tmp_path) == content + b"tail"


@pytest.mark.parametrize("at", [12, 5000, -6])
def test_a_damaged_gzip_is_one_line(at: int, tmp_path: Path, rng: np.random.Generator) -> None:
    packed = bytearray(gzip.compress(rng.bytes(20_000)))
    with pytest.raises(FlightError, match="damaged gzip: it ends too early"):
        read(bytes(packed[:at]), tmp_path)
    packed[-5] ^= 1  # of the size that it must have
    with pytest.raises(FlightError, match="damaged gzip"):
        read(bytes(packed), tmp_path)
    with pytest.raises(FlightError, match="damaged gzip"):
        read(gzip.compress(b"x") + b"rubbish", tmp_path)


def test_a_bomb_comes_in_pieces() -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(64)) + packer.flush()
    assert len(bomb) < 100_000
    sizes = [len(p) for p in pieces(io.BytesIO(bomb), "bomb")]
    assert sum(sizes) == 64 << 20
    assert max(sizes) <= PIECE_BYTES


def test_a_pipe_is_not_waited_for() -> None:
    """What has come is given out, one byte at first."""

    class Pipe(io.BytesIO):
        def read1(self, size: int | None = -1, /) -> bytes:
            return super().read1(min(size or 1, 1 if self.tell() == 0 else 5))

    assert list(pieces(Pipe(b"abcdefghi"), "-")) == [b"abcdef", b"ghi"]


# --- several files ---------------------------------------------------------------------------


def test_several_files_are_one_stream(tmp_path: Path, packets: list[bytes]) -> None:
    """Cut inside a packet: its halves are told, with positions that go on through the files."""
    stream = b"".join(packets[:40])
    cut = sum(map(len, packets[:20])) + 9
    names = [tmp_path / n for n in ("one", "two")]
    names[0].write_bytes(stream[:cut])
    names[1].write_bytes(gzip.compress(stream[cut:]))
    found = list(scans(names, Scanner()))
    whole = joined([s for _, s in found])
    assert sum(n for n, _ in found) == len(stream)
    got = [bytes(whole.data[s : s + n]) for s, n in zip(whole.start, whole.length, strict=True)]
    assert got[:20] == packets[:20]
    assert whole.skip_reason[0] == Reason.TRUNCATED
    for at, content in zip(whole.skip_at, whole.skip_bytes, strict=True):
        assert stream[at : at + len(content)] == content
    assert sum(map(len, got)) + sum(map(len, whole.skip_bytes)) == len(stream)


def test_scans_in_pieces_are_the_scan_of_the_whole(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    parts = [packet(3, i, rng.bytes(int(rng.integers(1, 3000)))) for i in range(600)]
    parts.insert(300, rng.bytes(5000))
    stream = b"".join(parts)
    path = tmp_path / "flight"
    path.write_bytes(stream)
    one = Scanner([5]).feed(stream, final=True)
    many = joined([s for _, s in scans([path], Scanner([5]))])
    for a, b in ((one.length, many.length), (one.skip_at, many.skip_at)):
        np.testing.assert_array_equal(a, b)
    for s, t, n in zip(one.start, many.start, one.length, strict=True):
        assert bytes(one.data[s : s + n]) == bytes(many.data[t : t + n])


# --- commands --------------------------------------------------------------------------------


def decoded(tmp_path: Path, name: str, *arguments: str) -> dict[str, bytes]:
    out = tmp_path / name
    done = heartline("decode", *arguments, "--mdb", HL1, "--out", f"{out}/")
    assert done.exit_code == 0, done.output
    return {p.name: p.read_bytes() for p in out.iterdir()}


def test_decode_of_any_of_them_is_the_same(
    tmp_path: Path, flight: bytes, packets: list[bytes], rng: np.random.Generator
) -> None:
    (tmp_path / "plain").write_bytes(flight)
    (tmp_path / "packed").write_bytes(gzip.compress(flight))
    half = sum(map(len, packets[: len(packets) // 2]))
    (tmp_path / "a").write_bytes(flight[:half])
    (tmp_path / "b").write_bytes(gzip.compress(flight[half:]))
    (tmp_path / "ground").write_bytes(b"".join(rng.bytes(GROUND) + p for p in packets))
    files = {n: str(tmp_path / n) for n in ("plain", "packed", "a", "b", "ground")}
    wanted = decoded(tmp_path, "o1", files["plain"])
    assert len(wanted) > 3
    assert decoded(tmp_path, "o2", files["packed"]) == wanted
    assert decoded(tmp_path, "o3", files["a"], files["b"]) == wanted
    skip = ("--skip-header-bytes", str(GROUND))
    assert decoded(tmp_path, "o4", files["ground"], *skip) == wanted
    (tmp_path / "segments").write_bytes(b"".join(cut_up(flight, 101, 2)))
    segments = decoded(tmp_path, "o5", str(tmp_path / "segments"), "--segmented-apid", "101")
    assert {n: c.count(b"\n") for n, c in segments.items()} == {
        n: c.count(b"\n") for n, c in wanted.items()
    }


def test_decode_tells_what_a_file_cuts_off_and_what_segments_wait(
    tmp_path: Path, packets: list[bytes]
) -> None:
    parts = cut_up(b"".join(packets[:200]), 101, 2)
    last = next(i for i in reversed(range(200)) if int.from_bytes(parts[i][2:4], "big") >> 14 == 1)
    content = b"".join(parts[: last + 1]) + parts[last + 1][:9]
    (tmp_path / "f").write_bytes(content)
    done = heartline(
        "decode", str(tmp_path / "f"), "--mdb", HL1, "--out", f"{tmp_path}/o/",
        "--segmented-apid", "101",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "skipped 9 bytes of packets cut off by a file's end" in done.stderr
    assert f"{len(parts[last])} bytes of segments wait" in done.stderr


def test_run_of_files_with_ground_headers(
    tmp_path: Path, flight: bytes, packets: list[bytes]
) -> None:
    """The same outputs as of the bare file."""
    (tmp_path / "bare").write_bytes(flight)
    half = len(packets) // 2
    behind = [bytes(GROUND) + p for p in packets]
    (tmp_path / "a").write_bytes(b"".join(behind[:half]))
    (tmp_path / "b").write_bytes(gzip.compress(b"".join(behind[half:])))
    common = ("--mission", DEMO, "--out")
    done = heartline("run", str(tmp_path / "bare"), *common, str(tmp_path / "o1"))
    assert done.exit_code == 0, done.output
    done = heartline(
        "run", str(tmp_path / "a"), str(tmp_path / "b"), "--skip-header-bytes", str(GROUND),
        *common, str(tmp_path / "o2"),
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert f"stepped over {GROUND * len(packets)} bytes" in done.stderr
    names = ("alerts.jsonl", "statistics.arrow", "samples/ENGINE.arrow", "rejects.jsonl")
    for name in names:
        assert (tmp_path / "o1" / name).read_bytes() == (tmp_path / "o2" / name).read_bytes()
    summary = orjson.loads((tmp_path / "o2" / "summary.json").read_bytes())
    assert summary["bytes"] == len(flight) + GROUND * len(packets)
    assert summary["ground_header_bytes"] == GROUND * len(packets)


TWO_ROOTS = """<SpaceSystem name="S" xmlns="http://www.omg.org/spec/XTCE/20180204">
<TelemetryMetaData><ParameterTypeSet>
<IntegerParameterType name="U16"><IntegerDataEncoding sizeInBits="16"/></IntegerParameterType>
</ParameterTypeSet><ParameterSet>
<Parameter name="A" parameterTypeRef="U16"/><Parameter name="B" parameterTypeRef="U16"/>
<Parameter name="C" parameterTypeRef="U16"/><Parameter name="D" parameterTypeRef="U16"/>
</ParameterSet><ContainerSet>
<SequenceContainer name="ONE"><EntryList><ParameterRefEntry parameterRef="A"/>
<ParameterRefEntry parameterRef="B"/><ParameterRefEntry parameterRef="C"/>
<ParameterRefEntry parameterRef="D"/></EntryList></SequenceContainer>
<SequenceContainer name="TWO"><EntryList><ParameterRefEntry parameterRef="D"/>
<ParameterRefEntry parameterRef="C"/><ParameterRefEntry parameterRef="B"/>
<ParameterRefEntry parameterRef="A"/></EntryList></SequenceContainer>
</ContainerSet></TelemetryMetaData></SpaceSystem>"""


def test_the_root_container_is_named(tmp_path: Path) -> None:
    xtce, file = tmp_path / "two.xml", tmp_path / "f"
    xtce.write_text(TWO_ROOTS)
    file.write_bytes(packet(3, 0, b"xy"))
    common = ("decode", str(file), "--mdb", str(xtce), "--out", str(tmp_path / "o.csv"))
    done = heartline(*common)
    assert done.exit_code == 1
    assert "--root-container" in done.stderr
    for root, columns in (("ONE", b"A,B,C,D"), ("TWO", b"D,C,B,A")):
        assert heartline(*common, "--root-container", root).exit_code == 0
        assert (tmp_path / "o.csv").read_bytes().startswith(columns)
    done = heartline(*common, "--root-container", "THREE")
    assert "there is no container 'THREE'" in done.stderr


def test_the_root_container_in_a_mission(tmp_path: Path) -> None:
    (tmp_path / "two.xml").write_text(TWO_ROOTS)
    made = tmp_path / "made"
    init = ("mission", "init", str(tmp_path / "two.xml"), "--out", str(made))
    assert heartline(*init).exit_code == 1
    assert heartline(*init, "--root-container", "TWO").exit_code == 0
    assert heartline("check", str(made)).exit_code == 0
    (made / "mission.toml").write_text('name = "m"\nxtce = "two.xml"\n')
    assert heartline("check", str(made)).exit_code == 1
    assert heartline("check", str(made), "--root-container", "ONE").exit_code == 0
    (tmp_path / "f").write_bytes(packet(3, 0, b"xy"))
    run = ("run", str(tmp_path / "f"), "--mission", str(made), "--out", str(tmp_path / "o"))
    assert heartline(*run).exit_code == 1
    done = heartline(*run, "--root-container", "ONE")
    assert done.exit_code == 0, done.output


def test_segmented_apids_are_checked(tmp_path: Path) -> None:
    for wrong in ("[2047]", '["5"]', "[-1]", "[true]", "5"):
        (tmp_path / "mission.toml").write_text(f'name = "m"\nsegmented_apids = {wrong}\n')
        done = heartline("check", str(tmp_path), "--mdb", HL1)
        assert done.exit_code == 1
        assert "segmented_apids" in done.stderr, wrong


def test_rubbish_is_given_up(tmp_path: Path) -> None:
    """A bomb of nothing is not held in memory to its end."""
    with gzip.open(tmp_path / "bomb", "wb", 1) as bomb:
        for _ in range(80):
            bomb.write(b"\xff" * (1 << 20))
    done = heartline("run", str(tmp_path / "bomb"), "--mission", DEMO, "--out", str(tmp_path / "o"))
    assert done.exit_code == 1
    assert "no packet of" in done.stderr


# --- what a spreadsheet would take for a formula ----------------------------------------------

FORMULAS = """<SpaceSystem name="S"><TelemetryMetaData><ParameterTypeSet>
<BinaryParameterType name="H"><BinaryDataEncoding><SizeInBits><FixedValue>48</FixedValue>
</SizeInBits></BinaryDataEncoding></BinaryParameterType>
<StringParameterType name="S4"><StringDataEncoding><SizeInBits><Fixed><FixedValue>32</FixedValue>
</Fixed></SizeInBits></StringDataEncoding></StringParameterType>
<FloatParameterType name="F"><FloatDataEncoding sizeInBits="32"/></FloatParameterType>
<IntegerParameterType name="I"><IntegerDataEncoding sizeInBits="8" encoding="twosComplement"/>
</IntegerParameterType>
<EnumeratedParameterType name="E"><IntegerDataEncoding sizeInBits="8" encoding="twosComplement"/>
<EnumerationList><Enumeration value="1" label="=HYPERLINK(1)"/></EnumerationList>
</EnumeratedParameterType></ParameterTypeSet><ParameterSet>
<Parameter name="h" parameterTypeRef="H"/><Parameter name="=1+1" parameterTypeRef="S4"/>
<Parameter name="-f" parameterTypeRef="F"/><Parameter name="i" parameterTypeRef="I"/>
<Parameter name="@e" parameterTypeRef="E"/></ParameterSet><ContainerSet>
<SequenceContainer name="C"><EntryList><ParameterRefEntry parameterRef="h"/>
<ParameterRefEntry parameterRef="=1+1"/><ParameterRefEntry parameterRef="-f"/>
<ParameterRefEntry parameterRef="i"/><ParameterRefEntry parameterRef="@e"/>
</EntryList></SequenceContainer></ContainerSet></TelemetryMetaData></SpaceSystem>"""


def rows_of(tmp_path: Path, *more: str) -> list[list[str]]:
    """A CSV of packets whose texts begin as formulas do, and whose numbers are negative."""
    (tmp_path / "x.xml").write_text(FORMULAS)
    texts = (b"=A1\0", b"+A1\0", b"-A1\0", b"@A1\0", b"\tA1\0", b"\rA1\0", b"A=1\0")
    content = b"".join(
        packet(3, i, text + struct.pack(">fbb", -1.5, -7, e))
        for i, (text, e) in enumerate(zip(texts, (1, -2, 1, -2, 1, -2, 1), strict=True))
    )
    (tmp_path / "f").write_bytes(content)
    out = tmp_path / "o.csv"
    done = heartline(
        "decode", str(tmp_path / "f"), "--mdb", str(tmp_path / "x.xml"), "--out", str(out), *more
    )
    assert done.exit_code == 0, done.output
    with out.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


@pytest.mark.parametrize("raw", [False, True])
def test_no_text_of_a_csv_begins_a_formula(tmp_path: Path, raw: bool) -> None:
    """Names and texts are behind an apostrophe; numbers, negative ones too, are as they were."""
    header, *rows = rows_of(tmp_path, *(["--raw"] if raw else []))
    assert header == ["h", "'=1+1", "'-f", "i", "'@e"]
    assert [row[1].rstrip("\0")[:2] for row in rows] == ["'=", "'+", "'-", "'@", "'\t", "'\r", "A="]
    if raw:
        return
    assert {row[2] for row in rows} == {"-1.5"}
    assert {row[3] for row in rows} == {"-7"}
    assert {row[4] for row in rows} == {"'=HYPERLINK(1)", "-2"}
