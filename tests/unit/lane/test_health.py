"""Not heard at all, a container not heard, heard and not changing: three monitors."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import orjson
import pytest
from jsonschema import Draft202012Validator

from pipeline.chain import Chain
from pipeline.mission.folder import load_mission
from schemas import topics
from schemas.records import (
    PACKETS_HEADERS,
    TICK_HEADERS,
    RawRecord,
    encode_packets,
    encode_tick,
)
from tests.unit.alarms.test_alarms import SCHEMA, SECOND
from tests.unit.mdb.test_mdb import document

BASE = 1_700_000_000
TYPES = (
    '<IntegerParameterType name="U11"><IntegerDataEncoding sizeInBits="11"/></IntegerParameterType>'
    '<FloatParameterType name="F"><FloatDataEncoding sizeInBits="32"/></FloatParameterType>'
)
PARAMETERS = (
    '<Parameter name="APID" parameterTypeRef="U11"/><Parameter name="A" parameterTypeRef="F"/>'
    '<Parameter name="B" parameterTypeRef="F"/>'
)


def _container(name: str, apid: int) -> str:
    return (
        f'<SequenceContainer name="C{name}"><EntryList><ParameterRefEntry parameterRef="{name}">'
        '<LocationInContainerInBits referenceLocation="containerStart"><FixedValue>48</FixedValue>'
        '</LocationInContainerInBits></ParameterRefEntry></EntryList><BaseContainer containerRef="R">'
        f'<RestrictionCriteria><Comparison parameterRef="APID" value="{apid}"/>'
        "</RestrictionCriteria></BaseContainer></SequenceContainer>"
    )


CONTAINERS = (
    '<SequenceContainer name="R" abstract="true"><EntryList><ParameterRefEntry parameterRef="APID">'
    '<LocationInContainerInBits referenceLocation="containerStart"><FixedValue>5</FixedValue>'
    "</LocationInContainerInBits></ParameterRefEntry></EntryList></SequenceContainer>"
    + _container("A", 1)
    + _container("B", 2)
)


def told(
    folder: Path, heard: dict[str, tuple[range, float]], seconds: int, noise: float = 1.0
) -> list[tuple[int, str, str, str]]:
    """(second, monitor, parameter, level) of every alert.

    heard: seconds in which a container comes, and the second from which its value stays.
    """
    (folder / "x.xml").write_text(document(TYPES, PARAMETERS, CONTAINERS))
    (folder / "mission.toml").write_text(
        'name = "m"\nxtce = "x.xml"\n[[residual]]\nenabled = false\n[[time_to_limit]]\n'
        "enabled = false\n[time]\nlos_s = 20\n[[resample]]\nmax_age_s = 5\n"
    )
    chain, rng, records = Chain(load_mission(folder)), np.random.default_rng(1), []
    values = {"A": 0.0, "B": 0.0}
    for t in range(seconds):
        for apid, name in enumerate("AB", 1):
            when, stuck = heard[name]
            if t < stuck:
                values[name] = float(rng.normal(0, noise))
            if t in when:
                packet = struct.pack(">HHHf", apid, 0xC000 | t, 3, values[name])
                content = encode_packets([(BASE + t) * SECOND], packet)
                records.append(RawRecord(len(records), content, PACKETS_HEADERS))
        records.append(RawRecord(len(records), encode_tick((BASE + t + 1) * SECOND), TICK_HEADERS))
    found, schema = [], orjson.loads(SCHEMA.read_bytes())
    for _, output in chain.feed(records).outputs:
        if output.topic == topics.ALERTS:
            a = orjson.loads(output.value)
            Draft202012Validator(schema).validate(a)
            second = a["reception_ns"] // SECOND - BASE
            found.append((second, a["monitor"]["kind"], a["parameter"], a["level_after"]))
    return found


def test_one_container_falls_silent(tmp_path: Path) -> None:
    alerts = told(tmp_path, {"A": (range(60), 99), "B": (range(99), 99)}, 99)
    assert [a[1:] for a in alerts] == [("stale", "/S/CA", "warning")]
    assert 60 < alerts[0][0] < 75


def test_nothing_is_heard(tmp_path: Path) -> None:
    """The loss of the signal is one alert, which the first packet ends; what does not come back
    with the others is stale then, and not before."""
    both = {"A": ([*range(50), *range(90, 120)], 199), "B": (range(50), 199)}
    alerts = told(tmp_path, both, 120)  # type: ignore[arg-type]
    assert [a for a in alerts if a[1] in ("los", "stale")] == [
        (70, "los", "/S", "warning"),
        (90, "los", "/S", "normal"),
        (95, "stale", "/S/CB", "warning"),
    ]


def test_what_was_stale_before_stays_so(tmp_path: Path) -> None:
    """B is stale, then nothing is heard, then both are."""
    heard = {"A": ([*range(50), *range(90, 110)], 199), "B": ([*range(30), *range(93, 110)], 199)}
    alerts = told(tmp_path, heard, 110)  # type: ignore[arg-type]
    assert [a[1:] for a in alerts if a[1] in ("los", "stale")] == [
        ("stale", "/S/CB", "warning"),
        ("los", "/S", "warning"),
        ("los", "/S", "normal"),
        ("stale", "/S/CB", "normal"),
    ]


def test_heard_and_not_changing(tmp_path: Path) -> None:
    alerts = told(tmp_path, {"A": (range(400), 200), "B": (range(400), 400)}, 400)
    ((second, kind, name, level),) = alerts
    assert (kind, name, level) == ("flat", "/S/A", "watch")
    assert 230 <= second <= 233  # min_seconds; its longest rest was one second


@pytest.mark.parametrize("stuck", [50, 0])
def test_what_changed_too_rarely_before_says_nothing(tmp_path: Path, stuck: int) -> None:
    assert not told(tmp_path, {"A": (range(400), stuck), "B": (range(400), 400)}, 400)
