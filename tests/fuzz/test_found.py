"""What the fuzz found once: each must stay mended."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from pipeline.chain import Chain
from pipeline.errors import FlightError, MissionError
from pipeline.formats import csv as csv_format
from pipeline.formats.importing import Imported, import_flight
from pipeline.formats.series import Options
from pipeline.mdb import load_xtce
from pipeline.mission import Mission, load_mission, ranges_for, read_settings
from tests.fuzz.test_strangers import U8, C, aggregate, document, load

SETTINGS = [
    "time = 1", "alarms = [1]", "alarms.A = 3", "resample = 3", "residual = [1]", "statistics = {}",
    "ignore = 5", 'ignore = "A"', "gauges = [1]", 'quantiles = ["a"]', "quantiles = [nan]",
    "alarms.A.deadband = 07:32:00", "alarms.A.deadband = [1]", "alarms.A.deadband = -1",
    'alarms.A.watch = ["x", 1]', "alarms.A.watch = [[1], 2]", "alarms.A.min_violations = 0.5",
    "alarms.A.min_violations = 0", "alarms.A.override = 1", "source = 1979-05-27",
    f"frame_values = {'9' * 30}", f"frame_values = {'9' * 5000}", "frame_values = 0",
    "frame_values = 9999999999", "time.jump_s = inf", "time.jump_s = 1e300", "time.lateness_s = -1",
    "time.silence_s = nan", f"x = {'[' * 100}{']' * 100}", f"x = {'[' * 5000}{']' * 5000}",
    'xtce = "a\\u0000b"', "statistics = [{window_s = 1e308, pane_s = 1e-308}]",
    "statistics = [{window_s = inf, pane_s = inf}]", "residual = [{half_life_s = inf}]",
    "resample = [{hz = 1e-300}]", "residual = [{min_seconds = 1e300}]",
    "time_to_limit = [{memory_s = 1e300}]", "statistics = [{window_s = 1e-12, pane_s = 1e-12}]",
]  # fmt: skip


@pytest.mark.parametrize("line", SETTINGS)
def test_settings_are_refused_in_words(line: str, tmp_path: Path) -> None:
    (tmp_path / "mission.toml").write_text(f'name = "n"\n{line}\n')
    (tmp_path / "x.xml").write_text(document())
    with pytest.raises(MissionError, match=r"mission\.toml"):
        load_mission(tmp_path, tmp_path / "x.xml")


def test_a_database_with_members_has_a_chain_and_its_alarms(tmp_path: Path) -> None:
    """Columns inside an aggregate, an array or a second entry are no parameters by name."""
    alarm = '<DefaultAlarm><StaticAlarmRanges><WatchRange minInclusive="2"/></StaticAlarmRanges></DefaultAlarm>'
    bounded = U8.replace("</IntegerParameterType>", f"{alarm}</IntegerParameterType>")
    twice = C.replace("<EntryList>", '<EntryList><ParameterRefEntry parameterRef="P"/>')
    array = (
        '<ArrayParameterType name="R" arrayTypeRef="A"><DimensionList><Dimension><StartingIndex>'
        "<FixedValue>0</FixedValue></StartingIndex><EndingIndex><FixedValue>1</FixedValue>"
        "</EndingIndex></Dimension></DimensionList></ArrayParameterType>"
    )
    mdb = load(tmp_path, document(bounded + aggregate("A", "U", 2) + array, "R", twice))
    mission = Mission(read_settings(tomllib.loads('name = "n"')), mdb, tmp_path)
    fields = Chain(mission).plans.plans[0].fields
    assert len(fields) == 8
    for field in fields:
        found = ranges_for(mission.settings, field.parameter)
        assert found is not None
        assert found.low[0] == 2.0


def test_a_number_longer_than_any_float_is_refused(tmp_path: Path) -> None:
    base = '<BaseContainer containerRef="C"><RestrictionCriteria><Comparison parameterRef="P" value="{}"/></RestrictionCriteria></BaseContainer>'
    child = f'<SequenceContainer name="D"><EntryList/>{base.format("9" * 400)}</SequenceContainer>'
    with pytest.raises(MissionError, match="not a number that a parameter could have"):
        load(tmp_path, document(containers=C + child))


def imported(folder: Path, name: str, content: str) -> Imported:
    path = folder / name
    path.write_text(content)
    return import_flight([path], "n", Options())


@pytest.mark.parametrize("rows", [
    '{"time": [[0, 1], [2, 3]]}', '{"time": [0, null]}', '{"time": [0, 1e300]}',
    '{"time": [0, 4294967296]}', '{"time": [0], "a": [[1, 2]]}', '{"time": [0], "a": [{}]}',
])  # fmt: skip
def test_flights_that_no_packet_holds_are_refused(rows: str, tmp_path: Path) -> None:
    with pytest.raises(FlightError, match=r"f\.json"):
        imported(tmp_path, "f.json", rows)


def test_too_many_columns_for_a_packet(tmp_path: Path) -> None:
    columns = 8192
    text = "t," + ",".join(f"c{i}" for i in range(columns)) + "\n0" + ",1" * columns
    with pytest.raises(FlightError, match="8192 columns"):
        imported(tmp_path, "f.csv", text)


def test_columns_may_be_called_what_the_file_calls_its_own(tmp_path: Path) -> None:
    names = ("time", "header", "APID", "VERSION", "flight_TIME", "CCSDSPacket", "PKT_LENGTH")
    made = imported(tmp_path, "flight.csv", f"ts,{','.join(names)}\n0{',1' * len(names)}\n")
    (tmp_path / "made.xml").write_bytes(made.xtce)
    mdb = load_xtce(tmp_path / "made.xml")
    assert {"time", "header", "APID_2", "VERSION_2", "flight_TIME_2"} <= mdb.parameters.keys()


def test_a_text_that_xml_cannot_hold_is_left_out(tmp_path: Path) -> None:
    made = imported(tmp_path, "f.csv", "t,a,b\n0,\x01,1\n1,x,2\n")
    assert made.left_out == (("f.csv: a", "text with characters that XML does not have"),)


def test_one_long_cell_does_not_widen_every_row(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_text("t,a\n" + "0,x\n" * 50 + f"1,{'y' * 100_000}\n")
    assert csv_format.read(path, Options())[0].columns["a"].nbytes < 10_000


def test_a_thousand_columns_of_one_name_take_no_time(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_text(f"t{',a' * 20_000}\n0{',1' * 20_000}\n")
    assert "a_20000" in csv_format.read(path, Options())[0].columns


def test_a_whole_number_beyond_64_bits_is_refused(tmp_path: Path) -> None:
    text = (
        '<StringParameterType name="R"><StringDataEncoding><Variable maxSizeInBits="8">'
        '<DiscreteLookupList><DiscreteLookup value="{}"><Comparison parameterRef="P" value="1"/>'
        "</DiscreteLookup></DiscreteLookupList><TerminationChar>00</TerminationChar></Variable>"
        "</StringDataEncoding></StringParameterType>"
    )
    with pytest.raises(MissionError, match="more than 64 bits hold"):
        load(tmp_path, document(text.format("9" * 300), "R"))
