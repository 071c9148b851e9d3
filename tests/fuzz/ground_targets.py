"""Control records and clock tables: refused in words, or done, and told of as they were written."""

from __future__ import annotations

import random
import re
import struct
import tomllib
from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path

import orjson

from pipeline.chain import Chain
from pipeline.decode import Decoder, compile_plans
from pipeline.errors import MissionError
from pipeline.mdb import load_xtce
from pipeline.mission.correlation import MOST_DRIFT, read_correlation
from pipeline.mission.folder import Mission, read_settings
from pipeline.models.families import FAMILIES, MODEL_KINDS
from pipeline.packets import PacketReader
from schemas import topics
from schemas.artefact import Artefact
from schemas.columns import Output, Reason
from schemas.mission import MissionDatabase
from schemas.records import PACKETS_HEADERS, RawRecord, encode_packets
from schemas.settings import ClockRun, TimeSettings
from tests.fuzz import ground_inputs, inputs
from tests.fuzz.inputs import Input
from tests.fuzz.targets import Refused, feed_chain, tell_in_a_line, vehicle, work_folder
from tests.laws.gated_cases import NEEDED, SETS, artefact_of

_FAR = 2**62
_LEAST = 1024 - _FAR  # nearer to it, a float says that it is there


def control(rnd: random.Random, _: Path) -> tuple[Input, Refused]:
    """Among the packets of a mission whose alarms latch, now and then of the vehicle."""
    small = rnd.random() < 0.8
    mission = latched() if small else vehicle()
    packets = ground_inputs.float_packets() if small else inputs.vehicle_packets()
    names = ground_inputs.names_of(mission)
    made = models(mission) if rnd.random() < 0.5 else ()
    given = ground_inputs.controlled(rnd, packets, names, rnd.choice((500, 5_000, 30_000)), made)
    if rnd.random() < 0.3:
        refused_changes_nothing(mission, given.content)
    return given, feed_chain(rnd, mission, given.content)


def refused_changes_nothing(mission: Mission, records: list[RawRecord]) -> None:
    """Without the controls that were refused, all else comes out the same, but for the digest of
    the input in alerts: what was refused was input too."""
    whole = Chain(mission).feed(records).outputs
    refused = {i for i, output in whole if is_bad_control(output)}
    rest = [record for i, record in enumerate(records) if i not in refused]
    told = [said_of(output) for _, output in whole if not is_bad_control(output)]
    again = [said_of(output) for _, output in Chain(mission).feed(rest).outputs]
    assert again == told if rest else not any(told)


_MODELS: dict[str, tuple[Artefact, ...]] = {}


def models(mission: Mission) -> tuple[Artefact, ...]:
    """One of each family for the mission's first three numbers; made once."""
    name = mission.settings.name
    if name not in _MODELS:
        groups = [
            [n for n, p in zip(g.group.qualified_names, g.group.parameters, strict=True)
             if p.type.kind in MODEL_KINDS]
            for c in Chain(mission).containers for g in c.groups
        ]  # fmt: skip
        numbers = tuple(n for g in groups for n in g)[:3]
        largest = tuple(max(groups, key=len))[:3]
        _MODELS[name] = tuple(
            artefact_of(
                mission, f.name, f"m{i % 2}", largest if f.name in SETS else numbers,
                **NEEDED.get(f.name, {}),
            )
            for i, f in enumerate(FAMILIES)
            if f.name not in SETS or len(largest) > 1
        )  # fmt: skip
    return _MODELS[name]


# of an id, which counts the definitions of the first record too
_NUMBER = re.compile(rb'("id":"telemetry[.]raw-[0-9]+-[0-9]+)-[0-9]+')


def said_of(output: Output) -> bytes:
    if output.topic == topics.DEFINITIONS:  # of the first record, whatever it is
        return b""
    if output.topic not in (topics.ALERTS, topics.SHADOW):
        return _NUMBER.sub(rb"\1", output.value)
    alert = orjson.loads(_NUMBER.sub(rb"\1", output.value))
    del alert["input"]["sha256"], alert["ledger"]  # which hash what was refused too
    return orjson.dumps(alert)


def is_bad_control(output: Output) -> bool:
    said = orjson.loads(output.value) if output.topic == topics.REJECTS else {}
    return bool(said) and said["reason"] == Reason.BAD_CONTROL.word


@cache
def latched() -> Mission:
    settings = read_settings(tomllib.loads(ground_inputs.LATCHED))
    return Mission(settings, _loaded(ground_inputs.FLOATS), Path())


def _loaded(text: str) -> MissionDatabase:
    with work_folder() as folder:
        path = Path(folder) / "x.xml"
        path.write_text(text)
        return load_xtce(path)


def correlation(rnd: random.Random, folder: Path) -> tuple[Input, Refused]:
    """A table that is taken gives every time as exact arithmetic does."""
    given = ground_inputs.clock_table(rnd)
    path = folder / "clock.csv"
    path.write_bytes(given.content)
    try:
        runs = read_correlation(path)
    except MissionError as error:
        tell_in_a_line(path, error)
        return given, Refused({"mission_error": 1})
    assert sum(len(run.pairs) for run in runs) == len(given.content.decode().splitlines()) - 1
    lawful(runs)
    clock = [rnd.choice(_edges(runs)) + rnd.choice((-1, 0, 1, 10**9, -(10**17))) for _ in range(20)]
    clock = [max(_LEAST, min(-_LEAST, x)) for x in clock]
    received = [rnd.choice((*(run.received_ns for run in runs), 0)) + x % 3 - 1 for x in clock]
    for x, at, got in zip(clock, received, decoded(runs, clock, received), strict=True):
        exactly(runs, x, at, got)
    return given, Refused()


def lawful(runs: Sequence[ClockRun]) -> None:
    received = [run.received_ns for run in runs]
    assert received == sorted(set(received))
    for run in runs:
        onboard = [pair.onboard_ns for pair in run.pairs]
        assert onboard == sorted(onboard)
        assert all(abs(pair.drift) <= MOST_DRIFT for pair in run.pairs)


def _edges(runs: Sequence[ClockRun]) -> list[int]:
    return [0, _FAR, -_FAR, *(pair.onboard_ns for run in runs for pair in run.pairs)]


@cache
def counting() -> MissionDatabase:
    return _loaded(ground_inputs.COUNTING)


def decoded(
    runs: tuple[ClockRun, ...], clock: Sequence[int], received: Sequence[int]
) -> list[int | None]:
    """UTC of each packet's clock; None where it was refused."""
    plans = compile_plans(counting(), TimeSettings(correlation="clock.csv", runs=runs))
    records = [
        RawRecord(i, encode_packets([at], struct.pack(">HHHq", 1, 0xC000, 7, x)), PACKETS_HEADERS)
        for i, (x, at) in enumerate(zip(clock, received, strict=True))
    ]
    batch, _ = PacketReader().feed(records)
    out: list[int | None] = [None] * len(clock)
    for rows in Decoder(plans).feed(batch).rows:
        for packet, time in zip(rows.packet.tolist(), rows.time_ns.tolist(), strict=True):
            out[packet] = time
    return out


def exactly(runs: Sequence[ClockRun], x: int, received: int, got: int | None) -> None:
    """To the ns, but for what the drift, a float, leaves of a long way."""
    run = next((r for r in reversed(runs) if r.received_ns <= received), runs[0])
    pair = next((p for p in reversed(run.pairs) if p.onboard_ns <= x), run.pairs[0])
    since = x - pair.onboard_ns
    want = pair.utc_ns + since + since * Fraction(pair.drift)
    if got is None:
        assert abs(want) + abs(since) // 50 >= _FAR * 0.999
    else:
        assert abs(got - want) <= 1 + abs(since * pair.drift) * 2.0**-50
