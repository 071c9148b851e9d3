"""The compiled decoder against a reference that works on one big Python integer."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.decode import Decoder, compile_plans
from pipeline.decode.places import bytes_of
from pipeline.packets import PacketReader
from schemas.columns import Quality, Reason, Rows
from schemas.mission import (
    AllOf,
    BinaryEncoding,
    Comparison,
    Container,
    Encoding,
    Entry,
    FloatEncoding,
    IntegerEncoding,
    MissionDatabase,
    Parameter,
    ParameterType,
    Polynomial,
    Reference,
    SegmentedTime,
    TimeEncoding,
)
from schemas.records import RawRecord
from schemas.settings import TimeSettings

HEADER = 48


def database(types: list[ParameterType]) -> MissionDatabase:
    """A root with the primary header as two fields, and one container with the given fields."""
    head = [
        ParameterType("id", "integer", IntegerEncoding(16)),
        ParameterType("rest", "integer", IntegerEncoding(32)),
    ]
    names = ["ID", "REST", *(f"P{i}" for i in range(len(types)))]
    parameters = {
        n: Parameter(n, f"/S/{n}", t) for n, t in zip(names, [*head, *types], strict=True)
    }
    root = Container(
        "Root", "/S/Root", True, None, AllOf(()), tuple(Entry("parameter", n) for n in names[:2])
    )
    restriction = Comparison(Reference("ID", False), "==", 0x0801)
    body = Container(
        "Body",
        "/S/Body",
        False,
        "Root",
        restriction,
        tuple(Entry("parameter", n) for n in names[2:]),
    )
    return MissionDatabase("S", parameters, {"Root": root, "Body": body}, "Root", "0" * 64, "test")


def packet(body: bytes, head: int = 0x0801, count: int = 0) -> bytes:
    return struct.pack(">HHH", head, 0xC000 | count, len(body) - 1) + body


def decode(mdb: MissionDatabase, packets: list[bytes], trailing: bool = False) -> Any:
    records = [RawRecord(i, p, (), 77) for i, p in enumerate(packets)]
    batch, refused = PacketReader().feed(records)
    assert not len(refused)
    return Decoder(compile_plans(mdb, TimeSettings()), trailing).feed(batch)


def reference(body: bytes, bit: int, encoding: Encoding) -> int | float:
    """Value by shifting the whole body as one integer."""
    whole, size = int.from_bytes(body, "big"), 8 * len(body)
    word = whole >> (size - bit - encoding.bits) & (2**encoding.bits - 1)
    if getattr(encoding, "little_endian", False):
        word = int.from_bytes(word.to_bytes(encoding.bits // 8, "big"), "little")
    if isinstance(encoding, FloatEncoding):
        form, letter = (">I", ">f") if encoding.bits == 32 else (">Q", ">d")
        return float(struct.unpack(letter, struct.pack(form, word))[0])
    if isinstance(encoding, IntegerEncoding) and encoding.signed and word >> (encoding.bits - 1):
        return word - 2**encoding.bits
    return word


codings = st.sampled_from(["unsigned", "twosComplement"])
integers = st.builds(IntegerEncoding, st.integers(1, 64), codings)
little = st.builds(IntegerEncoding, st.sampled_from(range(8, 65, 8)), codings, st.just(True))
floats = st.builds(FloatEncoding, st.sampled_from([32, 64]), st.just("IEEE754"), st.booleans())
encodings = st.lists(st.one_of(integers, little, floats), min_size=1, max_size=12)


@given(encodings, st.randoms(use_true_random=False))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_field_at_any_offset(found: list[Encoding], random: Any) -> None:
    types = [ParameterType(f"T{i}", "float", e) for i, e in enumerate(found)]
    bits = sum(e.bits for e in found)
    bodies = [random.randbytes(-(-bits // 8)) for _ in range(3)]
    (rows,) = decode(database(types), [packet(b) for b in bodies]).rows
    assert isinstance(rows, Rows)
    for k, body in enumerate(bodies):
        bit = 0
        for j, encoding in enumerate(found):
            want = reference(body, bit, encoding)
            bit += encoding.bits
            got = rows.eng[k, 2 + j]
            if want != want:
                assert np.isnan(got)
            else:
                assert got == float(want)
            good = np.isfinite(float(want))
            assert bool(rows.quality[k, 2 + j] & Quality.INVALID) is not good


def test_polynomial_and_enumeration_and_boolean() -> None:
    types = [
        ParameterType(
            "T0",
            "float",
            IntegerEncoding(8, "twosComplement"),
            calibrator=Polynomial((1.0, 0.5, 0.25)),
        ),
        ParameterType("T1", "enumerated", IntegerEncoding(8), labels=((1, "ON"), (2, "OFF"))),
        ParameterType("T2", "boolean", IntegerEncoding(8), labels=((0, "No"), (1, "Yes"))),
    ]
    (rows,) = decode(
        database(types), [packet(b"\xfe\x02\x09"), packet(b"\x03\x07\x00", count=1)]
    ).rows
    np.testing.assert_array_equal(rows.eng[:, 2:], [[1.0, 2, 1], [4.75, 7, 0]])
    assert rows.quality[1, 3] == Quality.INVALID
    assert not rows.quality[0].any()


def test_wide_binary_at_an_odd_offset() -> None:
    types = [
        ParameterType("T0", "integer", IntegerEncoding(3)),
        ParameterType("T1", "binary", BinaryEncoding(77)),
        ParameterType("T2", "integer", IntegerEncoding(8)),
    ]
    body = bytes(range(1, 12))
    (rows,) = decode(database(types), [packet(body)]).rows
    whole = int.from_bytes(body, "big") >> (88 - 3 - 77) & (2**77 - 1)
    assert bytes_of(rows.data, int(rows.raw[0, 3])) == (whole << 3).to_bytes(10, "big")
    assert rows.eng[0, 4] == body[10]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (packet(b"\x01"), Reason.TOO_SHORT),
        (packet(b"\x01\x02\x03"), Reason.TRAILING_BYTES),
        (packet(b"\x01\x02", 0x0802), Reason.NO_CONTAINER),
    ],
)
def test_refusals(content: bytes, reason: Reason) -> None:
    types = [ParameterType("T0", "integer", IntegerEncoding(16))]
    out = decode(database(types), [content])
    assert not out.rows
    assert out.rejects.reason.tolist() == [reason]
    assert out.rejects.length.tolist() == [len(content)]


def test_trailing_bytes_may_be_allowed() -> None:
    types = [ParameterType("T0", "integer", IntegerEncoding(16))]
    (rows,) = decode(database(types), [packet(b"\x01\x02\x03")], trailing=True).rows
    assert rows.eng[0, 2] == 0x0102


def test_two_containers_that_both_match_are_refused() -> None:
    mdb = database([ParameterType("T0", "integer", IntegerEncoding(16))])
    twin = mdb.containers["Body"]
    both = MissionDatabase(
        "S", mdb.parameters,
        mdb.containers | {"Twin": Container("Twin", "/S/Twin", False, "Root", twin.restriction, twin.entries)},
        "Root", "0" * 64, "test",
    )  # fmt: skip
    assert decode(both, [packet(b"\1\2")]).rejects.reason.tolist() == [Reason.AMBIGUOUS_CONTAINER]


@pytest.mark.parametrize(
    ("operator", "value", "matches"),
    [
        ("==", 5, [5]),
        ("!=", 5, [4, 6]),
        ("<", 5, [4]),
        ("<=", 5, [4, 5]),
        (">", 5, [6]),
        (">=", 5, [5, 6]),
    ],
)
def test_comparisons(operator: str, value: int, matches: list[int]) -> None:
    mdb = database([ParameterType("T0", "integer", IntegerEncoding(8))])
    body = mdb.containers["Body"]
    child = Container(
        "Child", "/S/Child", False, "Body", Comparison(Reference("P0", False), operator, value), ()
    )
    deeper = MissionDatabase(
        "S", mdb.parameters, mdb.containers | {"Body": body, "Child": child}, "Root", "0", "t"
    )
    out = decode(deeper, [packet(bytes([n])) for n in (4, 5, 6)])
    plans = compile_plans(deeper, TimeSettings()).plans
    found = [
        int(x) for r in out.rows if plans[r.container].container == "Child" for x in r.eng[:, 2]
    ]
    assert found == matches


def test_mission_files_stand_alone(tmp_path: Path) -> None:
    """A restriction on a parameter that the base does not hold is told, not ignored."""
    from pipeline.errors import MissionError

    mdb = database([ParameterType("T0", "integer", IntegerEncoding(8))])
    odd = Container("Odd", "/S/Odd", False, "Root", Comparison(Reference("P0", False), "==", 1), ())
    broken = MissionDatabase(
        "S", mdb.parameters, mdb.containers | {"Odd": odd}, "Root", "0", str(tmp_path)
    )
    with pytest.raises(MissionError, match="does not hold"):
        compile_plans(broken, TimeSettings())


DAY_NS = 86400 * 10**9
LAST_DAY = 2**62 // DAY_NS  # 2116-02-20
LAST_MS = (2**62 - LAST_DAY * DAY_NS) // 10**6


@pytest.mark.parametrize(
    ("days", "ms", "good"),
    [
        (LAST_DAY - 49, 0, True),
        (LAST_DAY, 0, True),
        (LAST_DAY, LAST_MS, True),
        (LAST_DAY, LAST_MS + 1, False),
        (LAST_DAY + 1, 0, False),
        (LAST_DAY - 49, 2**32 - 1, True),
        (LAST_DAY - 48, 2**32 - 1, False),
        (2**24 - 1, 2**32 - 1, False),
    ],
)
def test_segmented_times_to_the_end(days: int, ms: int, good: bool) -> None:
    """CDS (CCSDS 301.0-B-4, 3.3) is a time up to 2^62 ns from 1970, its milliseconds included."""
    when = TimeEncoding(0, Fraction(1), segmented=SegmentedTime("CDS", 3, 0))
    mdb = database([ParameterType("T", "time", BinaryEncoding(56), time=when)])
    out = decode(mdb, [packet(days.to_bytes(3, "big") + ms.to_bytes(4, "big"))])
    if not good:
        assert not out.rows
        assert list(out.rejects.reason) == [Reason.BAD_TIME]
        return
    (rows,) = out.rows
    assert rows.time_ns.tolist() == [days * DAY_NS + ms * 10**6]
