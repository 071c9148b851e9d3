"""On-board clock to UTC: drift, jumps, resets, and what a table may not say; leap seconds."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from pipeline.chain import Chain
from pipeline.errors import MissionError
from pipeline.mdb.epochs import parse_moment
from pipeline.mission.folder import load_mission
from pipeline.packets import PacketReader
from schemas.records import PACKETS_HEADERS, RawRecord, encode_packets
from tests.unit.alarms.test_alarms import ROOT
from tests.unit.mdb.test_mdb import document

SECOND = 10**9
DAY = 86400 * SECOND
EPOCH = parse_moment("2026-01-01T00:00:00")
NS = (
    '<AbsoluteTimeParameterType name="T"><Encoding units="seconds" scale="{}">'
    '<IntegerDataEncoding sizeInBits="64"/></Encoding><ReferenceTime><Epoch>{}</Epoch>'
    "</ReferenceTime></AbsoluteTimeParameterType>"
)


def times(
    folder: Path, table: str, clock: list[int], received: list[int], epoch: str = "2026-01-01"
) -> list[int]:
    """Generation times of packets whose clock counts ns from the epoch."""
    (folder / "x.xml").write_text(document(NS.format("1e-9", epoch), containers=ROOT))
    setting = '[time]\ncorrelation = "clock.csv"\n' if table else ""
    (folder / "mission.toml").write_text(f'name = "m"\nxtce = "x.xml"\n{setting}')
    (folder / "clock.csv").write_text(table)
    chain, records = Chain(load_mission(folder)), []
    for i, (ns, at) in enumerate(zip(clock, received, strict=True)):
        packet = struct.pack(">HHHQ", 1, 0xC000 | i, 7, ns)
        records.append(RawRecord(i, encode_packets([at], packet), PACKETS_HEADERS))
    batch, _ = PacketReader().feed(records)
    (rows,) = chain._decoder.feed(batch).rows
    return [int(t) for t in rows.time_ns]


DRIFTING = (
    "onboard,utc,received\n"
    "2026-01-01T00:00:00,2026-01-01T00:00:02.5,\n"
    "2026-01-02T00:00:00,2026-01-02T00:00:02.500864,\n"
)


def test_drift_between_pairs_and_beyond(tmp_path: Path) -> None:
    """10 ns a second, exact to the ns, before the first pair and behind the last too."""
    clock = [0, 1, DAY // 2 + 7, DAY, 3 * DAY + 123]
    got = times(tmp_path, DRIFTING, clock, [EPOCH] * 5)
    drift = Fraction(864_000, DAY)
    assert got == [EPOCH + x + 2_500_000_000 + round(x * drift) for x in clock]


def test_a_jump(tmp_path: Path) -> None:
    table = DRIFTING + (
        "2026-01-02T12:00:00,2026-01-02T12:00:02.501296,\n"
        "2026-01-02T12:00:00,2026-01-02T12:00:01,\n2026-01-03T00:00:00,2026-01-03T00:00:01,\n"
    )
    before, after = DAY + DAY // 2 - 1, DAY + DAY // 2
    got = times(tmp_path, table, [before, after, after + 5], [EPOCH] * 3)
    assert got == [
        EPOCH + before + 2_501_296_000,
        *(EPOCH + x + SECOND for x in (after, after + 5)),
    ]


def test_a_reset(tmp_path: Path) -> None:
    """The same reading means another moment after the clock began anew; nothing is late."""
    table = DRIFTING + "2026-01-01T00:00:00,2026-01-02T06:30:00,2026-01-02T06:29:58\n"
    reset = parse_moment("2026-01-02T06:29:58")
    got = times(tmp_path, table, [5, 5, 7], [reset - 1, reset, reset + SECOND])
    anew = parse_moment("2026-01-02T06:30:00")
    assert got == [EPOCH + 5 + 2_500_000_000, anew + 5, anew + 7]


def test_one_pair_is_an_offset(tmp_path: Path) -> None:
    table = "onboard,utc\n1970-01-01T00:00:00,2026-01-01T00:00:00.000000001\n"
    got = times(tmp_path, table, [0, 12_345_678_901], [0, 0], "1970-01-01")
    assert got == [EPOCH + 1, EPOCH + 12_345_678_902]


def test_a_time_beyond_all_times_is_refused(tmp_path: Path) -> None:
    table = "onboard,utc\n1970-01-01T00:00:00,2026-01-01T00:00:00\n"
    with pytest.raises(ValueError, match="unpack"):  # no rows: the packet was refused
        times(tmp_path, table, [2**62 - 5], [0], "1970-01-01")


def test_a_leap_second_of_a_clock_that_counts_through_it(tmp_path: Path) -> None:
    """GPS time over the end of 2016: 23:59:60 is the first moment of 2017, and nothing jumps."""
    gps = parse_moment("1980-01-06T00:00:00")
    midnight = parse_moment("2017-01-01T00:00:00")
    elapsed = midnight - gps + 17 * SECOND  # 17 leap seconds between 1980 and the end of 2016
    steps = [-2, -1, 0, 1, 2, 3]
    clock = [elapsed + n * SECOND // 2 for n in steps]
    got = np.array(times(tmp_path, "", clock, [0] * 6, "GPS")) - midnight
    assert got.tolist() == [-SECOND, -SECOND // 2, 0, 0, 0, SECOND // 2]


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("", ":1: needs the columns"), ("a,b\n", ":1: needs the columns"),
        ("onboard,utc\n", "no pairs"), ("onboard,utc\nnoon,2026-01-01\n", ":2: onboard 'noon'"),
        ("onboard,utc\n2026-01-01\n", ":2: 1 values"),
        ("onboard,utc\n,2026-01-01\n", ":2: onboard and utc must"),
        ("onboard,utc\n2026-01-02,2026-01-02\n2026-01-01,2026-01-03\n", ":3: the on-board clock"),
        ("onboard,utc\n2026-01-02,2026-01-02\n2026-01-03,2026-01-04\n", "a drift of 1 "),
        ("onboard,utc\n2026-01-02,9999-01-02\n", ":2: utc '9999-01-02' is no time of a"),
        (("onboard,utc,received\n2026-01-02,2026-01-02,2026-01-02\n"
         "2026-01-01,2026-01-03,2026-01-02\n"), ":3: a run is received after"),
    ],
)  # fmt: skip
def test_what_a_table_may_not_say(tmp_path: Path, table: str, says: str) -> None:
    (tmp_path / "x.xml").write_text(document(NS.format("1e-9", "2026-01-01"), containers=ROOT))
    (tmp_path / "mission.toml").write_text(
        'name = "m"\nxtce = "x.xml"\n[time]\ncorrelation = "clock.csv"\n'
    )
    (tmp_path / "clock.csv").write_text(table)
    with pytest.raises(MissionError, match=says):
        load_mission(tmp_path)
