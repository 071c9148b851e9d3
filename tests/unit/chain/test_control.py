"""Control records: what an operator changes enters the input, and holds from there on."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from jsonschema import Draft202012Validator

from agents.cli.control import _by_hand, _qualified
from pipeline.chain import Chain
from pipeline.chain.control import decode_control
from pipeline.errors import MissionError
from pipeline.mission.folder import Mission, load_mission
from schemas import topics
from schemas.control import Control, encode_control
from schemas.records import CONTROL_HEADERS, PACKETS_HEADERS, RawRecord, encode_packets
from tests.unit.alarms.test_alarms import ROOT, SCHEMA, SECOND, numeric
from tests.unit.mdb.test_mdb import document

ALARM = (
    '<DefaultAlarm><StaticAlarmRanges><CriticalRange minInclusive="-50" maxInclusive="10"/>'
    "</StaticAlarmRanges></DefaultAlarm>"
)


def chain_of(folder: Path, settings: str = "") -> Chain:
    (folder / "x.xml").write_text(document(numeric(ALARM), containers=ROOT))
    (folder / "mission.toml").write_text(f'name = "m"\nxtce = "x.xml"\n{settings}')
    return Chain(load_mission(folder))


def control(what: str, monitor: str = "limit", parameter: str = "/S/P", **more: Any) -> Control:
    return Control(what, parameter, "Ada", "tested", 7, monitor, **more)


def records(items: Sequence[float | Control]) -> list[RawRecord]:
    """A packet a second for each number; controls where they stand."""
    made = []
    for i, item in enumerate(items):
        if isinstance(item, Control):
            made.append(RawRecord(i, encode_control(item), CONTROL_HEADERS))
            continue
        packet = struct.pack(">HHHf", 1, 0xC000 | i, 3, item)
        content = encode_packets([(1_700_000_000 + i) * SECOND], packet)
        made.append(RawRecord(i, content, PACKETS_HEADERS))
    return made


def told(chain: Chain, given: list[RawRecord]) -> list[tuple[int, str, str]]:
    """(record, monitor, transition and level after) of every alert, checked by the schema."""
    found = []
    for _, output in chain.feed(given).outputs:
        if output.topic == topics.ALERTS:
            a = orjson.loads(output.value)
            Draft202012Validator(orjson.loads(SCHEMA.read_bytes())).validate(a)
            kind = a["monitor"]["kind"]
            found.append((a["input"]["last_offset"], kind, f"{a['transition']} {a['level_after']}"))
    return found


def test_a_latched_alarm_waits_for_its_acknowledgement(tmp_path: Path) -> None:
    chain = chain_of(tmp_path, "[alarms.P]\nlatch = true\n")
    ack = control("acknowledge")
    # acknowledged after it is good again; then while it is still bad; then bad again meanwhile
    items = [11, 5, 5, ack, 5, 11, ack, 11, 5, 5, 11, 5, 11, 5, ack, 5]
    assert told(chain, records(items)) == [
        (0, "limit", "raised critical"), (3, "limit", "acknowledged critical"),
        (4, "limit", "cleared normal"), (5, "limit", "raised critical"),
        (6, "limit", "acknowledged critical"), (8, "limit", "cleared normal"),
        (10, "limit", "raised critical"), (14, "limit", "acknowledged critical"),
        (15, "limit", "cleared normal"),
    ]  # fmt: skip


def test_an_inhibited_monitor_is_silent(tmp_path: Path) -> None:
    items = [11, control("inhibit"), 11, 5, 11, control("enable"), 11, 5]
    assert told(chain_of(tmp_path), records(items)) == [
        (0, "limit", "raised critical"),
        (1, "limit", "inhibited normal"),
        (5, "limit", "enabled normal"),
        (6, "limit", "raised critical"),
        (7, "limit", "cleared normal"),
    ]


def test_changed_limits(tmp_path: Path) -> None:
    """They hold for the check and for the forecast, and the sentence says who and why."""
    chain = chain_of(tmp_path)
    ranges: dict[str, tuple[float | None, float | None]] = {"warning": (None, 20.0)}
    items = [11, 5, control("limits", ranges=ranges), 11, 21, -60]
    assert told(chain, records(items)) == [
        (0, "limit", "raised critical"),
        (1, "limit", "cleared normal"),
        (2, "limit", "limits_set normal"),
        (4, "limit", "raised warning"),
        (5, "limit", "cleared normal"),
    ]
    model = next(s for name, s in chain.snapshot().items() if name.endswith("ranges"))
    assert model[0, 1, 1] == 20.0
    assert np.isinf(model[0, 1, 3])


def test_cut_anywhere_and_restored_it_says_the_same(tmp_path: Path) -> None:
    ranges: dict[str, tuple[float | None, float | None]] = {"watch": (0.0, 3.0)}
    items = [11, control("limits", ranges=ranges), 5, control("acknowledge"), 1, 4,
             control("inhibit", "residual"), 2, control("enable"), 9]  # fmt: skip
    given = records(items)
    settings = "[alarms.P]\nlatch = true\n"
    whole = [o.value for _, o in chain_of(tmp_path, settings).feed(given).outputs]
    for cut in range(len(given) + 1):
        first, second = chain_of(tmp_path, settings), chain_of(tmp_path, settings)
        out = [o.value for _, o in first.feed(given[:cut]).outputs]
        second.restore(first.snapshot())
        out += [o.value for _, o in second.feed(given[cut:]).outputs]
        assert out == whole, cut


@pytest.mark.parametrize(
    "value",
    [
        b"", b"{", b"[]", b"{}", encode_control(control("acknowledge", parameter="/S/Q")),
        encode_control(control("acknowledge", "stale")), encode_control(control("limits")),
        encode_control(control("shout")), encode_control(control("enable", "noise")),
        encode_control(control("enable")).replace(b":7", b":true"),
        encode_control(control("enable")).replace(b"Ada", b""),
        encode_control(control("enable")).replace(b'"who"', b'"whom"'),
        encode_control(control("limits", ranges={"mild": (0.0, 1.0)})),
        encode_control(control("limits", "residual", ranges={"watch": (0.0, 1.0)})),
        encode_control(control("limits", ranges={"watch": (2.0, 1.0)})),
        encode_control(control("limits", ranges={"watch": (0.0, 1.0)})).replace(b"0.0", b'"0"'),
        encode_control(control("enable", ranges={"watch": (0.0, 1.0)})),
    ],
)  # fmt: skip
def test_what_says_nothing_is_rejected(value: bytes, tmp_path: Path) -> None:
    fed = chain_of(tmp_path).feed([RawRecord(5, value, CONTROL_HEADERS)])
    *definitions, (record, output) = fed.outputs
    assert {o.topic for _, o in definitions} == {topics.DEFINITIONS}
    reject = orjson.loads(output.value)
    assert (record, output.topic, reject["reason"]) == (0, topics.REJECTS, "bad_control")
    assert reject["bytes"] == len(value)
    assert fed.rejected == {16: 1}


def test_written_and_read() -> None:
    one = control("limits", ranges={"watch": (None, 1.5), "severe": (-2.0, None)})
    assert decode_control(encode_control(one)) == one


@pytest.mark.parametrize(
    ("ranges", "said"),
    [
        (None, ""),
        ({"warning": [1.5, 4], "critical": [None, 5]}, ": warning 1.5 … 4, critical … 5"),
        ({"warning": "odd"}, ": warning ? … ?"),
    ],
)
def test_the_list_says_what_limits_were_set(ranges: object, said: str) -> None:
    told = {"who": "ada", "why": "test", "when_ns": 0, "ranges": ranges}
    state = {"source": "m", "name": "P", "monitor": {"kind": "limit"}, "ranges_set": told}
    [row] = _by_hand(state)
    assert row == (
        "m",
        "P",
        "limit",
        f"limits set{said}",
        "ada",
        "test",
        "1970-01-01T00:00:00Z",
        "",
    )
    assert [row[2] for row in _by_hand(state | {"monitor": "odd"})] == [None]


def test_a_name_is_found_as_people_write_it(demo_mission: Mission) -> None:
    mdb = demo_mission.mdb
    for name in ("PC", "/HL1/PC"):
        assert _qualified(mdb, name, "limit") == "/HL1/PC"
    with pytest.raises(MissionError, match=r"no parameter 'HE_PP'\. Like it: HE_P"):
        _qualified(mdb, "HE_PP", "limit")


def test_sentences_say_who_did_what(tmp_path: Path) -> None:
    ranges: dict[str, tuple[float | None, float | None]] = {"warning": (None, 20.0)}
    items = [11, control("acknowledge"), control("inhibit"), control("limits", ranges=ranges)]
    outputs = chain_of(tmp_path).feed(records(items)).outputs
    alerts = [o.event for _, o in outputs if o.topic == topics.ALERTS and o.event]
    assert [a["sentence"] for a in alerts if "control" in a] == [
        "P: limit acknowledged at critical by Ada: tested.",
        "P: limit inhibited by Ada: tested.",
        "P: limits set by Ada: tested.",
    ]
