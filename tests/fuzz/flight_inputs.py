"""Recorded flights in every format that is imported: valid ones changed, and random bytes."""

from __future__ import annotations

import csv
import io
import json
import random
import struct
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet as pq

from tests.conftest import DATA
from tests.fuzz.inputs import Input, bytes_input
from tests.fuzz.mutate import WORDS, damage, damage_text

# names that the file of packets and its XTCE have for themselves
CLASHES = ("time", "header", "APID", "VERSION", "flight_TIME", "CCSDSPacket")


def csv_flight(rnd: random.Random) -> Input:
    if rnd.random() < 0.1:
        return bytes_input(rnd.randbytes(rnd.randint(0, 400)), False)
    columns, rows = rnd.randint(1, 8), rnd.randint(1, 60)
    names = [
        rnd.choice(("a", "b", "v [m/s]", "w (\x02)", "u[0]", "", "é", "mode", f"c{i}", *CLASHES))
        for i in range(columns)
    ]
    lines = [",".join([rnd.choice(("time", "# t", "ts", "Seconds")), *names])]
    for i in range(rows):
        cells = [rnd.choice(("", "NaN", f"{rnd.gauss(0, 9)}", "1e5", "-7")) for _ in names]
        if "mode" in names:
            cells[names.index("mode")] = rnd.choice(("idle", "burn", "coast", ""))
        lines.append(",".join([f"{i * 0.1:.3f}", *cells]))
    text = "\n".join(lines)
    if rnd.random() < 0.7:
        text = damage_text(rnd, text, ("a,b", "idle", '"x', '""', "\r", "1,2,3", "[m"), 2)
    return bytes_input(text.encode("utf-8", "surrogatepass"), True)


def json_flight(rnd: random.Random) -> Input:
    if rnd.random() < 0.1:
        return bytes_input(rnd.randbytes(rnd.randint(0, 200)), False)
    rows = rnd.randint(0, 40)
    table: dict[str, Any] = {"time": [i / 10 for i in range(rows)]}
    for name in ("velocity", "altitude", "x\u0001", "")[: rnd.randint(0, 4)]:
        table[name] = [rnd.gauss(0, 100) for _ in range(rows)]
    for _ in range(rnd.randint(1, 2)):
        name = rnd.choice(list(table))
        wild: Any = rnd.choice((None, "1", "x", True, 1e300, -1e300, [], [1, 2], {}, 2**70, 2**63))
        if rnd.random() < 0.3:
            table[name] = rnd.choice((wild, [wild] * rows))
        elif rows:
            table[name] = [*table[name][:-1], wild] if isinstance(table[name], list) else wild
    text = json.dumps(table)
    if rnd.random() < 0.5:
        text = damage_text(rnd, text, ("[1,2]", "null", "true", "1e400", "{}"), 2)
    return bytes_input(text.encode("utf-8", "surrogatepass"), True)


# --- long CSV ----------------------------------------------------------------------------------

_LONG = (
    ("time", "parameter", "value"),
    ("time", "parameter", "value", "unit"),
    ("timestamp_ms", "name", "val", "units"),
    ("value", "utc", "channel"),
    ("time", "mnemonic", "value", "station"),
)


def long_csv(rnd: random.Random) -> Input:
    """A row a sample; names that clash, units of any kind, values of one kind or mixed."""
    if rnd.random() < 0.1:
        return bytes_input(rnd.randbytes(rnd.randint(0, 400)), False)
    header = rnd.choice(_LONG)
    names = [
        rnd.choice(("a", "b", "mode", "é", "", " a", f"p{i}", *CLASHES))
        for i in range(rnd.randint(1, 12))
    ]
    rows = [_sample(rnd, header, rnd.choice(names), i) for i in range(rnd.randint(1, 120))]
    out = io.StringIO()
    csv.writer(out, delimiter=rnd.choice(",,;\t"), lineterminator="\n").writerows([header, *rows])
    text = out.getvalue()
    if rnd.random() < 0.6:
        text = damage_text(rnd, text, ("idle", '"x', '""', "\r", "m/s", "\x02"), 2)
    return bytes_input(text.encode("utf-8", "surrogatepass"), True)


def _sample(rnd: random.Random, header: Sequence[str], name: str, i: int) -> list[str]:
    number = rnd.choice((f"{rnd.gauss(0, 9)}", "7", "-1", "1e5", str(2**63), str(2**64), "x", ""))
    value = rnd.choice(("idle", "burn")) if name == "mode" else number
    value = rnd.choice(("true", "false")) if name == "b" else value
    cells = {
        "time": f"{i * 0.1:.3f}",
        "timestamp_ms": str(1_618_593_459_000 + i),
        "utc": f"2021-04-16T17:17:{i % 60:02}.{i:09}Z",
        "station": "here",
        **dict.fromkeys(("parameter", "name", "channel", "mnemonic"), name),
        **dict.fromkeys(("value", "val"), value),
        **dict.fromkeys(("unit", "units"), rnd.choice(("", "m/s", "\u00b0C", "%"))),
    }
    return [cells[column] for column in header]


# --- Parquet -----------------------------------------------------------------------------------


def parquet(rnd: random.Random) -> Input:
    """A table of any types of column, in any of the ways to write one; most with bytes changed."""
    if rnd.random() < 0.05:
        return bytes_input(b"PAR1" + rnd.randbytes(rnd.randint(0, 400)) + b"PAR1", False)
    out = io.BytesIO()
    pq.write_table(
        _table(rnd),
        out,
        compression=rnd.choice(("NONE", "NONE", "SNAPPY", "GZIP", "ZSTD")),
        use_dictionary=rnd.random() < 0.5,
        data_page_version=rnd.choice(("1.0", "2.0")),
        store_schema=rnd.random() < 0.5,
        row_group_size=rnd.choice((1, 7, 1000)),
    )
    content = out.getvalue()
    return bytes_input(damage(rnd, content, 3) if rnd.random() < 0.6 else content, True)


def _table(rnd: random.Random) -> pa.Table:
    n = rnd.choice((1, 3, 40, 40, 100)) if rnd.random() < 0.98 else 0
    columns = {"time": _times(rnd, n)}
    for i in range(rnd.randint(0, 8)):
        name = rnd.choice(("a", "b", "é", "m/s", "\x01", f"c{i}", *CLASHES[1:]))
        columns[name] = _cells(rnd, n)
    if rnd.random() < 0.1:
        columns["c"] = _refused(rnd, n)
    return pa.table(columns)


def _times(rnd: random.Random, n: int) -> pa.Array:
    far = rnd.choice((2**62, 2**63 - n - 1, -(2**63))) if rnd.random() < 0.15 else 0
    day, unit = datetime(2021, 1, 1, tzinfo=UTC), rnd.choice(("ms", "us", "ns"))
    kinds = (
        lambda: pa.array(np.arange(n) / 10),
        lambda: pa.array(np.arange(n) + far),
        lambda: pa.array(np.arange(n) + far).cast(pa.timestamp(unit, "UTC")),
        lambda: pa.array([day + timedelta(seconds=i) for i in range(n)], pa.timestamp("us")),
        lambda: pa.array([date(2021, 1, 1)] * n, pa.date32()),
        lambda: pa.array((np.arange(n) + far % 2**31).astype("i4")).cast(pa.date32()),
        lambda: pa.array([rnd.choice(WORDS[:20]) if far else str(i) for i in range(n)]),
        lambda: pa.array([None if i == n // 2 and far else i for i in range(n)], pa.int64()),
    )
    made: pa.Array = rnd.choice(kinds)()
    return made


def _cells(rnd: random.Random, n: int) -> pa.Array:
    words = [rnd.choice(("idle", "burn", "é", "", "\x01", None)) for _ in range(n)]
    kinds = (
        lambda: pa.array(
            np.arange(n).astype(rnd.choice(["b", "B", "h", "H", "i", "I", "q", "Q", "e", "f", "d"]))
        ),
        lambda: pa.array([rnd.choice((None, 7, 2**63 - 1)) for _ in range(n)], pa.int64()),
        lambda: pa.array([rnd.choice((None, True, False)) for _ in range(n)], pa.bool_()),
        lambda: pa.array([rnd.choice((0.0, float("nan"), 1e300)) for _ in range(n)], pa.float64()),
        lambda: pa.array(words, rnd.choice((pa.string(), pa.large_string()))),
        lambda: pa.array(words, pa.string()).dictionary_encode(),
        lambda: pa.array(["w" * (i % 7 == 1) * 90 for i in range(n)], pa.string()),
        lambda: pa.array([i % 3 for i in range(n)], pa.int8()).dictionary_encode(),
        lambda: pa.array([datetime(2021, 1, 1, tzinfo=UTC)] * n, pa.timestamp("ms")),
    )
    made: pa.Array = rnd.choice(kinds)()
    return made


def _refused(rnd: random.Random, n: int) -> pa.Array:
    """A column of what no parameter holds."""
    kinds = (
        lambda: pa.array([[1], [2, 3]] * n, pa.list_(pa.int8()))[:n],
        lambda: pa.array([{"a": 1}] * n, pa.struct({"a": pa.int64()})),
        lambda: pa.array([rnd.choice((b"x", b"\xff"))] * n, pa.binary()),
        lambda: pa.array([None] * n),
    )
    made: pa.Array = rnd.choice(kinds)()
    return made


# --- PX4 ULog ----------------------------------------------------------------------------------

_U64 = "uint64_t timestamp;"
# format, and bytes of a sample of it: padding at the end is not logged
_FORMATS = {
    "a": (_U64 + "float x;float[3] v;uint8_t n;", 25),
    "b": (_U64 + "bool on;char[4] word;int16_t i;uint8_t[2] _padding0;", 15),
    "c": ("double d;part p;part[2] q;" + _U64, 52),
    "part": ("float x;int32_t y;uint8_t[4] _padding0;", 0),
    "wide": (_U64 + "int8_t[70] x;", 78),
}
_STRANGE = (
    "a:a s;", "a:part[65535] p;", "a:float x;", "a:uint32_t timestamp;float x;", "a:", "a", "c:a x;",
    "part:part[60000] x;", "part:b x;", "b:part[60000] x;", "a:double timestamp;", "é:float é;",
    "a:uint64_t timestamp;float x;float x;", "a:uint64_t[2] timestamp;", "b:b[2] x;",
    "part:part2[+6000] x;", "part2:float[6000x x;", "c:uint64_t timestamp;part[9_999] x;",
)  # fmt: skip
Message = tuple[str, bytes]


def ulog(rnd: random.Random) -> Input:
    """A log, its messages or its bytes changed."""
    if rnd.random() < 0.1:
        content = bytes.fromhex("554c6f6701123501") + rnd.randbytes(rnd.randint(0, 300))
        return bytes_input(content, False)
    messages = _drawn(rnd) if rnd.random() < 0.9 else _recorded(rnd)
    for _ in range(rnd.choice((0, 0, 0, 1, 1, 2, 5))):
        _damage_messages(rnd, messages)
    content = b"".join([_head(rnd), *map(_written, messages)])
    if rnd.random() < 0.1:
        content = _with_appended(rnd, content)
    return bytes_input(damage(rnd, content, 2) if rnd.random() < 0.2 else content, True)


def _written(message: Message) -> bytes:
    kind, payload = message
    return struct.pack("<HB", len(payload) & 65535, ord(kind) & 255) + payload


def _head(rnd: random.Random) -> bytes:
    return bytes.fromhex("554c6f67011235") + bytes([rnd.choice((0, 1, 1, 2))]) + bytes(8)


def _drawn(rnd: random.Random) -> list[Message]:
    """Definitions, subscriptions, samples."""
    key = b"\x09int32_t x" + struct.pack("<i", 7)
    text = b"\x0achar[3] ab" + b"xyz"
    messages: list[Message] = [("F", f"{n}:{f}".encode()) for n, (f, _) in _FORMATS.items()]
    messages += rnd.sample([("I", text), ("P", key), ("Q", b"\1" + key), ("M", b"\0" + text)], 2)
    topics = rnd.sample(("a", "b", "c", "wide"), rnd.randint(1, 4))
    numbered = [(i, name) for i, name in enumerate([*topics, topics[0]])]
    messages += [("A", struct.pack("<BH", i // len(topics), i) + n.encode()) for i, n in numbered]
    others = [
        ("O", struct.pack("<H", 90)), ("S", bytes.fromhex("2f731320250cbb12")), ("P", key),
        ("L", b"6" + bytes(8) + b"hello"), ("C", b"6\1\0" + bytes(8) + b"hello"),
        ("R", b"\0\0"), ("Z", b"later"), ("M", b"\1" + text),
    ]  # fmt: skip
    start = rnd.choice((2**62 // 1000, 2**63, 2**64 - 500)) if rnd.random() < 0.05 else 10**6
    for i in range(rnd.choice((0, 3, 60, 300))):
        number, name = rnd.choice(numbered)
        size = _FORMATS[name][1]
        body = bytearray(rnd.randbytes(size))
        at = size - 8 if name == "c" else 0
        body[at : at + 8] = struct.pack("<Q", (start + i) % 2**64)
        messages.append(("D", struct.pack("<H", number) + body))
        if rnd.random() < 0.1:
            messages.append(rnd.choice(others))
    return messages


def _recorded(rnd: random.Random) -> list[Message]:
    """The beginning of a real log; a drawn one where the data folder is absent."""
    return list(_real()[: rnd.randint(1200, 1500)]) or _drawn(rnd)


@cache
def _real() -> tuple[Message, ...]:
    path = DATA / "flights" / "px4" / "sample_log_small.ulg"
    content = path.read_bytes()[:200_000] if path.is_file() else b""
    at, found = 16, []
    while at + 3 < len(content):
        size = int.from_bytes(content[at : at + 2], "little")
        found.append((chr(content[at + 2]), content[at + 3 : at + 3 + size]))
        at += 3 + size
    return tuple(found[:-1])


def _damage_messages(rnd: random.Random, messages: list[Message]) -> None:
    at, how = rnd.randrange(len(messages)), rnd.randrange(8)
    kind, payload = messages[at]
    if how == 0:
        del messages[at : at + rnd.choice((1, 1, 5))]
        messages.append((kind, payload))
    elif how == 1:
        messages.insert(rnd.randrange(len(messages)), (kind, payload))
    elif how == 2:
        messages[at] = (rnd.choice("ABCDFILMOPQRSZ\0"), payload)
    elif how == 3:
        messages[at] = (kind, damage(rnd, payload, 1))
    elif how == 4:
        messages[at] = (kind, payload[: rnd.randint(0, len(payload))])
    elif how in (5, 6):
        messages.insert(rnd.randint(0, 4), ("F", rnd.choice(_STRANGE).encode()))
    else:
        messages[at] = ("F", damage_text(rnd, rnd.choice(_STRANGE), WORDS, 1).encode()[:60_000])


def _with_appended(rnd: random.Random, content: bytes) -> bytes:
    """Flags that say so, and where: at a message, or anywhere."""
    place = rnd.choice((0, 59, len(content) + 43, rnd.randrange(len(content)), 2**63))
    flags = bytes(8) + bytes([rnd.choice((0, 1, 1, 1, 2))]) + bytes(7)
    offsets = struct.pack("<3Q", place, rnd.choice((0, 0, place + 9)) % 2**64, 0)
    return content[:16] + _written(("B", flags + offsets)) + content[16:]
