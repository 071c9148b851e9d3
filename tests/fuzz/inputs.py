"""What is fed: every input from a seed, so that a seed repeats it."""

from __future__ import annotations

import random
import re
import struct
from dataclasses import dataclass
from functools import cache
from typing import Any

from pipeline.formats.spec import Column, Table
from pipeline.formats.xtce import write_xtce
from pipeline.packets import Scanner
from pipeline.simulate import simulate
from schemas.mission import AlarmRanges
from schemas.records import PACKETS_HEADERS, TICK_HEADERS, RawRecord, encode_packets, encode_tick
from tests.conftest import DATA, PROJECT
from tests.fuzz.mutate import damage, damage_packets, damage_text
from tests.fuzz.tree import damage_tree
from tests.reference.databases import Draw

RECEIVED = 1_700_000_000 * 10**9
SECOND = 10**9
JPSS1 = DATA / "ccsds" / "jpss1" / "J01_G011_LZ_2021-04-09T00-00-00Z_V01.DAT1"
_TIMES = (0, -1, -(2**63), 2**63 - 1, 2**62, 10**18, -(10**18))
_TINY = (PROJECT / "missions" / "demo" / "mission.toml").read_text()


@dataclass(frozen=True, slots=True)
class Input:
    """content: bytes, text or records. mutated: made of valid input, which was changed."""

    content: Any
    size: int
    mutated: bool


def seeded(seed: int, target: str, number: int) -> random.Random:
    """The source of one input alone: it can be made again without those before it."""
    return random.Random(f"{seed}/{target}/{number}")


# --- packets ---------------------------------------------------------------------------------


@cache
def vehicle_packets() -> tuple[bytes, ...]:
    """The simulated vehicle around lift-off."""
    return split(simulate(3, start=-6.0, end=10.0).packets)


@cache
def satellite_packets() -> tuple[bytes, ...]:
    """Real packets of JPSS-1; none where the data folder is absent."""
    return split(JPSS1.read_bytes()[:200_000]) if JPSS1.is_file() else ()


def split(content: bytes) -> tuple[bytes, ...]:
    found = Scanner().feed(content, final=True)
    pairs = zip(found.start.tolist(), found.length.tolist(), strict=True)
    return tuple(content[a : a + n] for a, n in pairs)


def run_of(rnd: random.Random, packets: tuple[bytes, ...], size: int) -> list[bytes]:
    """Packets in a row, about `size` bytes of them."""
    at, total, out = rnd.randrange(len(packets)), 0, []
    while total < size:
        out.append(packets[at % len(packets)])
        total += len(out[-1])
        at += 1
    return out


def stream(rnd: random.Random) -> Input:
    """A byte stream for the scanner."""
    size = rnd.choice((0, 1, 7, 100, 2_000, 20_000, 64_000, 64_000, 200_000))
    if rnd.random() < 0.2:
        content = rnd.randbytes(size)
        return Input(content, len(content), False)
    sources = [s for s in (vehicle_packets(), satellite_packets()) if s]
    run = damage_packets(rnd, run_of(rnd, rnd.choice(sources), size), rnd.choice((0.0, 0.02, 0.3)))
    content = damage(rnd, b"".join(run), rnd.choice((1, 4, 40)))
    return Input(content, len(content), True)


# --- records ---------------------------------------------------------------------------------


def records(rnd: random.Random, packets: tuple[bytes, ...], size: int) -> Input:
    """Records of telemetry.raw: packets, ticks, and what may stand there by mistake."""
    out: list[RawRecord] = []
    now, total, wild = RECEIVED, 0, rnd.random() < 0.15
    while total < size:
        now += rnd.choice((SECOND // 10, SECOND, SECOND, 10 * SECOND))
        if rnd.random() < 0.002:
            now += rnd.choice((-1, 1)) * 1000 * SECOND
        record = _random_record(rnd) if wild else _record(rnd, packets, now)
        record.offset = len(out)
        out.append(record)
        total += len(record.value) + 20
    return Input(out, sum(len(r.value) for r in out), not wild)


def _record(rnd: random.Random, packets: tuple[bytes, ...], now: int) -> RawRecord:
    if rnd.random() < 0.1:
        value = encode_tick(rnd.choice(_TIMES) if rnd.random() < 0.05 else now)
        headers: Any = TICK_HEADERS
    else:
        run = run_of(rnd, packets, rnd.choice((1, 200, 2_000, 8_000)))
        run = damage_packets(rnd, run, rnd.choice((0.0, 0.02, 0.2)))
        times = [rnd.choice(_TIMES) if rnd.random() < 0.001 else now + i for i in range(len(run))]
        value, headers = encode_packets(times, b"".join(run)), PACKETS_HEADERS
        if rnd.random() < 0.05 and run:
            value, headers = run[0], ()
        if rnd.random() < 0.04:
            value = (
                struct.pack(">I", rnd.choice((0, 1, 2**32 - 1, 2**29, len(run) + 1))) + value[4:]
            )
    if rnd.random() < 0.08:
        value = damage(rnd, value)
    if rnd.random() < 0.03:
        headers = _headers(rnd)
    return RawRecord(0, value, headers, rnd.choice(_TIMES) if rnd.random() < 0.01 else now)


def _random_record(rnd: random.Random) -> RawRecord:
    value = rnd.randbytes(rnd.choice((0, 3, 8, 20, 500, 5000)))
    if rnd.random() < 0.3:
        value = struct.pack(">I", rnd.randint(0, 4)) + value
    return RawRecord(0, value, _headers(rnd), rnd.getrandbits(62))


def _headers(rnd: random.Random) -> Any:
    shift = rnd.choice((b"5", b"-7000000000", b"x", b"9" * 30, b"%d" % (2**62 - 1), b"", None))
    return rnd.choice((
        PACKETS_HEADERS, TICK_HEADERS, (), (("kind", b"control"), ("version", b"1")),
        (("kind", b"packets"), ("version", b"2")), (("kind", b"packets"),), (("kind", None),),
        (*PACKETS_HEADERS, ("time_offset_ns", shift)), (*TICK_HEADERS, ("time_offset_ns", shift)),
        (*PACKETS_HEADERS, ("traceparent", b"00")), (*PACKETS_HEADERS, *PACKETS_HEADERS),
    ))  # fmt: skip


# --- databases, settings ----------------------------------------------------------------------


@cache
def _vehicle_xtce() -> str:
    return (PROJECT / "missions" / "demo" / "hl1.xml").read_text()


@cache
def _xtce_tokens() -> tuple[str, ...]:
    texts = [_vehicle_xtce(), *(Draw(random.Random(i)).database().xml for i in range(30))]
    found = {t for text in texts for t in re.findall(r'"[^"]{0,30}"|<[^>]{1,200}>', text)}
    return tuple(sorted(found | {t.strip('"') for t in found}))


def xtce(rnd: random.Random) -> Input:
    """Text of a database: a drawn one (or the vehicle's, which is long), changed."""
    if rnd.random() < 0.1:
        text = "".join(rnd.choice(_xtce_tokens()) for _ in range(rnd.randint(0, 60)))
        return text_input(text, False)
    text = rnd.choice(VALID)() if rnd.random() < 0.2 else Draw(rnd).database().xml
    if rnd.random() < 0.7:
        return text_input(damage_tree(rnd, text, rnd.choice((1, 1, 2, 6))), True)
    if rnd.random() < 0.05:
        text = DOCTYPES[rnd.randrange(len(DOCTYPES))] + text
    return text_input(damage_text(rnd, text, _xtce_tokens(), rnd.choice((1, 1, 1, 8))), True)


def _satellite_xtce() -> str:
    path = DATA / "ccsds" / "jpss1" / "contrived_inheritance_structure.xml"
    return path.read_text() if path.is_file() else _vehicle_xtce()


@cache
def _written_xtce() -> str:
    """A small one with every alarm range, unit, label and calibrator that our own writer knows."""
    levels = AlarmRanges((-5.0, -4.0, -3.0, -2.0, -1.0), (1.0, 2.0, 3.0, 4.0, 5.0), 2)
    columns = (
        Column("a", "f8", "m", "words", alarm=levels),
        Column("b", "i2", calibrator=(1.0, 2.0)),
        Column("c", "u1", labels=((0, "off"), (1, "on"))),
        Column("d", "u1", boolean=True),
    )
    return write_xtce("S", [Table("T", 100, columns), Table("V", 101, columns[:0])]).decode()


VALID = (_written_xtce, _written_xtce, _written_xtce, _satellite_xtce, _vehicle_xtce)
DOCTYPES = (
    '<!DOCTYPE x [<!ENTITY x "1">]>',
    '<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">',
    '<!DOCTYPE x [<!ENTITY x SYSTEM "file:///etc/hostname">]>',
    '<!DOCTYPE x [<!ENTITY % x SYSTEM "file:///etc/hostname"> %x;]>',
)

SETTINGS = (
    _TINY,
    (PROJECT / "missions" / "jpss1" / "mission.toml").read_text(),
    (PROJECT / "missions" / "rocketpy" / "mission.toml").read_text(),
    (
        'name = "a"\nsource = "b"\nxtce = "x.xml"\nallow_trailing_bytes = true\nignore = ["A"]\n'
        'gauges = ["A*"]\nquantiles = [0.1, 0.9]\n[outputs]\nperiod_s = 10\n[time]\nparameter = "T"\n'
        "lateness_s = 2\nsilence_s = 3.0\njump_s = 100\nlos_s = 9\ncorrelation = 'clock.csv'\n[[statistics]]\nwindow_s = 60\npane_s = 10\n"
        '[[resample]]\nmatch = "A"\nhz = 2\nmethod = "linear"\nmax_age_s = 3\n'
        '[[residual]]\nmatch = "A"\nenabled = true\nthreshold = 5\n[[time_to_limit]]\nmemory_s = 30\n'
        '[[flat]]\nmatch = "A"\nthreshold = 3.5\nchanges = 2\nmin_seconds = 1\n'
        "[alarms.A]\nwatch = [0, 200]\ncritical = [-10, 210.5]\ndeadband = 1\nmin_violations = 2\n"
        "latch = true\n"
    ),
)
_VALUES = (
    "1979-05-27", "1979-05-27T07:32:00Z", "07:32:00", "[]", "[[]]", "{}", "{a = 1}", "nan", "inf",
    "-inf", "0", "-0.0", "1e308", "1e300", "1e-300", "-5", "0.1", "true", '"x"', '""', '["a", 1]', "[1, 2]", "[2, 1]",
    '["x", "y"]', "9223372036854775807", "-9223372036854775808", "99999999999999999999999",
    "9" * 400, "[0, nan]", '"\\u0000"', '"../.."', '"A"', '"*"', '"["', '"a\\nb"', "[[1]]",
)  # fmt: skip


def settings(rnd: random.Random) -> Input:
    """A mission.toml: keys with values of every kind, lines moved, and texts damaged."""
    if rnd.random() < 0.05:
        return text_input(
            "".join(rnd.choice((*_VALUES, "\n", "=", "[", "a")) for _ in range(30)), False
        )
    lines = rnd.choice((*SETTINGS, *[SETTINGS[-1]] * 9)).splitlines()
    for _ in range(rnd.choice((1, 1, 2, 3))):
        at = rnd.randrange(len(lines))
        if "=" in lines[at] and rnd.random() < 0.5:  # a value of the same kind
            key, value = lines[at].split("=", 1)
            lines[at] = f"{key}={re.sub('[0-9]', lambda _: str(rnd.randrange(10)), value)}"
        elif "=" in lines[at] and rnd.random() < 0.7:
            lines[at] = f"{lines[at].split('=')[0]}= {rnd.choice(_VALUES)}"
        elif rnd.random() < 0.5:
            lines.insert(at, f"{rnd.choice(_KEYS)} = {rnd.choice(_VALUES)}")
        else:
            del lines[at]
    text = "\n".join(lines)
    return text_input(damage_text(rnd, text, _VALUES, 1) if rnd.random() < 0.15 else text, True)


_KEYS = tuple(
    dict.fromkeys(
        [k for text in SETTINGS for k in re.findall(r"^(\w+) =", text, re.M)]
        + [
            "time",
            "alarms",
            "resample",
            "statistics",
            "sha256",
            "alarms.A",
            "time.epoch",
            "residual",
        ]
    )
)


def text_input(content: str, mutated: bool) -> Input:
    return bytes_input(content.encode("utf-8", "replace"), mutated)


def bytes_input(content: bytes, mutated: bool) -> Input:
    return Input(content, len(content), mutated)
