"""Recorded flights come back value for value from the packets they became."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.formats.series import Options
from schemas.columns import Rows
from tests.reference import imported

pytestmark = pytest.mark.data
SENTINEL = 2147483647.0


def decoded(paths: list[Path], folder: Path, options: Options) -> tuple[list[str], Rows]:
    ((plan, rows),) = imported.decoded(paths, folder, options)
    return plan.names, rows


@pytest.mark.parametrize("name", ["TeleMega", "TeleMetrum"])
def test_csv(name: str, data: Path, tmp_path: Path) -> None:
    """82 and 67 columns; `altitude` twice, repeated times, texts, a sentinel."""
    (path,) = (data / "flights" / "rocketpy").glob(f"*{name}.csv")
    names, rows = decoded([path], tmp_path, Options(epoch_ns=0, sentinels=(SENTINEL,)))
    with path.open() as file:
        cells = list(csv.reader(file, skipinitialspace=True))
    header = [h.removeprefix("#") for h in cells[0]]
    table = list(zip(*cells[1:], strict=True))
    assert len(rows.packet) == len(cells) - 1
    seconds = np.array([float(c) for c in table[header.index("time")]])
    np.testing.assert_array_equal(rows.time_ns, np.round(seconds * 1e9).astype(np.int64))
    seen: dict[str, int] = {}
    compared = 0
    for column, values in zip(header, table, strict=True):
        seen[column] = seen.get(column, 0) + 1
        mine = column if seen[column] == 1 else f"{column}_{seen[column]}"
        if column == "time":
            continue
        got = rows.eng[:, names.index(mine)]
        try:
            want = np.array([float(v) for v in values])
        except ValueError:
            labels = sorted({v.strip() for v in values})
            assert [labels[int(x)] for x in got] == [v.strip() for v in values]
            continue
        want[want == SENTINEL] = np.nan
        np.testing.assert_array_equal(got, want)
        compared += 1
    assert compared >= 60


def test_webcast(data: Path, tmp_path: Path) -> None:
    path = data / "flights" / "spacex" / "Falcon Heavy Demo 1" / "Falcon Heavy Demo 1 raw.json"
    names, rows = decoded([path], tmp_path, Options(epoch_ns=0))
    want = json.loads(path.read_bytes())
    np.testing.assert_array_equal(rows.time_ns, np.round(np.array(want["time"]) * 1e9))
    for name in ("velocity", "altitude"):
        np.testing.assert_array_equal(rows.eng[:, names.index(name)], want[name])
