"""CSV and Parquet of every kind that is taken, and what is said of those that are not."""

from __future__ import annotations

import struct
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from pipeline.errors import FlightError
from pipeline.formats import csv as csv_format
from pipeline.formats.importing import READERS, add_flight, import_flight
from pipeline.formats.series import Options
from pipeline.formats.times import exact_ns, times_ns
from tests.reference.imported import imported

UNIX = 1_618_593_459
FROM_ZERO = Options(epoch_ns=0)


@pytest.mark.parametrize(
    ("header", "cell", "time_ns"),
    [
        ("time", "1.000000001", 1_000_000_001),
        ("time_ms", "1.5", 1_500_000),
        ("timestamp [us]", "7", 7_000),
        ("Time (ns)", "9007199254740993", 9_007_199_254_740_993),
        ("seconds", "-2", -2_000_000_000),
        ("time", str(UNIX), UNIX * 10**9),
        ("time", f"{UNIX}598", UNIX * 10**9 + 598_000_000),
        ("ts", f"{UNIX}123456789", UNIX * 10**9 + 123_456_789),
        ("time", "2021-04-16T17:17:39.123456789Z", UNIX * 10**9 + 123_456_789),
        ("time", "2021-04-16 17:17:39", UNIX * 10**9),
        ("time", "2021-04-16T19:17:39+02:00", UNIX * 10**9),
    ],
)
def test_time_columns(header: str, cell: str, time_ns: int, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"{header},v\n{cell},2.5\n")
    got = imported(path, tmp_path, FROM_ZERO)["a"]
    assert got.time_ns.tolist() == [time_ns]
    assert got.eng["v"].tolist() == [2.5]


@pytest.mark.parametrize(
    "text",
    [
        "time,v [m/s],on\n0,1.5,true\n1,2.5,false\n",
        "time;v (m/s);on\n0,0;1,5;true\n1,0;2,5;false\n",
        "time\tv [m/s]\ton\n0\t1.5\ttrue\n1\t2.5\tfalse\n",
        "time,v,on\ns,m/s,\n0,1.5,true\n1,2.5,false\n",
        "time,parameter,value,unit\n0,v,1.5,m/s\n1,v,2.5,m/s\n0,on,true,\n1,on,false,\n",
    ],
)
def test_delimiters_and_units(text: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text)
    found = imported(path, tmp_path, FROM_ZERO)
    v, on = found.get("v", found.get("a")), found.get("on", found.get("a"))
    assert v is not None
    assert on is not None
    assert v.time_ns.tolist() == [0, 10**9]
    assert v.eng["v"].tolist() == [1.5, 2.5]
    assert v.units["v"] == "m/s"
    assert on.eng["on"].tolist() == [1.0, 0.0]


def test_long_with_more_columns(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("time,parameter,value,station\n0,v,1,here\n1,w,2,there\n")
    found = imported(path, tmp_path, Options(epoch_ns=0, long=True))
    assert sorted(found) == ["v", "w"]
    assert sorted(imported(path, tmp_path, FROM_ZERO)) == ["a"]


def test_integers_beyond_f8_and_names_twice(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"time,n,n\n0,{2**64 - 1},{-(2**63)}\n0,1,2\n")
    got = imported(path, tmp_path, FROM_ZERO)["a"]
    assert got.whole("n", np.uint64).tolist() == [2**64 - 1, 1]
    assert got.whole("n_2", np.int64).tolist() == [-(2**63), 2]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_parquet(unit: str, tmp_path: Path) -> None:
    kinds = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
    wanted = {k: np.array([np.iinfo(k).min, np.iinfo(k).max], k) for k in kinds}
    moments = [datetime(2021, 4, 16, tzinfo=UTC), datetime(2021, 4, 17, tzinfo=UTC)]
    columns = {k: pa.array(v) for k, v in wanted.items()} | {
        "time": pa.array(moments, pa.timestamp(unit, "UTC")),
        "f": pa.array([0.1, -1e300]),
        "g": pa.array([0.5, 1.5], pa.float32()),
        "on": pa.array([True, False]),
        "gap": pa.array([7, None]),
        "word": pa.array(["idle", "burn"]),
        "mode": pa.array(["a", "a"]).dictionary_encode(),
    }
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    back = pq.read_table(tmp_path / "a.parquet")
    got = imported(tmp_path / "a.parquet", tmp_path, Options())["a"]
    ns = back["time"].cast(pa.timestamp("ns", "UTC")).cast(pa.int64()).to_pylist()
    assert got.time_ns.tolist() == ns
    for kind in kinds:
        assert got.whole(kind, kind).tolist() == back[kind].to_pylist()
    for name in ("f", "g", "on"):
        assert got.eng[name].tolist() == back[name].to_pylist()
    np.testing.assert_array_equal(got.eng["gap"], [7.0, np.nan])
    for name in ("word", "mode"):
        assert got.texts(name) == back[name].to_pylist()


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a.csv", b"", "no header and rows"),
        ("a.csv", b"time,v\n0,1\n1\n", "line 3: 1 cells under a header of 2"),
        ("a.csv", b"foo,v\n0,1\n", "no time column"),
        ("a.csv", b"time,v\n0,1\nsoon,2\n", "line 3, column 'time': 'soon'"),
        ("a.csv", b"time,v\n0,1\n,2\n", "line 3, column 'time'"),
        ("a.csv", b"time,v\n1e40,1\n", "column 'time': '1e40'"),
        ("a.csv", b"time,v\ns,m\n", "no rows"),
        ("a.csv", b"time," + b"v" * 200_000 + b"\n0,1\n", "cannot be read as CSV"),
        ("a.csv", b"time" + b",v" * 9_000 + b"\n0" + b",1" * 9_000, "split the file"),
        ("a.csv", b"\xff\xfe\x00", "cannot be read as CSV"),
        ("a.parquet", b"", "cannot be read as Parquet"),
        ("a.parquet", b"PAR1 nonsense PAR1", "cannot be read as Parquet"),
        ("a.xyz", b"", "not a known format"),
    ],
)
def test_bad_files(name: str, content: bytes, why: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(FlightError) as told:
        import_flight([path], "flight", Options())
    assert why in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        ({"time": pa.array([], pa.int64())}, "no rows"),
        ({"v": pa.array([1])}, "no time column"),
        ({"time": pa.array([0, None])}, "has no time"),
        ({"time": pa.array([0]), "v": pa.array([[1]])}, "no number, boolean, time or text"),
    ],
)
def test_bad_parquet(columns: dict[str, pa.Array], why: str, tmp_path: Path) -> None:
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    with pytest.raises(FlightError, match=why):
        import_flight([tmp_path / "a.parquet"], "flight", Options())


def test_missing_files_are_told(tmp_path: Path) -> None:
    for ending in READERS:
        with pytest.raises(FlightError, match="nowhere"):
            import_flight([tmp_path / f"nowhere{ending}"], "flight", Options())


def test_ulog_without_pyulog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyulog.core", None)
    with pytest.raises(FlightError, match=r"pip install 'heartline\[ulog\]'"):
        import_flight([tmp_path / "a.ulg"], "flight", Options())


def test_a_damaged_ulog_ends(tmp_path: Path) -> None:
    """An unknown message at the end, cut short: pyulog goes back and forth for ever."""
    header = bytes.fromhex("554c6f67011235") + bytes([1]) + bytes(8)
    path = tmp_path / "x.ulg"
    flags = struct.pack("<HB", 40, ord("B")) + bytes(8) + bytes([1]) + bytes(31)
    path.write_bytes(header + flags + struct.pack("<HB", 5000, 0xFF) + bytes(20))
    with pytest.raises(FlightError, match=r"x\.ulg"):
        import_flight([path], "x", Options())


def test_a_name_with_quotes_makes_a_mission() -> None:
    import tomllib

    from pipeline.formats.importing import mission_toml

    text = mission_toml('a "b" \\ c', "x.xml")
    assert tomllib.loads(text) == {"name": 'a "b" \\ c', "source": 'a "b" \\ c', "xtce": "x.xml"}


def test_text_in_columns_of_a_file_named_by_its_time(tmp_path: Path) -> None:
    """As the bearing tests of the IMS have it: no header, no time, 2004.02.12.10.32.39."""
    path = tmp_path / "2004.02.12.10.32.39"
    path.write_text("-0.049\t-0.071\n-0.042\t-0.073\n0.015\t 0.0\n")
    with pytest.raises(FlightError, match="--hz"):
        import_flight([path], "bearing", Options())
    (one,) = csv_format.read(path, Options(hz=2.0))
    assert one.time_ns.tolist() == [1_076_581_959_000_000_000 + i * 500_000_000 for i in range(3)]
    assert one.columns["column_2"].tolist() == [-0.071, -0.073, 0.0]


@pytest.mark.parametrize("text", ["t  x   y\n0 1 2\n1  3   4\n", " t x y\n 0 1 2\n 1 3 4\n"])
def test_white_space_between_cells(text: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text)
    (one,) = csv_format.read(path, Options())
    assert {n: c.tolist() for n, c in one.columns.items()} == {"x": [1, 3], "y": [2, 4]}


def test_quotes_about_names_and_cells(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('"time","a, b","c"\n0,1,"2"\n"1",3,4\n')
    (one,) = csv_format.read(path, Options())
    assert {n: c.tolist() for n, c in one.columns.items()} == {"a, b": [1, 3], "c": [2, 4]}
    path.write_text('"')
    with pytest.raises(FlightError):
        csv_format.read(path, Options())


def test_dotted_times_in_cells(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("time,x\n2004.02.12.10.32.39,1\n2004.02.12.10.42.39,2\n")
    (one,) = csv_format.read(path, Options())
    assert np.diff(one.time_ns).tolist() == [600 * 10**9]


def test_what_was_decided_can_be_decided_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("time,state,temp,spare\n" + "".join(f"{i},{i % 3},{i}.5,x\n" for i in range(9)))
    made = import_flight([path], "m", Options())
    assert [what for _, _, what in made.decided][:2] == ["64 bit number, no unit"] * 2
    said = (("state", "text"), ("sp*", "drop"))
    made = import_flight([path], "m", Options(kinds=said))
    assert made.decided[0][2] == "enumeration of 3 texts: 0, 1, 2"
    assert made.left_out == (("a.csv: spare", "as was said"),)
    kept = import_flight([path], "m", Options(keep=("temp",)))
    assert [parameter for _, parameter, _ in kept.decided] == ["temp"]
    odd = tmp_path / "b.csv"
    odd.write_text("time,x\n0,1\n1,--\n2,bad\n3,4\n")
    assert "enumeration" in import_flight([odd], "m", Options()).decided[0][2]
    forced = import_flight([odd], "m", Options(kinds=(("x", "number"),))).decided[0][2]
    assert "2 cells are no numbers ('--', 'bad'), first at line 3: invalid there" in forced


def test_times_at_once_are_those_cell_by_cell(rng: np.random.Generator) -> None:
    """Exact to the ns, of plain cells; what is not plain goes the slow way."""
    for unit in (None, 10**9, 10**6, 10**3, 1):
        whole, parts = rng.integers(0, 10**9, 50), rng.integers(0, 10**9, 50)
        cells = [
            f"{a}.{b:09d}"[: int(rng.integers(4, 20))] for a, b in zip(whole, parts, strict=True)
        ]
        fast = exact_ns(pa.chunked_array([cells]), unit, 5)
        assert fast is not None
        assert fast.tolist() == times_ns(cells, unit, 5)
    iso = ["2026-01-01T10:30:25.123456789", "1999-12-31 23:59:59.5"]
    fast = exact_ns(pa.chunked_array([iso]), None, 0)
    assert fast is not None
    assert fast.tolist() == times_ns(iso, None, 0)


def test_another_flight_of_a_mission(tmp_path: Path) -> None:
    """The same containers and widths; what the mission has no column for is told."""
    first, second = tmp_path / "f1.csv", tmp_path / "f2.csv"
    first.write_text("time,a,mode\n0,1.5,ON\n1,2.5,OFF\n")
    second.write_text("time,mode,a,new\n0,ON,7.5,3\n1,OFF,8.5,4\n")
    made = import_flight([first], "m", Options())
    assert made.shared
    made.shared.write(tmp_path)
    added = add_flight([second], tmp_path, Options())
    again = import_flight([second], "m", Options(keep=("mode", "a")))
    assert (added.rows, added.left_out) == (2, (("f2.csv: new", "the mission has no such column"),))
    assert len(bytes(added.packets)) == len(bytes(again.packets)) == len(bytes(made.packets))
    assert bytes(added.packets)[14:22] == np.array([7.5], ">f8").tobytes()
    second.write_text("time,mode\n0,STANDBY\n")
    with pytest.raises(FlightError, match="'STANDBY' is no label of mode"):
        add_flight([second], tmp_path, Options())
    second.write_text("time,else\n0,1\n")
    with pytest.raises(FlightError, match="none of its columns is in the mission"):
        add_flight([second], tmp_path, Options())
    with pytest.raises(FlightError, match="is not there"):
        add_flight([second], tmp_path / "nowhere", Options())
