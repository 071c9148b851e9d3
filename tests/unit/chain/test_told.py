"""What is refused, invalid or going to and fro is told: by one alert, after a persistence, and
cleared."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from jsonschema import Draft202012Validator

from pipeline.alarms.flapping import FLAPS
from pipeline.chain import Chain
from pipeline.chain.control import Vouched
from pipeline.mission.folder import load_mission
from pipeline.outputs.alerts import monitor_key
from schemas import topics
from schemas.columns import Reason
from schemas.control import Control, encode_control
from schemas.records import (
    CONTROL_HEADERS,
    PACKETS_HEADERS,
    TICK_HEADERS,
    RawRecord,
    encode_packets,
    encode_tick,
)
from tests.unit.alarms.test_alarms import F4, ROOT, SCHEMA, SECOND
from tests.unit.mdb.test_mdb import document

BASE = 1_700_000_000
ALARM = (
    '<DefaultAlarm><StaticAlarmRanges><WarningRange maxInclusive="10"/>'
    '<CriticalRange maxInclusive="20"/></StaticAlarmRanges></DefaultAlarm>'
)
QUIET = (
    "[[residual]]\nenabled = false\n[[time_to_limit]]\nenabled = false\n[[flat]]\nenabled = false\n"
)


def chain_of(folder: Path, settings: str = QUIET, types: str = "") -> Chain:
    types = types or f'<FloatParameterType name="T">{F4}{ALARM}</FloatParameterType>'
    (folder / "x.xml").write_text(document(types, containers=ROOT))
    (folder / "mission.toml").write_text(f'name = "m"\nxtce = "x.xml"\n{settings}')
    return Chain(load_mission(folder))


def value(second: float, x: float) -> tuple[bytes, Any]:
    packet = struct.pack(">HHHf", 1, 0xC000 | round(second) % 16384, 3, x)
    return encode_packets([BASE * SECOND + round(second * SECOND)], packet), PACKETS_HEADERS


def tick(second: float) -> tuple[bytes, Any]:
    return encode_tick(BASE * SECOND + round(second * SECOND)), TICK_HEADERS


def control(what: str, second: float, **more: Any) -> tuple[bytes, Any]:
    when = BASE * SECOND + round(second * SECOND)
    return encode_control(Control(what, "/S/P", "Ada", "tested", when, **more)), CONTROL_HEADERS


def records(items: Iterable[tuple[bytes, Any]]) -> list[RawRecord]:
    return [RawRecord(i, content, headers) for i, (content, headers) in enumerate(items)]


def alerts(chain: Chain, given: list[RawRecord], cut: int = 10**9) -> list[dict[str, Any]]:
    """Every alert, checked by the schema. cut: records a feed."""
    schema = orjson.loads(SCHEMA.read_bytes())
    found = []
    for i in range(0, len(given), cut):
        for _, output in chain.feed(given[i : i + cut]).outputs:
            if output.topic == topics.ALERTS:
                found.append(orjson.loads(output.value))
                Draft202012Validator(schema).validate(found[-1])
    return found


def words(found: list[dict[str, Any]]) -> list[tuple[int, str, str, str]]:
    """(second, kind, transition, level after)"""
    return [
        (
            a["reception_ns"] // SECOND - BASE,
            a["monitor"]["kind"],
            a["transition"],
            a["level_after"],
        )
        for a in found
    ]


# --- a sensor without a valid value ----------------------------------------------------------------


def test_a_sensor_that_is_invalid_for_long(tmp_path: Path) -> None:
    """A critical alarm stands, then 22 minutes of NaN: that it is not seen any more is told."""
    values = [*[30.0] * 10, *[math.nan] * 1320, *[5.0] * 10]
    chain = chain_of(tmp_path)
    found = alerts(chain, records(value(t, x) for t, x in enumerate(values)), 97)
    assert words(found) == [
        (0, "limit", "raised", "critical"),
        (70, "invalid", "raised", "warning"),
        (1330, "limit", "cleared", "normal"),
        (1332, "invalid", "cleared", "normal"),
    ]
    assert (
        found[1]["sentence"] == "P: no valid value since 2023-11-14T22:13:30.000000000Z (warning)."
    )
    assert found[1]["observed"] is None


def test_a_moment_without_a_value_is_no_news(tmp_path: Path) -> None:
    values = ([5.0] * 20 + [math.nan] * 40) * 5
    assert not alerts(chain_of(tmp_path), records(value(t, x) for t, x in enumerate(values)))


def test_who_wants_no_word_on_it_says_so(tmp_path: Path) -> None:
    chain = chain_of(tmp_path, QUIET + "[time]\ninvalid_s = 0\n")
    assert not alerts(chain, records(value(t, math.nan) for t in range(300)))


# --- packets that are all refused ------------------------------------------------------------------

TIMED = (
    f'<FloatParameterType name="T">{F4}{ALARM}</FloatParameterType>'
    '<AbsoluteTimeParameterType name="TT"><Encoding units="seconds">'
    '<IntegerDataEncoding sizeInBits="32" encoding="unsigned"/></Encoding>'
    "<ReferenceTime><Epoch>1970-01-01</Epoch></ReferenceTime></AbsoluteTimeParameterType>"
)
TIMED_ROOT = (
    '<SequenceContainer name="Root"><EntryList><ParameterRefEntry parameterRef="TIME">'
    '<LocationInContainerInBits referenceLocation="containerStart"><FixedValue>48</FixedValue>'
    '</LocationInContainerInBits></ParameterRefEntry><ParameterRefEntry parameterRef="P"/>'
    "</EntryList></SequenceContainer>"
)


def timed(folder: Path) -> Chain:
    parameters = (
        '<Parameter name="TIME" parameterTypeRef="TT"/><Parameter name="P" parameterTypeRef="T"/>'
    )
    (folder / "x.xml").write_text(document(TIMED, parameters, TIMED_ROOT))
    (folder / "mission.toml").write_text(f'name = "m"\nxtce = "x.xml"\n{QUIET}')
    return Chain(load_mission(folder))


def stamped(second: int, stamp: int, x: float = 5.0) -> tuple[bytes, Any]:
    """Received at `second`, with another time in the packet."""
    packet = struct.pack(">HHHIf", 1, 0xC000 | second % 16384, 7, BASE + stamp, x)
    return encode_packets([(BASE + second) * SECOND], packet), PACKETS_HEADERS


def test_a_clock_that_was_set_back_is_told(tmp_path: Path) -> None:
    """From second 30 on the clock shows 100 s less: three packets that agree, and it is believed."""
    given = [x for t in range(160) for x in (stamped(t, t if t < 30 else t - 100), tick(t + 0.5))]
    chain = timed(tmp_path)
    found = alerts(chain, records(given), 13)
    assert words(found) == [(32, "clock", "raised", "warning"), (92, "clock", "cleared", "normal")]
    assert found[0]["parameter"] == "/S"
    told = found[0]["clock"]
    assert (told["container"], told["packets"], told["step_s"]) == ("/S/Root", 3, -100.0)
    assert told["before_ns"] - told["after_ns"] == 97 * SECOND
    assert "its clock went back by 100.000 s" in found[0]["sentence"]
    assert chain.feed(records([stamped(160, 60)])).rejected == {}


def test_stamps_that_fit_nothing_are_told(tmp_path: Path) -> None:
    """From second 30 to 60 every stamp is another day."""
    given = [stamped(t, t if not 30 <= t < 60 else t + 86_400 * (t * t % 97)) for t in range(80)]
    every = alerts(timed(tmp_path), records(given), 13)
    found = [a for a in every if a["monitor"]["kind"] == "refused"]
    assert words(found) == [
        (40, "refused", "raised", "warning"),
        (62, "refused", "cleared", "normal"),
    ]
    assert found[0]["parameter"] == "/S/Root"
    assert found[0]["refused"] == "time_jump"
    why = "none of its packets is taken, they are refused as time jump"
    assert why in found[0]["sentence"]


def test_a_late_packet_now_and_then_is_no_news(tmp_path: Path) -> None:
    given = [stamped(t, t - 50 if t % 3 == 2 else t) for t in range(200)]
    chain = timed(tmp_path)
    assert not alerts(chain, records(given))


def test_times_that_are_none_are_told(tmp_path: Path) -> None:
    types = TIMED.replace(
        'sizeInBits="32" encoding="unsigned"/></Encoding>',
        'sizeInBits="64" encoding="unsigned"/></Encoding>',
    )
    parameters = (
        '<Parameter name="TIME" parameterTypeRef="TT"/><Parameter name="P" parameterTypeRef="T"/>'
    )
    (tmp_path / "x.xml").write_text(document(types, parameters, TIMED_ROOT))
    (tmp_path / "mission.toml").write_text(f'name = "m"\nxtce = "x.xml"\n{QUIET}')
    chain = Chain(load_mission(tmp_path))

    def packet(t: int) -> tuple[bytes, Any]:
        stamp = 2**63 if 20 <= t < 60 else BASE + t
        made = struct.pack(">HHHQf", 1, 0xC000 | t, 11, stamp, 5.0)
        return encode_packets([(BASE + t) * SECOND], made), PACKETS_HEADERS

    given = records(packet(t) for t in range(80))
    assert chain.feed(given[:40]).rejected == {int(Reason.BAD_TIME): 20}
    chain = Chain(load_mission(tmp_path))
    found = [a for a in alerts(chain, given, 7) if a["monitor"]["kind"] == "refused"]
    assert words(found) == [
        (30, "refused", "raised", "warning"),
        (62, "refused", "cleared", "normal"),
    ]
    assert found[0]["refused"] == "bad_time"


# --- an alarm that goes to and fro -----------------------------------------------------------------


def noisy(seconds: int) -> list[float]:
    return [9.9 + 0.2 * (t % 2) for t in range(seconds)]


def test_a_limit_that_flaps_is_told_once(tmp_path: Path) -> None:
    """An hour about the limit: 1,800 raises, of which five are told, and their end with the count."""
    given = records(value(t, x) for t, x in enumerate([*noisy(3600), *[5.0] * 100]))
    found = alerts(chain_of(tmp_path), given, 61)
    assert len(found) == 2 * FLAPS
    assert [a["transition"] for a in found[-2:]] == ["flapping", "calm"]
    flapping, calm = found[-2:]
    assert (flapping["level_before"], flapping["level_after"]) == ("normal", "warning")
    assert (calm["level_before"], calm["level_after"]) == ("warning", "normal")
    assert calm["flaps"]["raises"] == 1800
    assert "goes to and fro, 5 times since" in flapping["sentence"]
    assert "is calm after 1800 alarms" in calm["sentence"]
    assert words([calm]) == [(3660, "limit", "calm", "normal")]


def test_what_is_worse_is_told_while_it_flaps(tmp_path: Path) -> None:
    given = records(value(t, x) for t, x in enumerate([*noisy(60), 25.0, *noisy(60), *[25.0] * 70]))
    found = alerts(chain_of(tmp_path), given)
    told = [(a["transition"], a["level_after"]) for a in found[2 * FLAPS - 1 :]]
    assert told == [("changed", "critical"), ("calm", "critical")]
    assert [s.level.word for s in chain_standing(given, tmp_path)] == ["critical"]


def chain_standing(given: list[RawRecord], folder: Path) -> list[Any]:
    chain = chain_of(folder)
    chain.feed(given)
    return [*chain.standing()]


def test_while_it_flaps_it_stands(tmp_path: Path) -> None:
    """The value is normal at the end; what was told is that it is at warning."""
    given = records(value(t, x) for t, x in enumerate([*noisy(60), 9.0]))
    (one,) = chain_standing(given, tmp_path)
    assert (one.kind, one.parameter, one.level.word) == ("limit", "/S/P", "warning")
    assert one.key("m") == ("m", "/S/P", "limit")


@pytest.mark.parametrize("cut", [1, 7, 64])
def test_any_cut_and_a_restored_state_say_the_same(tmp_path: Path, cut: int) -> None:
    rng = np.random.default_rng(5)
    values = [
        *noisy(90),
        *rng.choice([5.0, 15.0, 25.0, math.nan], 300),
        *[math.nan] * 200,
        *noisy(40),
    ]
    items = [x for t, v in enumerate(values) for x in (value(t, v), tick(t + 0.5))]
    items[300:300] = [control("inhibit", 150, until_ns=(BASE + 200) * SECOND)]
    given = records(items)
    whole = alerts(chain_of(tmp_path), given)
    assert {a["transition"] for a in whole} >= {"flapping", "inhibited", "enabled"}
    assert alerts(chain_of(tmp_path), given, cut) == whole
    first, second = chain_of(tmp_path), chain_of(tmp_path)
    before = alerts(first, given[:333])
    second.restore(first.snapshot())
    assert before + alerts(second, given[333:]) == whole


# --- what is inhibited for a while -----------------------------------------------------------------


def test_an_inhibition_ends_by_itself(tmp_path: Path) -> None:
    until = (BASE + 20) * SECOND
    items = [x for t in range(40) for x in (value(t, 30.0), tick(t + 0.5))]
    items[11:11] = [control("inhibit", 5, until_ns=until)]
    chain = chain_of(tmp_path)
    found = alerts(chain, records(items), 3)
    assert words(found) == [
        (0, "limit", "raised", "critical"),
        (5, "limit", "inhibited", "normal"),
        (20, "limit", "enabled", "normal"),
        (21, "limit", "raised", "critical"),
    ]
    assert found[1]["control"] == {"who": "Ada", "why": "tested", "until_ns": until}
    assert found[2]["control"]["why"] == "inhibited until now: tested"
    assert not [*chain.inhibited()]


def test_who_enables_it_before_ends_it(tmp_path: Path) -> None:
    until = (BASE + 20) * SECOND
    items = [x for t in range(40) for x in (value(t, 5.0), tick(t + 0.5))]
    items[11:11] = [control("inhibit", 5, until_ns=until), control("enable", 6)]
    found = alerts(chain_of(tmp_path), records(items))
    assert [a["transition"] for a in found] == ["inhibited", "enabled"]


# --- limits that could never fire ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ranges", "taken"),
    [({"critical": (None, 40.0)}, True), ({"critical": (-1e300, 1e300)}, False),
     ({"warning": (0.0, 5.0), "critical": (-1e39, 1e39)}, False), ({"critical": (-5.0, 1e300)}, True)],
)  # fmt: skip
def test_limits_that_can_never_fire_are_refused(
    tmp_path: Path, ranges: dict[str, Any], taken: bool
) -> None:
    chain = chain_of(tmp_path)
    chain.feed(records([value(0, 30.0)]))
    fed = chain.feed(records([control("limits", 1, ranges=ranges)]))
    assert fed.rejected == ({} if taken else {int(Reason.BAD_CONTROL): 1})


# --- names -----------------------------------------------------------------------------------------


def test_a_name_that_stands_twice_is_qualified(tmp_path: Path) -> None:
    inner = (
        '<SpaceSystem name="{0}"><TelemetryMetaData><ParameterSet>'
        '<Parameter name="TEMP" parameterTypeRef="T"/><Parameter name="{1}" parameterTypeRef="T"/>'
        "</ParameterSet></TelemetryMetaData></SpaceSystem>"
    )
    (tmp_path / "x.xml").write_text(
        '<SpaceSystem name="S"><TelemetryMetaData><ParameterTypeSet>'
        f'<FloatParameterType name="T">{F4}{ALARM}</FloatParameterType></ParameterTypeSet>'
        '<ContainerSet><SequenceContainer name="Root"><EntryList>'
        '<ParameterRefEntry parameterRef="PUMP_A/TEMP"><LocationInContainerInBits '
        'referenceLocation="containerStart"><FixedValue>48</FixedValue>'
        "</LocationInContainerInBits></ParameterRefEntry>"
        '<ParameterRefEntry parameterRef="PUMP_B/TEMP"/><ParameterRefEntry parameterRef="PUMP_A/X"/>'
        "</EntryList></SequenceContainer></ContainerSet></TelemetryMetaData>"
        f"{inner.format('PUMP_A', 'X')}{inner.format('PUMP_B', 'Y')}</SpaceSystem>"
    )
    (tmp_path / "mission.toml").write_text(f'name = "m"\nxtce = "x.xml"\n{QUIET}')
    packet = struct.pack(">HHHfff", 1, 0xC000, 11, 30.0, 31.0, 32.0)
    given = [RawRecord(0, encode_packets([BASE * SECOND], packet), PACKETS_HEADERS)]
    found = alerts(Chain(load_mission(tmp_path)), given)
    assert [a["name"] for a in found] == ["/S/PUMP_A/TEMP", "/S/PUMP_B/TEMP", "X"]
    assert [a["sentence"].split(" is ")[0] for a in found] == [
        "/S/PUMP_A/TEMP",
        "/S/PUMP_B/TEMP",
        "X",
    ]


# --- what a reviewer found -------------------------------------------------------------------------


def test_a_tick_that_is_refused_ends_nothing(tmp_path: Path) -> None:
    until = (BASE + 7200) * SECOND
    items = [x for t in range(20) for x in (value(t, 30.0), tick(t + 0.5))]
    items[11:11] = [control("inhibit", 5, until_ns=until)]
    items[20:20] = [(encode_tick(2**62), TICK_HEADERS)]
    chain = chain_of(tmp_path)
    assert [a["transition"] for a in alerts(chain, records(items))] == ["raised", "inhibited"]
    assert [*chain.inhibited()] == [("limit", "/S/P")]


@pytest.mark.parametrize("what", ["acknowledge", "limits"])
def test_a_control_while_it_flaps_leaves_it_where_it_was_told(tmp_path: Path, what: str) -> None:
    more = {"ranges": {"critical": (None, 40.0)}} if what == "limits" else {}
    items = [value(t, x) for t, x in enumerate([*noisy(60), 9.0])] + [control(what, 61, **more)]
    chain = chain_of(tmp_path)
    found = alerts(chain, records(items))
    (one,) = chain.standing()
    assert found[-1]["level_after"] == one.level.word == "warning"


def test_a_packet_of_next_year_silences_nothing(tmp_path: Path) -> None:
    """Its reception time is a year ahead: flapping grows calm, and the signal is lost, all the
    same."""
    year = 31_536_000
    packet = struct.pack(">HHHf", 1, 0xC000, 3, 10.1)
    ahead = encode_packets([(BASE + year) * SECOND], packet), PACKETS_HEADERS
    items = [x for t, v in enumerate(noisy(60)) for x in (value(t, v), tick(t + 0.5))]
    items += [ahead]
    items += [x for t in range(60, 200) for x in (value(t, 5.0), tick(t + 0.5))]
    items += [tick(t) for t in range(201, 400)]
    chain = chain_of(tmp_path)
    found = alerts(chain, records(items), 17)
    limit = [a for a in found if a["monitor"]["kind"] == "limit"]
    assert "calm" in [a["transition"] for a in limit]
    assert limit[-1]["level_after"] == "normal"
    assert [a["level_after"] for a in found if a["monitor"]["kind"] == "los"] == ["warning"]
    assert [s.kind for s in chain.standing()] == ["los"]


def test_what_was_signed_before_is_not_signed_again(tmp_path: Path) -> None:
    """An inhibition, its end, and the same inhibition sent once more by somebody else."""
    chain = chain_of(tmp_path)
    signed = Chain(chain.mission, vouch=lambda *_: Vouched(by="ada"))
    items = [value(0, 5.0), control("inhibit", 1), control("enable", 2), control("inhibit", 1)]
    found = alerts(signed, records(items))
    assert [a["transition"] for a in found] == ["inhibited", "enabled"]
    again = Chain(chain.mission, vouch=lambda *_: Vouched(by="ada"))
    again.restore(signed.snapshot())
    fed = again.feed(records([control("inhibit", 1)]))
    assert fed.rejected == {int(Reason.UNSIGNED_CONTROL): 1}


def test_a_parameter_of_two_containers_has_two_alarms(tmp_path: Path) -> None:
    """A raises, B raises, B clears: what A said stands, by its own key."""
    first = (
        '<SequenceContainer name="R" abstract="true"><EntryList><ParameterRefEntry '
        'parameterRef="APID"><LocationInContainerInBits referenceLocation="containerStart">'
        "<FixedValue>5</FixedValue></LocationInContainerInBits></ParameterRefEntry></EntryList>"
        "</SequenceContainer>"
    )
    more = "".join(
        f'<SequenceContainer name="{name}"><EntryList><ParameterRefEntry parameterRef="P">'
        '<LocationInContainerInBits referenceLocation="containerStart"><FixedValue>48</FixedValue>'
        '</LocationInContainerInBits></ParameterRefEntry></EntryList><BaseContainer containerRef="R">'
        f'<RestrictionCriteria><Comparison parameterRef="APID" value="{apid}"/></RestrictionCriteria>'
        "</BaseContainer></SequenceContainer>"
        for name, apid in (("A", 1), ("B", 2))
    )
    types = (
        f'<FloatParameterType name="T">{F4}{ALARM}</FloatParameterType><IntegerParameterType '
        'name="U"><IntegerDataEncoding sizeInBits="11"/></IntegerParameterType>'
    )
    parameters = (
        '<Parameter name="APID" parameterTypeRef="U"/><Parameter name="P" parameterTypeRef="T"/>'
    )
    (tmp_path / "x.xml").write_text(document(types, parameters, first + more))
    (tmp_path / "mission.toml").write_text(f'name = "m"\nxtce = "x.xml"\n{QUIET}')
    chain = Chain(load_mission(tmp_path))

    def packet(second: int, apid: int, x: float) -> tuple[bytes, Any]:
        made = struct.pack(">HHHf", apid, 0xC000 | second, 3, x)
        return encode_packets([(BASE + second) * SECOND], made), PACKETS_HEADERS

    given = [packet(0, 1, 15.0), packet(1, 2, 15.0), packet(2, 2, 5.0)]
    stands: dict[tuple[str, ...], str] = {}
    for alert in alerts(chain, records(given)):
        stands[monitor_key(alert)] = alert["level_after"]
    left = {key: level for key, level in stands.items() if level != "normal"}
    assert left == {("m", "/S/P", "limit", "/S/A"): "warning"}
    assert {s.key("m"): s.level.word for s in chain.standing()} == left
