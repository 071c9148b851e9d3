"""Samples at their own width: every value is what the decoder gave, whatever is asked for."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import polars as pl
import pytest
from pyarrow import ipc

from pipeline.chain import Chain
from pipeline.mission.folder import load_mission
from pipeline.outputs.arrow import END_OF_STREAM
from schemas import topics
from schemas.records import PACKETS_HEADERS, TICK_HEADERS, RawRecord, encode_packets, encode_tick

XTCE = """<SpaceSystem name="S" xmlns="http://www.omg.org/spec/XTCE/20180204"><TelemetryMetaData>
<ParameterTypeSet>
<IntegerParameterType name="H" signed="false"><IntegerDataEncoding sizeInBits="48"/></IntegerParameterType>
<IntegerParameterType name="U8" signed="false"><IntegerDataEncoding sizeInBits="8"/></IntegerParameterType>
<IntegerParameterType name="I12"><IntegerDataEncoding sizeInBits="12" encoding="twosComplement"/></IntegerParameterType>
<IntegerParameterType name="U4" signed="false"><IntegerDataEncoding sizeInBits="4"/></IntegerParameterType>
<IntegerParameterType name="L16" signed="false"><IntegerDataEncoding sizeInBits="16" byteOrder="leastSignificantByteFirst"/></IntegerParameterType>
<IntegerParameterType name="I64"><IntegerDataEncoding sizeInBits="64" encoding="twosComplement"/></IntegerParameterType>
<FloatParameterType name="F16"><FloatDataEncoding sizeInBits="16"/></FloatParameterType>
<FloatParameterType name="F32"><UnitSet><Unit>K</Unit></UnitSet><FloatDataEncoding sizeInBits="32"/></FloatParameterType>
<FloatParameterType name="F64"><FloatDataEncoding sizeInBits="64"/></FloatParameterType>
<FloatParameterType name="CAL"><IntegerDataEncoding sizeInBits="16"><DefaultCalibrator><PolynomialCalibrator>
<Term coefficient="1.5" exponent="0"/><Term coefficient="0.25" exponent="1"/></PolynomialCalibrator></DefaultCalibrator></IntegerDataEncoding></FloatParameterType>
<EnumeratedParameterType name="E"><IntegerDataEncoding sizeInBits="8"/><EnumerationList>
<Enumeration value="0" label="OFF"/><Enumeration value="1" label="ON"/></EnumerationList></EnumeratedParameterType>
</ParameterTypeSet><ParameterSet>
<Parameter name="HEAD" parameterTypeRef="H"/><Parameter name="A" parameterTypeRef="U8"/>
<Parameter name="B" parameterTypeRef="I12"/><Parameter name="C" parameterTypeRef="U4"/>
<Parameter name="D" parameterTypeRef="L16"/><Parameter name="G" parameterTypeRef="I64"/>
<Parameter name="K" parameterTypeRef="F16"/><Parameter name="M" parameterTypeRef="F32"/>
<Parameter name="N" parameterTypeRef="F64"/><Parameter name="P" parameterTypeRef="CAL"/>
<Parameter name="Q" parameterTypeRef="E"/><Parameter name="R" parameterTypeRef="F32"/>
</ParameterSet><ContainerSet><SequenceContainer name="ONE"><EntryList>
<ParameterRefEntry parameterRef="HEAD"/><ParameterRefEntry parameterRef="A"/>
<ParameterRefEntry parameterRef="B"/><ParameterRefEntry parameterRef="C"/>
<ParameterRefEntry parameterRef="D"/><ParameterRefEntry parameterRef="G"/>
<ParameterRefEntry parameterRef="K"/><ParameterRefEntry parameterRef="M"/>
<ParameterRefEntry parameterRef="N"/><ParameterRefEntry parameterRef="P"/>
<ParameterRefEntry parameterRef="Q"/>
<ParameterRefEntry parameterRef="R"><IncludeCondition><Comparison parameterRef="A" value="1"/></IncludeCondition></ParameterRefEntry>
</EntryList></SequenceContainer></ContainerSet></TelemetryMetaData></SpaceSystem>"""

ROWS = [  # A, B, C, D, G, K, M, N, raw P, Q, R (None: not in the packet)
    (1, -2048, 15, 0x1234, -(2**63), 0.5, 1.1, -1e300, 65535, 1, 2.5),
    (0, 2047, 0, 65535, 2**63 - 1, -2.0, float("inf"), 5e-324, 0, 0, None),
    (255, -1, 7, 0, 2**53 + 1, 65504.0, -0.0, 0.1, 7, 9, None),
    (1, 0, 1, 1, 0, 6e-8, float("nan"), float("nan"), 1, 1, -7.25),
]
EACH = 9  # packets of each row, so that a bitmap has several bytes


def packet(n: int, row: tuple[Any, ...]) -> bytes:
    a, b, c, d, g, k, m, x, p, q, r = row
    body = struct.pack(">B", a) + struct.pack(">H", (b & 0xFFF) << 4 | c) + struct.pack("<H", d)
    body += struct.pack(">qefdHB", g, k, m, x, p, q)
    body += b"" if r is None else struct.pack(">f", r)
    return struct.pack(">HHH", 1, 0xC000 | n, len(body) - 1) + body


def flown(folder: Path, settings: str, rows: list[tuple[Any, ...]]) -> tuple[Chain, pl.DataFrame]:
    """The samples of some packets, a second apart, as another reader reads their stream."""
    (folder / "x.xml").write_text(XTCE)
    (folder / "mission.toml").write_text(f'name = "m"\nxtce = "x.xml"\n[outputs]\n{settings}\n')
    chain, records = Chain(load_mission(folder)), []
    for n, row in enumerate(rows):
        records.append(
            RawRecord(2 * n, encode_packets([n * 10**9], packet(n, row)), PACKETS_HEADERS)
        )
        records.append(RawRecord(2 * n + 1, encode_tick(n * 10**9 + 1), TICK_HEADERS))
    outputs = [o for _, o in chain.feed(records).outputs if o.topic == topics.SAMPLES]
    stream = chain.samples.form(0).definition + b"".join(o.value for o in outputs)
    stream += b"".join(record for _, record in chain.samples.rest()) + END_OF_STREAM
    assert ipc.open_stream(stream).read_all().num_rows == len(rows)
    return chain, pl.read_ipc_stream(stream)


def test_each_at_its_own_width(tmp_path: Path) -> None:
    rows = [row for row in ROWS for _ in range(EACH)]
    _, got = flown(tmp_path, "period_s = 7", rows)
    told = "Int64 UInt8 Int16 UInt8 UInt16 Int64 Float32 Float32 Float64 Float64 UInt8 Float32 List"
    assert [str(t).split("(")[0] for t in got.dtypes] == told.split()
    assert got.columns == ["time_ns", *"ABCDGKMNPQR", "quality"]
    assert got["time_ns"].to_list() == [n * 10**9 for n in range(len(rows))]
    for column, name in enumerate("ABCDGKMNPQR"):
        want = [row[column] for row in rows]
        if name == "P":
            want = [1.5 + 0.25 * x for x in want]
        kind = np.float32 if name in "MRK" else np.float64 if name in "N P" else None
        for x, y in zip(got[name].to_list(), want, strict=True):
            y = y if y is None or kind is None else float(kind(y if name != "K" else np.float16(y)))
            assert x == y or (x != x and y != y), (name, x, y)


def test_quality_stands_only_where_there_is_any(tmp_path: Path) -> None:
    """A value of M or N that is not finite is invalid, and no label of Q is 9."""
    chain, got = flown(tmp_path, "period_s = 60", ROWS)
    quality = got["quality"].to_list()
    assert quality[0] is None
    about = ipc.open_stream(chain.samples.form(0).definition).schema
    names = [n.rsplit("/", 1)[1] for n in orjson.loads(about.metadata[b"quality"])]
    assert names == list("ABCDGKMNPQR")
    assert [dict(zip(names, q or [], strict=False)).get("M", 0) & 1 for q in quality] == [
        0,
        1,
        0,
        1,
    ]
    assert dict(zip(names, quality[1], strict=True))["R"] == 0  # not in the packet: no sample
    assert got["R"].null_count() == 2
    assert about.field("M").metadata[b"unit"] == b"K"
    assert orjson.loads(about.field("Q").metadata[b"labels"]) == [[0, "OFF"], [1, "ON"]]


@pytest.mark.parametrize(
    ("settings", "columns"),
    [
        ('samples = "raw"', ["time_ns", *"ABCDGKMNPQR", "quality"]),
        (
            'samples = "both"',
            ["time_ns", *"ABCDG", "K", "K.raw", *"MN", "P", "P.raw", "Q", "R", "quality"],
        ),
        ("header = true", ["time_ns", "HEAD", *"ABCDGKMNPQR", "quality"]),
    ],
)
def test_what_is_asked_for(settings: str, columns: list[str], tmp_path: Path) -> None:
    _, got = flown(tmp_path, settings, ROWS)
    assert got.columns == columns
    if "samples" in settings:
        name = "P" if '"raw"' in settings else "P.raw"
        assert got[name].to_list() == [row[8] for row in ROWS]
        half = got["K" if '"raw"' in settings else "K.raw"].to_list()
        assert half == [int(np.float16(row[5]).view(np.uint16)) for row in ROWS]


def test_none_are_wanted(tmp_path: Path) -> None:
    (tmp_path / "x.xml").write_text(XTCE)
    text = 'name = "m"\nxtce = "x.xml"\n[outputs]\nsamples = "off"\nstatistics = "off"\n'
    (tmp_path / "mission.toml").write_text(text)
    chain = Chain(load_mission(tmp_path))
    records = [
        RawRecord(n, encode_packets([n * 10**9], packet(n, ROWS[0])), PACKETS_HEADERS)
        for n in range(700)
    ]
    given = {o.topic for _, o in chain.feed(records).outputs}
    assert given == {topics.DEFINITIONS}
