"""Where inputs go: the real code, and what must hold of it whatever came in.

A target makes its input from a random source and feeds it; it returns what was refused, by reason.
Any exception but the one that a user is told of is a find.
"""

from __future__ import annotations

import random
import struct
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson
from jsonschema import Draft202012Validator

from pipeline.chain import Chain
from pipeline.chain.control import decode_control
from pipeline.decode import Decoder, compile_plans
from pipeline.errors import MissionError
from pipeline.mdb import load_xtce
from pipeline.mission.folder import Mission, load_mission, read_settings
from pipeline.packets import PacketReader, Reassembler, Scanner
from schemas import topics
from schemas.columns import Output, Reason, Rejects
from schemas.control import Control, encode_control
from schemas.records import Kind, RawRecord, classify
from schemas.settings import TimeSettings
from tests.conftest import PROJECT
from tests.fuzz import inputs
from tests.fuzz.account import account
from tests.fuzz.inputs import Input
from tests.reference.databases import Draw

Refused = Counter[str]
ALERT = Draft202012Validator(
    orjson.loads((PROJECT / "schemas" / "json" / "alert.schema.json").read_bytes())
)


@dataclass(frozen=True, slots=True)
class Target:
    """share: of the bytes of a run, in percent. run: make, feed and check one input."""

    name: str
    share: float
    run: Callable[[random.Random, Path], tuple[Input, Refused]]


# --- bytes -----------------------------------------------------------------------------------


def scanner(rnd: random.Random, _: Path) -> tuple[Input, Refused]:
    given = inputs.stream(rnd)
    known = rnd.choice((None, [101, 102, 103], [11], range(2048), []))
    return given, scan_in_pieces(rnd, given.content, known)


def scan_in_pieces(rnd: random.Random, content: bytes, known: list[int] | None) -> Refused:
    """bytes in = packets + skipped + pending after every piece, and each byte in its place."""
    scanner, refused, parts = Scanner(known), Refused(), []
    at = sorted(rnd.randrange(len(content) + 1) for _ in range(rnd.choice((0, 1, 5, 40))))
    done = fed = 0
    for a, b in zip([0, *at], [*at, len(content)], strict=True):
        found = scanner.feed(content[a:b], final=b == len(content))
        fed += b - a
        packets = [
            found.data[s : s + n].tobytes()
            for s, n in zip(found.start.tolist(), found.length.tolist(), strict=True)
        ]
        for packet in packets:
            assert len(packet) == int.from_bytes(packet[4:6], "big") + 7
        done += sum(map(len, packets)) + sum(map(len, found.skip_bytes))
        assert fed == done + scanner.pending
        for place, skip in zip(found.skip_at.tolist(), found.skip_bytes, strict=True):
            assert content[place : place + len(skip)] == skip
        parts += found.skip_bytes
        refused.update(r.word for r in found.skip_reason)
    assert scanner.pending == 0
    return refused


# --- records ---------------------------------------------------------------------------------


def vehicle_chain(rnd: random.Random, _: Path) -> tuple[Input, Refused]:
    """The vehicle's flight through the whole chain."""
    given = inputs.records(rnd, inputs.vehicle_packets(), rnd.choice((1_000, 200_000, 600_000)))
    return given, feed_chain(rnd, vehicle(), given.content)


_vehicle: list[Mission] = []


def vehicle() -> Mission:
    if not _vehicle:
        _vehicle.append(load_mission(PROJECT / "missions" / "demo"))
    return _vehicle[0]


def drawn_chain(rnd: random.Random, folder: Path) -> tuple[Input, Refused]:
    """A database drawn at random, and packets for it."""
    draw = Draw(rnd)
    path = folder / "drawn.xml"
    path.write_text(draw.database().xml)
    table = {"name": "f", "allow_trailing_bytes": rnd.random() < 0.7}
    try:
        mission = Mission(read_settings(table), load_xtce(path), folder)
        given = inputs.records(rnd, tuple(draw.packets(100)), rnd.choice((10_000, 60_000)))
        return given, feed_chain(rnd, mission, given.content)
    except MissionError:  # compile_plans refuses a database now and then
        return Input(b"", 0, False), Refused({"mission_error": 1})


def feed_chain(rnd: random.Random, mission: Mission, records: list[RawRecord]) -> Refused:
    """Every byte of every record told of by the reader, every packet a row or a reject."""
    chain, refused, controls = Chain(mission), Refused(), 0
    reader, decoder = PacketReader(), Decoder(chain.plans, mission.settings.allow_trailing_bytes)
    reassembly = Reassembler(mission.settings.segmented_apids)
    cut = rnd.randint(0, len(records))
    for part in (records[:cut], records[cut:]):
        batch, unread = reader.feed(part)
        account(part, batch, unread)
        batch, segments = reassembly.feed(batch)
        decoded = decoder.feed(batch)
        rows = sum(len(r.packet) for r in decoded.rows)
        assert rows + len(decoded.rejects) == np.count_nonzero(batch.length)
        fed = chain.feed(part)
        refused.update({Reason(k).word: n for k, n in fed.rejected.items()})
        said = published(fed.outputs)
        assert said.keys() == {Reason(k).word for k in fed.rejected}
        wanted = lost(unread) + lost(segments) + lost(decoded.rejects)
        wanted += unapplied(part, fed.outputs)
        assert Refused({k: n for k, n in said.items() if k not in _LATER}) == wanted
        controls += sum(classify(r.headers)[0] == Kind.CONTROL for r in part)
    assert chain.packets.counters["controls"] == controls
    return refused


_LATER = (Reason.LATE.word, Reason.TIME_JUMP.word)  # said of rows, behind the decoder


def unapplied(records: list[RawRecord], outputs: list[tuple[int, Output]]) -> Refused:
    """Bytes of controls that changed nothing; each of the others is told of as it was written."""
    found = Refused()
    for i, record in enumerate(records):
        told = [o.event for at, o in outputs if at == i and o.event and "control" in o.event]
        control = control_of(record)
        if control and told:
            for event in told:
                ALERT.validate(orjson.loads(orjson.dumps(event)))
                who, where = event["control"], event["input"]
                assert (who["who"], who["why"]) == (control.who, control.why)
                assert where["first_offset"] == where["last_offset"] == record.offset
                if control.model:
                    assert event["model"]["id"] == control.model.name
                    assert event["model"]["stage"] == control.model.stage
                    continue
                assert event["parameter"] == control.parameter
                assert event["monitor"]["kind"] == control.monitor
        else:
            assert not told
            if classify(record.headers)[0] == Kind.CONTROL:
                found[Reason.BAD_CONTROL.word] += len(record.value)
    return found


def control_of(record: RawRecord) -> Control | None:
    """What a control record says, which written again says the same; None where it says nothing."""
    if classify(record.headers)[0] != Kind.CONTROL:
        return None
    try:
        control = decode_control(record.value)
    except ValueError:
        return None
    assert decode_control(encode_control(control)) == control
    return control


def lost(rejects: Rejects) -> Refused:
    """Bytes refused, by reason."""
    found = Refused()
    for reason, n in zip(rejects.reason.tolist(), rejects.length.tolist(), strict=True):
        found[Reason(reason).word] += n
    return found


def published(outputs: list[tuple[int, Output]]) -> Refused:
    """Bytes that telemetry.rejects tells of, by reason."""
    found = Refused()
    for _, output in outputs:
        if output.topic == topics.REJECTS:
            said = orjson.loads(output.value)
            assert said["data"] is not None or said["reason"] in _LATER
            found[said["reason"]] += said["bytes"]
    return found


# --- texts -----------------------------------------------------------------------------------


def database(rnd: random.Random, folder: Path) -> tuple[Input, Refused]:
    """A database that was tampered with: refused in words, or it decodes whatever comes."""
    given = inputs.xtce(rnd)
    path = folder / "fuzz.xml"
    path.write_bytes(given.content)
    try:
        plans = compile_plans(load_xtce(path), TimeSettings())
    except MissionError as error:
        tell_line_by_line(path, error)
        return given, Refused({"mission_error": 1})
    packets = [
        struct.pack(">HHH", 0x0800 | rnd.choice((100, 101, 102)), 0xC000 | i, n - 1)
        + (rnd.randbytes(n) if i % 2 else bytes(rnd.choices(range(4), k=n)))
        for i, n in enumerate((30, 100, 200, 250, 1, 300))
    ]
    records = [RawRecord(i, p, (), inputs.RECEIVED) for i, p in enumerate(packets)]
    batch, _ = PacketReader().feed(records)
    Decoder(plans, rnd.random() < 0.5).feed(batch)
    return given, Refused()


def mission_file(rnd: random.Random, folder: Path) -> tuple[Input, Refused]:
    """A mission.toml that was tampered with: refused in words, or a chain runs with it."""
    given = inputs.settings(rnd)
    (folder / "mission.toml").write_bytes(given.content)
    (folder / "x.xml").write_text(SMALL)
    (folder / "clock.csv").write_text("onboard,utc\n1970-01-01T00:00:00,1970-01-01T00:00:01\n")
    try:
        mission = load_mission(folder, rnd.choice((folder / "x.xml", None)))
        chain = Chain(mission)
    except MissionError as error:
        tell(folder, error)
        return given, Refused({"mission_error": 1})
    values = [struct.pack(">HHHHH", rnd.choice((5, 300)), 1000 + i, 1, 1, 1) for i in range(20)]
    packets = [b"\x08\x64\xc0\0\0\x09" + value for value in values]
    chain.feed([RawRecord(i, p, (), inputs.RECEIVED) for i, p in enumerate(packets)])
    return given, Refused()


def tell(path: Path, error: Exception) -> None:
    """A refusal names the file that it is about."""
    assert str(path) in str(error)


def tell_line_by_line(path: Path, error: Exception) -> None:
    """All refusals of a file, each a line that names it."""
    tell(path, error)
    for line in str(error).splitlines():
        assert path.name in line or line.startswith("… and "), line


def tell_in_a_line(path: Path, error: Exception) -> None:
    """Where nothing that is named by the input can hold the end of one."""
    tell(path, error)
    assert "\n" not in str(error)


_U16 = '<IntegerDataEncoding sizeInBits="16"/>'
SMALL = f"""<SpaceSystem name="S"><TelemetryMetaData><ParameterTypeSet>
<IntegerParameterType name="U">{_U16}</IntegerParameterType>
<AbsoluteTimeParameterType name="TT"><Encoding>{_U16}</Encoding>
<ReferenceTime><Epoch>UNIX</Epoch></ReferenceTime></AbsoluteTimeParameterType></ParameterTypeSet>
<ParameterSet><Parameter name="A" parameterTypeRef="U"/><Parameter name="T" parameterTypeRef="TT"/>
<Parameter name="DOY" parameterTypeRef="U"/><Parameter name="MSEC" parameterTypeRef="U"/>
<Parameter name="USEC" parameterTypeRef="U"/></ParameterSet><ContainerSet>
<SequenceContainer name="C"><EntryList><ParameterRefEntry parameterRef="A"/>
<ParameterRefEntry parameterRef="T"/><ParameterRefEntry parameterRef="DOY"/>
<ParameterRefEntry parameterRef="MSEC"/><ParameterRefEntry parameterRef="USEC"/></EntryList>
</SequenceContainer></ContainerSet></TelemetryMetaData></SpaceSystem>"""


def work_folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="fuzz-")
