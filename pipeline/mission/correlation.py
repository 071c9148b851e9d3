"""Time correlation: on-board clock to UTC by a table of measured pairs (docs/time.md).

    utc = u₀ + (x - x₀) + drift · (x - x₀)     between two pairs, and beyond the first and the last

Pairs of one run of the clock rise in on-board time; two at the same on-board time are a jump. A
clock that is reset begins another run, which holds from its first pair's reception time on.
"""

from __future__ import annotations

import csv
from itertools import pairwise
from pathlib import Path

from pipeline.errors import MissionError
from pipeline.mdb.epochs import parse_moment
from schemas.settings import ClockPair, ClockRun

MOST_DRIFT = 0.01  # a clock worse than this is an error in the table
MAX_PAIRS = 1_000_000
_FAR = 2**61  # ns: two such times and their difference fit 64 bits
_COLUMNS = ("onboard", "utc", "received")


def read_correlation(path: Path) -> tuple[ClockRun, ...]:
    """Columns onboard, utc and, where a run begins, received: ISO 8601 to the ns, UTC.

    MissionError names the line.
    """
    try:
        rows = list(csv.reader(path.read_text().splitlines()))
    except (OSError, ValueError, csv.Error) as error:  # a ValueError: no text, or no path
        raise MissionError(f"{path}: cannot be read: {error}.") from None
    if not rows or tuple(rows[0]) not in (_COLUMNS, _COLUMNS[:2]):
        raise MissionError(f"{path}:1: needs the columns onboard,utc or onboard,utc,received.")
    if len(rows) > MAX_PAIRS:
        raise MissionError(f"{path}: more than {MAX_PAIRS} pairs.")
    runs: list[tuple[int, list[tuple[int, int]]]] = []
    for line, row in enumerate(rows[1:], 2):
        where = f"{path}:{line}"
        onboard, utc, received = _moments(row, where)
        if received is not None or not runs:
            if runs and received is not None and received <= runs[-1][0]:
                raise MissionError(f"{where}: a run is received after the run before it.")
            first = received if received is not None else -(2**62)
            runs.append((first, []))
        elif onboard < runs[-1][1][-1][0]:
            raise MissionError(
                f"{where}: the on-board clock goes back; a reset needs the time of its first "
                "packet in the column received."
            )
        runs[-1][1].append((onboard, utc))
    if not runs:
        raise MissionError(f"{path}: has no pairs.")
    return tuple(ClockRun(first, _pairs(pairs, path)) for first, pairs in runs)


def _moments(row: list[str], where: str) -> tuple[int, int, int | None]:
    if not 2 <= len(row) <= len(_COLUMNS):
        raise MissionError(f"{where}: {len(row)} values, where there are 2 or 3 columns.")
    found: list[int | None] = []
    for name, text in zip(_COLUMNS, row, strict=False):
        try:
            found.append(parse_moment(text.strip()) if text.strip() else None)
        except ValueError:
            raise MissionError(f"{where}: {name} {text!r} is no ISO 8601 time.") from None
        if abs(found[-1] or 0) >= _FAR:
            raise MissionError(f"{where}: {name} {text!r} is no time of a spacecraft.")
    onboard, utc = found[:2]
    if onboard is None or utc is None:
        raise MissionError(f"{where}: onboard and utc must be given.")
    return onboard, utc, found[2] if len(found) > 2 else None


def _pairs(points: list[tuple[int, int]], path: Path) -> tuple[ClockPair, ...]:
    """Each pair with the drift that follows it; the last continues with the drift before it."""
    pairs: list[ClockPair] = []
    drift = 0.0
    for (x0, u0), (x1, u1) in pairwise(points):
        if x1 > x0:
            drift = float((u1 - u0) - (x1 - x0)) / float(x1 - x0)
            if abs(drift) > MOST_DRIFT:
                raise MissionError(
                    f"{path}: a drift of {drift:.3g} between two pairs is too large for a clock; "
                    "two pairs at the same on-board time make a jump."
                )
        pairs.append(ClockPair(x0, u0, drift))
    pairs.append(ClockPair(*points[-1], drift))
    return tuple(pairs)
