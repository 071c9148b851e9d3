"""A counter that wraps is no step to what comes after it."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from pipeline.chain import Chain
from pipeline.errors import MissionError
from pipeline.mission.folder import load_mission
from pipeline.timeline.unwrap import Unwrap
from schemas import topics
from schemas.columns import Quality
from schemas.records import PACKETS_HEADERS, RawRecord, encode_packets
from tests.unit.alarms.test_alarms import ROOT, SECOND
from tests.unit.mdb.test_mdb import document

U16 = (
    '<IntegerParameterType name="T"><IntegerDataEncoding sizeInBits="16"/>{}</IntegerParameterType>'
)


def test_it_goes_on() -> None:
    one = Unwrap(np.array([1]), np.array([256.0]))
    x = np.array([250.0, 255.0, 4.0, np.nan, 9.0, 200.0, 3.0, 1.0])
    quality = np.zeros((8, 2), np.uint8)
    quality[3, 1] = Quality.INVALID
    eng = np.column_stack([x.copy(), x])
    one.feed(eng[:5], quality[:5])
    one.feed(eng[5:], quality[5:])
    np.testing.assert_array_equal(eng[:, 0], x)
    np.testing.assert_array_equal(
        eng[:, 1], [250, 255, 260, np.nan, 265, 456, 515, 513]
    )  # the last is a step back of two, and no wrap


def mission(folder: Path, rule: str, kind: str = U16.format("")) -> Chain:
    (folder / "x.xml").write_text(document(kind, containers=ROOT))
    (folder / "mission.toml").write_text(f'name = "m"\nxtce = "x.xml"\n[[resample]]\n{rule}\n')
    return Chain(load_mission(folder))


@pytest.mark.parametrize(("rule", "speaks"), [("counter = false", True), ("counter = true", False)])
def test_a_wrap_is_a_residual_or_none(tmp_path: Path, rule: str, speaks: bool) -> None:
    chain = mission(tmp_path, rule)
    given = []
    for t in range(400):
        packet = struct.pack(">HHHH", 1, 0xC000 | t, 1, (50_000 + 100 * t) % 65536)
        content = encode_packets([(1_700_000_000 + t) * SECOND], packet)
        given.append(RawRecord(t, content, PACKETS_HEADERS))
    alerts = [o for _, o in chain.feed(given).outputs if o.topic == topics.ALERTS]
    assert bool(alerts) is speaks


@pytest.mark.parametrize(
    "kind",
    [
        '<FloatParameterType name="T"><FloatDataEncoding sizeInBits="32"/></FloatParameterType>',
        '<IntegerParameterType name="T" signed="true"><IntegerDataEncoding sizeInBits="16" encoding="twosComplement"/></IntegerParameterType>',
    ],
)
def test_what_is_no_counter_is_refused(tmp_path: Path, kind: str) -> None:
    with pytest.raises(MissionError, match="counter = true is for unsigned integers"):
        mission(tmp_path, "counter = true", kind)


def test_its_limits_are_those_of_the_value(tmp_path: Path) -> None:
    """A count that goes on crosses no limit of a value that wraps."""
    alarm = (
        '<DefaultAlarm><StaticAlarmRanges><CriticalRange maxInclusive="65000"/></StaticAlarmRanges>'
        "</DefaultAlarm>"
    )
    chain = mission(tmp_path, "counter = true", U16.format(alarm))
    given = []
    for t in range(400):
        packet = struct.pack(">HHHH", 1, 0xC000 | t, 1, (60_000 + 100 * t) % 65536)
        content = encode_packets([(1_700_000_000 + t) * SECOND], packet)
        given.append(RawRecord(t, content, PACKETS_HEADERS))
    chain.feed(given)
    assert not [*chain.standing()]
    assert not [*chain.forecasts()]
