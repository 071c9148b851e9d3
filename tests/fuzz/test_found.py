"""What the fuzz found once: each must stay mended."""

from __future__ import annotations

import re
import struct
import time
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from pipeline.chain import Chain
from pipeline.chain.control import decode_control
from pipeline.errors import FlightError, MissionError
from pipeline.formats import csv as csv_format
from pipeline.formats import parquet as parquet_format
from pipeline.formats.importing import Imported, import_flight
from pipeline.formats.series import Options
from pipeline.mdb import load_xtce
from pipeline.mission.correlation import read_correlation
from pipeline.mission.folder import Mission, load_mission, ranges_for, read_settings
from schemas.columns import Reason
from schemas.records import CONTROL_HEADERS, RawRecord
from tests.fuzz.ground_targets import latched
from tests.fuzz.test_strangers import U8, C, aggregate, document, load

SETTINGS = [
    "time = 1", "alarms = [1]", "alarms.A = 3", "resample = 3", "residual = [1]", "statistics = {}",
    "ignore = 5", 'ignore = "A"', "gauges = [1]", 'quantiles = ["a"]', "quantiles = [nan]",
    "alarms.A.deadband = 07:32:00", "alarms.A.deadband = [1]", "alarms.A.deadband = -1",
    'alarms.A.watch = ["x", 1]', "alarms.A.watch = [[1], 2]", "alarms.A.min_violations = 0.5",
    "alarms.A.min_violations = 0", "alarms.A.override = 1", "source = 1979-05-27",
    f"outputs.period_s = {'9' * 30}", f"outputs.period_s = {'9' * 5000}", "outputs.period_s = 0",
    "outputs.period_s = 1e300", "time.jump_s = inf", "time.jump_s = 1e300", "time.lateness_s = -1",
    "time.silence_s = nan", f"x = {'[' * 100}{']' * 100}", f"x = {'[' * 5000}{']' * 5000}",
    'xtce = "a\\u0000b"', "statistics = [{window_s = 1e308, pane_s = 1e-308}]",
    "statistics = [{window_s = inf, pane_s = inf}]", "residual = [{half_life_s = inf}]",
    "resample = [{hz = 1e-300}]", "residual = [{min_seconds = 1e300}]",
    'time.correlation = "a\\u0000b"',
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


def imported(folder: Path, name: str, content: str | bytes) -> Imported:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
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


# --- times, units and names of flights -----------------------------------------------------------


@pytest.mark.parametrize("cell", ["1e1000000", "-1e400", "9999-12-31T23:59:59", "0001-01-01"])
def test_times_that_no_clock_shows(cell: str, tmp_path: Path) -> None:
    with pytest.raises(FlightError, match=r"line 2, column 't': '.*' is no time"):
        imported(tmp_path, "f.csv", f"t,a\n{cell},1\n")


@pytest.mark.parametrize("text", [
    "t,a [\x02]\n0,1\n", "t,a\ns,\x02\n0,1\n", "t,parameter,value,unit\n0,a,1,\x02\n",
])  # fmt: skip
def test_a_unit_that_xml_cannot_hold(text: str, tmp_path: Path) -> None:
    assert "<Unit>\ufffd</Unit>" in imported(tmp_path, "f.csv", text).xtce.decode()


@pytest.mark.parametrize("text", [
    f"t,{'(' * 50_000}x)\n0,1\n",  # a unit's brackets, sought from every place to every other
    "t," + ",".join(chr(0x4E00 + i) for i in range(8_000)) + "\n0" + ",1" * 8_000 + "\n",
])  # fmt: skip
def test_names_take_no_time(text: str, tmp_path: Path) -> None:
    began = time.perf_counter()
    assert imported(tmp_path, "f.csv", text).columns
    assert time.perf_counter() - began < 5


def test_parameters_of_long_csv_without_end(tmp_path: Path) -> None:
    rows = "".join(f"{i},p{i},1\n" for i in range(20_000))
    with pytest.raises(FlightError, match=r"f\.csv: more than 2046 containers"):
        imported(tmp_path, "f.csv", f"time,parameter,value\n{rows}")


# --- Parquet -------------------------------------------------------------------------------------


def parquet(folder: Path, columns: dict[str, pa.Array], **how: Any) -> Path:
    pq.write_table(pa.table(columns), folder / "f.parquet", **how)
    return folder / "f.parquet"


@pytest.mark.parametrize("times", [
    pa.array([2**62], pa.timestamp("ms")), pa.array([-(2**63)], pa.timestamp("us")),
    pa.array([2**31 - 1], pa.date32()), pa.array(["9999-12-31"]), pa.array([2**63 - 1]),
])  # fmt: skip
def test_times_that_64_bits_of_ns_do_not_hold(times: pa.Array, tmp_path: Path) -> None:
    path = parquet(tmp_path, {"time": times})
    with pytest.raises(FlightError, match=r"f\.parquet.*(no time|a time that is)"):
        import_flight([path], "n", Options())


def test_parquet_whose_names_or_texts_are_no_utf_8(tmp_path: Path) -> None:
    columns = {"time": pa.array([0]), "word": pa.array(["idle"])}
    content = parquet(tmp_path, columns, compression="NONE", store_schema=False).read_bytes()
    for damaged in (content.replace(b"word", b"w\xffrd"), content.replace(b"idle", b"i\xffle")):
        with pytest.raises(FlightError, match=r"f\.parquet: cannot be read as Parquet"):
            imported(tmp_path, "f.parquet", damaged)


def test_one_long_text_of_a_parquet_stands_in_memory_once(tmp_path: Path) -> None:
    """20,000 rows of 100 kB: 123 kB of file."""
    rows = 20_000
    places = pa.array(np.zeros(rows, np.int32))
    texts = pa.DictionaryArray.from_arrays(places, pa.array(["y" * 100_000]))
    columns = {"time": pa.array(np.arange(rows)), "a": texts, "b": pa.array(["z"] * rows)}
    path = parquet(tmp_path, columns, store_schema=False)
    (series,) = parquet_format.read(path, Options())
    assert series.columns["a"].nbytes == series.columns["b"].nbytes == 8 * rows


def test_parquet_of_two_texts_of_one_name(tmp_path: Path) -> None:
    columns = [pa.array([0]), pa.array(["x"]), pa.array(["y"])]
    table = pa.Table.from_arrays(columns, names=["time", "a", "a"])
    pq.write_table(table, tmp_path / "f.parquet")
    (series,) = parquet_format.read(tmp_path / "f.parquet", Options())
    assert [c.tolist() for c in series.columns.values()] == [["x"], ["y"]]


def test_rows_of_a_parquet_that_its_group_does_not_have(tmp_path: Path) -> None:
    """Once the last was lost silently."""
    columns = {"time": pa.array([*range(50)])}
    content = bytearray(parquet(tmp_path, columns, store_schema=False).read_bytes())
    # Thrift's compact protocol: an i64 of 50; the last is the group's num_rows
    content[content.rindex(b"\x16\x64") + 1] = 0x62
    with pytest.raises(FlightError, match=r"f\.parquet: .* of 50 rows it has 49"):
        imported(tmp_path, "f.parquet", bytes(content))


def test_rows_of_a_parquet_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal values take no bytes: a short file may say any number of them."""
    path = parquet(tmp_path, {name: pa.array([1] * 10_000) for name in ("time", "a", "b")})
    assert path.stat().st_size < 3_000
    monkeypatch.setattr(parquet_format, "MAX_VALUES", 20_000)
    with pytest.raises(FlightError, match=r"f\.parquet: 30000 values, more than 20000: split"):
        import_flight([path], "n", Options())


# --- PX4 ULog ------------------------------------------------------------------------------------

ULOG = bytes.fromhex("554c6f6701123501") + bytes(8)
TIMED = "uint64_t timestamp;"


def message(kind: str, payload: bytes | str) -> bytes:
    content = payload.encode() if isinstance(payload, str) else payload
    return struct.pack("<HB", len(content), ord(kind)) + content


def topic(fields: str, name: str = "a") -> bytes:
    """Its format, and that it is number 0."""
    return message("F", f"{name}:{fields}") + message("A", b"\0\0\0" + name.encode())


def sample(time_us: int) -> bytes:
    return message("D", struct.pack("<HQ", 0, time_us))


@pytest.mark.parametrize(("content", "why"), [
    (topic("float x;") + message("D", b"\0\0" + bytes(4)), "damaged|has no timestamp"),
    (topic("double timestamp;") + sample(0), "has no timestamp"),
    (topic(TIMED) + sample(2**63), "centuries away"),
    (topic(TIMED) + sample(1) + message("O", b"\1") + sample(2), "of 3 samples and dropouts 1 can be read"),
    (topic(TIMED) + sample(1) + message("A", b"\0\0\0a") + sample(2), "of 2 samples and dropouts 1"),
    (message("D", b"\0\0" + bytes(8)) + topic(TIMED) + sample(1), "of 2 samples and dropouts 1"),
    (topic(TIMED + "a x;") + sample(0), "a ULog format holds itself: a → a"),
    (message("F", "b:a x;") + topic(TIMED + "b x;") + sample(0), "holds itself: b → a → b"),
    (message("F", "b:float[60000] x;") + topic(TIMED + "b[60000] x;") + sample(0), "more than 100000 fields"),
    (message("F", "b:float[60000] x;") + topic(TIMED + "b[60000] x;") + message("F", f"a:{TIMED}") + sample(0), "more than 100000 fields"),
    (message("F", "b:float[6000x x;") + message("F", f"a:{TIMED}b[+6000] x;") + message("F", "a") + message("A", b"\0\0\0a"), "more than 100000 fields"),
    (topic(TIMED) + sample(0) + message("Z", bytes.fromhex("2f731320250cbb12")), "damaged at byte"),
    (topic(TIMED) + sample(0) + message("Z", bytes(10_001)), "damaged at byte"),
    (topic(TIMED) + sample(0) + message("D", b""), "damaged at byte"),
    (message("B", bytes(8) + b"\1" + bytes(7) + struct.pack("<3Q", 20, 0, 0)) + topic(TIMED) + sample(0), "appended data lie nowhere"),
])  # fmt: skip
def test_ulogs_that_lose_or_multiply(content: bytes, why: str, tmp_path: Path) -> None:
    pytest.importorskip("pyulog.core")
    with pytest.raises(FlightError, match=r"f\.ulg") as told:
        imported(tmp_path, "f.ulg", ULOG + content)
    assert re.search(why, str(told.value)), told.value


def test_a_ulog_with_data_appended_behind_a_message_that_is_cut(tmp_path: Path) -> None:
    pytest.importorskip("pyulog.core")
    before = topic(TIMED) + sample(1) + sample(2)
    flags = bytes(8) + b"\1" + bytes(7)
    cut = sample(3)[:-2]
    place = 16 + 43 + len(before) + len(cut)
    content = message("B", flags + struct.pack("<3Q", place, 0, 0)) + before + cut
    later = message("L", b"6" + bytes(8) + b"rebooted")
    assert imported(tmp_path, "f.ulg", ULOG + content + later).rows == 2


# --- what comes from the ground ------------------------------------------------------------------


def test_a_clock_table_with_a_line_without_end(tmp_path: Path) -> None:
    path = tmp_path / "clock.csv"
    path.write_text(f"onboard,utc\n{'1' * 200_000},\n")
    with pytest.raises(MissionError, match=r"clock\.csv: cannot be read: field larger"):
        read_correlation(path)


@pytest.mark.parametrize("damage", ["\0", "<!--"])
def test_a_refusal_of_xml_is_one_line(damage: str, tmp_path: Path) -> None:
    with pytest.raises(MissionError, match=r"m\.xml: not well-formed") as told:
        load(tmp_path, document() + damage)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("change", [{"monitor": "residual"}, {"ranges": {}}])
def test_limits_that_are_refused_change_nothing(change: dict[str, Any]) -> None:
    """Once they were set, and rejected."""
    told = {
        "what": "limits", "parameter": "/S/P", "monitor": "limit", "who": "Ada", "why": "tested",
        "when_ns": 7, "ranges": {"watch": [1, 2]},
    }  # fmt: skip
    assert decode_control(orjson.dumps(told))
    chain = Chain(latched())
    before = {name: array.copy() for name, array in chain.snapshot().items()}
    record = RawRecord(0, orjson.dumps(told | change), CONTROL_HEADERS)
    assert chain.feed([record]).rejected == {int(Reason.BAD_CONTROL): 1}
    for name, array in chain.snapshot().items():
        if not name.startswith(("packets", "definitions")):  # the first record publishes those
            np.testing.assert_array_equal(array, before[name], name)
