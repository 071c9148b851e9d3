"""Folders in the layout of SMAP and MSL (Hundman et al. 2018, khundman/telemanom).

`train/ID.npy` and `test/ID.npy` hold rows of which column 0 is telemetry; labeled_anomalies.csv
holds a channel's id and its labelled rows of the test file. A channel that stands there twice (P-2
of SMAP) is scored once for each line, as the published figures were.

The families that judge by records see a channel as a worker would: row after row, the training
file, a gap, the test file. One configuration, their defaults, for every channel.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import FlightError
from pipeline.scoring.column import GAP, judged
from pipeline.scoring.rules import Interval, Scored, Tally, intervals, telemanom
from schemas.columns import F8

LABELS = "labeled_anomalies.csv"
ROWS_A_DAY = 24 * 60
CROPS = (0, 2000, 3500, 4200)  # rows left out at the start of each test file


@dataclass(frozen=True, slots=True)
class Channel:
    """A line of the labels. train, test f8[rows]."""

    name: str
    kind: str
    true: tuple[Interval, ...]
    train: F8
    test: F8

    def cropped(self, rows: int) -> Channel:
        """Without the first rows of the test, and labels that end in them."""
        true = tuple((max(a - rows, 0), b - rows) for a, b in self.true if b >= rows)
        return replace(self, true=true, test=self.test[rows:])


def channels(folder: Path) -> list[Channel]:
    """Every line of the labels whose files are there. FlightError names what cannot be read."""
    path = folder / LABELS
    try:
        with path.open(newline="") as file:
            lines = list(csv.DictReader(file))
        found = [_channel(folder, line) for line in lines if _there(folder, line["chan_id"])]
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise FlightError(f"{path}: not a folder in SMAP's layout: {error!r}.") from None
    if not found:
        raise FlightError(f"{path}: none of its channels has train/ID.npy and test/ID.npy.")
    return found


def _there(folder: Path, name: str) -> bool:
    return all((folder / part / f"{name}.npy").is_file() for part in ("train", "test"))


def _channel(folder: Path, line: dict[str, str]) -> Channel:
    name = line["chan_id"]
    train, test = (
        np.load(folder / part / f"{name}.npy", allow_pickle=False)[:, 0].astype(np.float64)
        for part in ("train", "test")
    )
    true = tuple((int(a), int(b)) for a, b in json.loads(line["anomaly_sequences"]))
    return Channel(name, line.get("class", ""), true, train, test)


def odd_rows(channel: Channel) -> NDArray[np.bool_]:
    """Rows of the test in which any of the families reports an anomaly."""
    before = len(channel.train)
    return judged(np.concatenate([channel.train, channel.test]), before)[0][before:]


def floor_rows(channel: Channel) -> NDArray[np.bool_]:
    """A baseline without a model: rows outside the training range by more than 5 % of it."""
    low, high = channel.train.min(), channel.train.max()
    margin = 0.05 * (high - low)
    outside: NDArray[np.bool_] = (channel.test < low - margin) | (channel.test > high + margin)
    return outside


def score(found: list[Channel], crop: int) -> Iterator[Scored[Channel]]:
    """Every channel with the first `crop` rows of its test left out; those that have more."""
    known: dict[str, list[Interval]] = {}
    for whole in found:
        if len(whole.test) <= crop:
            continue
        channel = whole.cropped(crop)
        if channel.name not in known:
            known[channel.name] = intervals(odd_rows(channel), GAP)
        yield Scored(channel, known[channel.name])


def floors(found: list[Channel]) -> tuple[Tally, Tally]:
    """Tallies of the baseline by telemanom's rule: (unchanged, with gaps of 100 rows merged)."""
    plain, merged = Tally(), Tally()
    for channel in found:
        odd = floor_rows(channel)
        plain += telemanom(intervals(odd), channel.true)
        merged += telemanom(intervals(odd, 100), channel.true)
    return plain, merged


def false_a_day(scored: list[Scored[Channel]]) -> float:
    """False alarms per channel and day, each channel once, rows a minute apart."""
    once = {s.series.name: s for s in scored}.values()
    rows = sum(len(s.series.test) for s in once)
    return sum(s.telemanom.false for s in once) / (rows / ROWS_A_DAY)
