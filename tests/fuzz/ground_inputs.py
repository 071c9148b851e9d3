"""What comes from the ground: control records, and tables of an on-board clock."""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import date, timedelta
from functools import cache
from typing import Any

import numpy as np
import orjson

from pipeline.chain.control import MONITORS
from pipeline.mission.folder import Mission
from pipeline.models.families import BY_NAME
from schemas.artefact import Artefact, Part
from schemas.control import (
    ON_PARAMETERS,
    STAGES,
    Control,
    ModelStage,
    encode_control,
)
from schemas.mission import ALARM_LEVELS
from schemas.records import CONTROL_HEADERS, RawRecord
from tests.fuzz.inputs import RECEIVED, Input, records, text_input
from tests.fuzz.mutate import WORDS, damage, damage_text

_LEVELS = tuple(level.word for level in ALARM_LEVELS)
_WILD: tuple[Any, ...] = (
    None, True, 0, -1, 2**62, 2**63, 2**64, 1e308, -0.0, "", "x" * 2001, "\0", "é", "/", [], [1],
    [1, 2], [2, 1], [None, None], ["1", 2], [[1], 2], {}, {"watch": [1, 2]}, {"watch": 5}, {"": []},
)  # fmt: skip
_TOKENS = (
    "null", "true", "1e999", "1e308", "{}", "[]", '"limits"', '"ranges":{},', "\\ud800", "1" * 400,
)  # fmt: skip
LATCHED = """name = "latched"
[time]
los_s = 3
[alarms.P]
latch = true
deadband = 1
[[residual]]
warm_up_s = 3
threshold = 3
[[flat]]
changes = 2
min_seconds = 1
"""
_ALARM = (
    '<DefaultAlarm><StaticAlarmRanges><WatchRange maxInclusive="5"/><CriticalRange '
    'minInclusive="-50" maxInclusive="10"/></StaticAlarmRanges></DefaultAlarm>'
)
_FLOAT = f'<FloatParameterType name="F"><FloatDataEncoding sizeInBits="32"/>{_ALARM}</FloatParameterType>'
_CLOCK = (
    '<AbsoluteTimeParameterType name="F"><Encoding scale="1e-9"><IntegerDataEncoding sizeInBits="64" '
    'encoding="twosComplement"/></Encoding><ReferenceTime><Epoch>UNIX</Epoch></ReferenceTime>'
    "</AbsoluteTimeParameterType>"
)


def _database(of: str, names: str) -> str:
    """Packets of a header and parameters of one type, F."""
    parameters = "".join(f'<Parameter name="{name}" parameterTypeRef="F"/>' for name in names)
    entries = "".join(f'<ParameterRefEntry parameterRef="{name}"/>' for name in ("HEADER", *names))
    return (
        '<SpaceSystem name="S"><TelemetryMetaData><ParameterTypeSet><IntegerParameterType name="H">'
        f'<IntegerDataEncoding sizeInBits="48"/></IntegerParameterType>{of}</ParameterTypeSet>'
        f'<ParameterSet><Parameter name="HEADER" parameterTypeRef="H"/>{parameters}</ParameterSet>'
        f'<ContainerSet><SequenceContainer name="C"><EntryList>{entries}</EntryList>'
        "</SequenceContainer></ContainerSet></TelemetryMetaData></SpaceSystem>"
    )


FLOATS = _database(_FLOAT, "PQ")
COUNTING = _database(_CLOCK, "T")  # a count of ns since 1970


@cache
def float_packets() -> tuple[bytes, ...]:
    """P wanders across its limits and back; Q rests."""
    rnd, p, packets = random.Random(5), 0.0, []
    for i in range(400):
        p = rnd.choice((p, p + rnd.gauss(0, 3), 0.0, 60 * rnd.random()))
        packets.append(struct.pack(">HHHff", 1, 0xC000 | i, 7, p, i // 50))
    return tuple(packets)


def names_of(mission: Mission) -> list[str]:
    """All that a control record may be about: parameters, containers, the root."""
    mdb = mission.mdb
    known = [*mdb.parameters.values(), *mdb.containers.values()]
    return [f"/{mdb.name}", *(one.qualified_name for one in known)]


def controlled(
    rnd: random.Random, packets: tuple[bytes, ...], names: Sequence[str], size: int,
    models: Sequence[Artefact] = (),
) -> Input:  # fmt: skip
    """Records of telemetry.raw with control records among them, some of them of models."""
    given = records(rnd, packets, size)
    out: list[RawRecord] = list(given.content)
    more = [] if rnd.random() < 0.1 else [("time_offset_ns", rnd.choice((b"5", b"x")))]
    for _ in range(rnd.randint(1, 30)):
        headers: Any = (*CONTROL_HEADERS, *(more if rnd.random() < 0.05 else ()))
        value = control(rnd, names, models)
        out.insert(rnd.randint(0, len(out)), RawRecord(0, value, headers, RECEIVED))
    for i, record in enumerate(out):
        record.offset = i
    return Input(out, sum(len(r.value) for r in out), given.mutated)


def control(rnd: random.Random, names: Sequence[str], models: Sequence[Artefact] = ()) -> bytes:
    """A control record, valid or changed: its keys, its text, or its bytes."""
    if rnd.random() < 0.05:
        return rnd.randbytes(rnd.randint(0, 200))
    valid = _staged(rnd, models) if models and rnd.random() < 0.5 else _valid(rnd, names)
    value, how = encode_control(valid), rnd.randrange(10)
    if how < 5:
        return value
    if how < 8:
        return _other_keys(rnd, value)
    if how == 8:
        text = damage_text(rnd, value.decode(), (*_TOKENS, *WORDS), 2)
        return text.encode("utf-8", "surrogatepass")
    return damage(rnd, value)


def _valid(rnd: random.Random, names: Sequence[str]) -> Control:
    what = rnd.choice(ON_PARAMETERS)
    return Control(
        what,
        rnd.choice(names),
        rnd.choice(("Ada", "é", "\0", "x" * 2000)),
        "tested",
        rnd.choice((0, RECEIVED, -(2**62) + 1, 2**62 - 1)),
        "limit" if what == "limits" and rnd.random() < 0.7 else rnd.choice(("limit", *MONITORS)),
        _ranges(rnd) if what == "limits" else {},
    )


def _staged(rnd: random.Random, models: Sequence[Artefact]) -> Control:
    """A model's stage; its weights as they were, or wild."""
    made, stage = rnd.choice(models), rnd.choice(STAGES[1:])
    if rnd.random() < 0.5:
        made = replace(made, parts=tuple(_wild_weights(rnd, p) for p in made.parts))
    if rnd.random() < 0.2:
        made = replace(made, parts=tuple(_wild_settings(rnd, p) for p in made.parts))
    model = ModelStage(made.name, stage, None if stage == "retired" else made)
    return Control("model", "", "Ada", "tested", RECEIVED, "", model=model)


def _wild_settings(rnd: random.Random, part: Part) -> Part:
    """A key of some family's settings at a value that few have thought of."""
    key = rnd.choice([f.name for rule in (f.Rule for f in BY_NAME.values()) for f in fields(rule)])
    odd = (0, -1, 1, 0.5, 2**62, 1e300, 1e-300, 7200.0, "x", True, None, [])
    return replace(part, settings=part.settings | {key: rnd.choice(odd)})


def _wild_weights(rnd: random.Random, part: Part) -> Part:
    weights = {name: array.copy() for name, array in part.weights.items()}
    for _ in range(rnd.randint(1, 3)):
        flat = weights[rnd.choice(list(weights))].reshape(-1)
        odd: Any = (
            (np.nan, np.inf, -np.inf, 1e308, -1e308, 5e-324, 0.0, -1.0)
            if flat.dtype.kind == "f"
            else [k for k in (0, 1, 63, 64, 255, 1000, 2**62) if k <= np.iinfo(flat.dtype).max]
        )
        for _ in range(rnd.randint(1, 5)):
            with np.errstate(over="ignore"):  # of single precision: infinite is wild enough
                flat[rnd.randrange(len(flat))] = rnd.choice(odd)
    return replace(part, weights=weights)


def _ranges(rnd: random.Random) -> dict[str, tuple[float | None, float | None]]:
    made: dict[str, tuple[float | None, float | None]] = {}
    for level in rnd.sample(_LEVELS, rnd.randint(1, 5)):
        low = rnd.choice((None, rnd.gauss(0, 20), -1.7e308))
        high = rnd.choice((None, rnd.gauss(0, 20), 1.7e308))
        ordered = low is None or high is None or low <= high
        made[level] = (low, high) if ordered else (high, low)
    return made


def _other_keys(rnd: random.Random, value: bytes) -> bytes:
    told = orjson.loads(value)
    key = rnd.choice(list(told))
    how = rnd.randrange(4)
    if how == 0:
        del told[key]
    elif how == 1:
        told[rnd.choice((*told, "ranges", "whom", ""))] = rnd.choice(_WILD[:6] + _WILD[9:])
    elif how == 2:
        told["ranges"] = {rnd.choice((*_LEVELS, "mild")): rnd.choice(_WILD) for _ in range(2)}
        told["what"] = "limits"
    else:
        told[key] = rnd.choice(_WILD)
    try:
        return orjson.dumps(told)
    except TypeError:  # a number that JSON's writer has no bits for
        return repr(told).encode()


# --- clocks ------------------------------------------------------------------------------------

_MOMENTS = (
    "0001-01-01T00:00:00", "9999-12-31T23:59:59.999999999", "2026-01-01", "2026-01-01T00:00:00Z",
    "2026-01-01T00:00:00.5+01:00", "2016-12-31T23:59:60", "2026-02-30T00:00:00", "2043-01-01T00:00:00",
    "1896-01-01T00:00:00", "20260101T000000", "2026-W01-1", "1.5", "\ufeffonboard", '"', ",",
)  # fmt: skip


def clock_table(rnd: random.Random) -> Input:
    """Runs of an on-board clock, their cells, lines or bytes changed."""
    if rnd.random() < 0.1:
        cells = [rnd.choice((*_MOMENTS, "onboard", "utc", "received", "\n")) for _ in range(20)]
        return text_input(",".join(cells), False)
    lines = ["onboard,utc,received"]
    received = RECEIVED
    for run in range(rnd.randint(1, 3)):
        received += rnd.randint(1, 10**14)
        lines += _run(rnd, received if run or rnd.random() < 0.3 else None)
    for _ in range(rnd.choice((0, 0, 1, 2))):
        _damage_lines(rnd, lines)
    text = "\n".join(lines)
    text = damage_text(rnd, text, _MOMENTS, 2) if rnd.random() < 0.3 else text
    return text_input(text, True)


def _run(rnd: random.Random, received: int | None) -> list[str]:
    onboard, utc = rnd.choice((0, RECEIVED, -(10**18))), RECEIVED + rnd.randint(0, 10**15)
    lines = [f"{_iso(onboard)},{_iso(utc)},{'' if received is None else _iso(received)}"]
    for _ in range(rnd.randint(0, 6)):
        step = rnd.choice((0, 1, 10**9, 10**13, 10**16))
        onboard += step
        utc += step + round(step * rnd.choice((0.0, 1e-6, -1e-5, 9e-3))) + (step == 0) * 10**9
        lines.append(f"{_iso(onboard)},{_iso(utc)},")
    return lines


def _iso(ns: int) -> str:
    """ns since 1970 to the ns, as the table wants it."""
    seconds, rest = divmod(ns, 10**9)
    days, second = divmod(seconds, 86400)
    day = date(1970, 1, 1) + timedelta(days)
    return f"{day}T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}.{rest:09}"


def _damage_lines(rnd: random.Random, lines: list[str]) -> None:
    at, how = rnd.randrange(len(lines)), rnd.randrange(5)
    if how == 0:
        lines.insert(rnd.randint(0, len(lines)), lines[at])
    elif how == 1:
        rnd.shuffle(lines)
    elif how == 2:
        cells = lines[at].split(",")
        cells[rnd.randrange(len(cells))] = rnd.choice((*_MOMENTS, *WORDS))
        lines[at] = ",".join(cells)
    elif how == 3:
        lines[at] = rnd.choice(("", ",", ",,", ",,,", "x", "y" * rnd.choice((9, 9, 9, 140_000))))
    elif len(lines) > 1:
        del lines[at]
