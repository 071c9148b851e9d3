"""Real logs of other formats come back value for value, against independent readers of them."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import FlightError
from pipeline.formats.importing import import_flight
from pipeline.formats.series import Options
from tests.reference.imported import imported

pytestmark = pytest.mark.data


@pytest.mark.parametrize("name", ["sample", "sample_log_small", "sample_px4_events"])
def test_ulog(name: str, data: Path, tmp_path: Path) -> None:
    """Every topic, instance and column, integers bit for bit."""
    core = pytest.importorskip("pyulog.core")
    path = data / "flights" / "px4" / f"{name}.ulg"
    found = imported(path, tmp_path, Options(epoch_ns=0))
    topics = core.ULog(str(path)).data_list
    assert len(found) == len(topics)
    for topic in topics:
        table = f"{topic.name}_{topic.multi_id}"
        got = found[table]
        np.testing.assert_array_equal(got.time_ns, topic.data["timestamp"].astype(np.int64) * 1000)
        for column, want in topic.data.items():
            if column == "timestamp":
                continue
            mine = f"{table}_{column}".replace("[", "_").replace("]", "").replace(".", "_")
            if want.dtype.kind == "f":
                np.testing.assert_array_equal(got.eng[mine], want.astype(np.float64))
            else:
                np.testing.assert_array_equal(got.whole(mine, want.dtype), want)


def test_ulog_tells_dropouts(data: Path) -> None:
    pytest.importorskip("pyulog.core")
    made = import_flight([data / "flights" / "px4" / "sample.ulg"], "flight", Options())
    assert len(made.notes) == 4
    assert all("dropped out" in note for note in made.notes)


def test_a_ulog_cut_off_in_its_data(data: Path, tmp_path: Path) -> None:
    """As a recorder that lost its power leaves it: all that is whole counts."""
    pytest.importorskip("pyulog.core")
    whole = data / "flights" / "px4" / "sample.ulg"
    path = tmp_path / "cut.ulg"
    path.write_bytes(whole.read_bytes()[:500_001])
    made = import_flight([path], "flight", Options())
    assert any("cut off in a message" in note for note in made.notes)
    assert 0 < made.rows < import_flight([whole], "flight", Options()).rows


@pytest.mark.parametrize("kept", [0, 5, 20, 1000])
def test_ulog_cut_off(kept: int, data: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyulog.core")
    path = tmp_path / "cut.ulg"
    path.write_bytes((data / "flights" / "px4" / "sample.ulg").read_bytes()[:kept])
    with pytest.raises(FlightError) as told:
        import_flight([path], "flight", Options())
    assert "\n" not in str(told.value)


def test_opssat(data: Path, tmp_path: Path) -> None:
    """All 14 logs; `x` is NaN, a boolean 0 or 1, times are UNIX ms."""
    paths = sorted((data / "flights" / "opssat").glob("*.csv"))
    assert len(paths) == 14
    for path in paths:
        (got,) = imported(path, tmp_path, Options()).values()
        with path.open() as file:
            header, *rows = csv.reader(file)
        columns = list(zip(*rows, strict=True))
        np.testing.assert_array_equal(got.time_ns, [int(c) * 1_000_000 for c in columns[0]])
        for name, cells in zip(header[:-1], columns[1:], strict=True):
            words = {"true": "1", "false": "0", "x": "nan"}
            want = [float(words.get(c, c)) for c in cells]
            np.testing.assert_array_equal(got.eng[name], want)
