"""Times of recorded flights as exact ns: seconds to nanoseconds, UNIX epoch, ISO 8601."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.mdb.epochs import parse_epoch
from schemas.columns import I8

UNITS_NS = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), 10**9),
    **dict.fromkeys(("ms", "msec", "millis", "millisecond", "milliseconds"), 10**6),
    **dict.fromkeys(("us", "µs", "μs", "usec", "micros", "microsecond", "microseconds"), 10**3),
    **dict.fromkeys(("ns", "nsec", "nanos", "nanosecond", "nanoseconds"), 1),
}
_NAMES = ("time", "ts", "t", "timestamp", "datetime", "date", "utc")
# UNIX times from 2001 to 2286 in seconds have ten digits; times from a flight's start have fewer
_UNIX_FROM, _UNIX_TO = 10**18, 10**19
_SCALES = (10**9, 10**6, 10**3, 1)
_DATE = re.compile(r"\d{4}[-/]\d\d?[-/]\d\d?|\d{8}")
_OF_DAY = re.compile(r"\d\d?:\d\d(:\d\d([.,]\d+)?)?Z?")
_DOTTED = re.compile(r"(\d{4})\.(\d\d)\.(\d\d)\.(\d\d)\.(\d\d)\.(\d\d)")
_FRACTION = re.compile(r"(:\d\d)[.,](\d+)")
_LIMIT = 2**63
_DIGITS = 18  # 10^19 ns and more is not a time; arithmetic only fails far above that


def is_time_name(name: str) -> bool:
    """`time`, `timestamp_ms`, `seconds` and their like."""
    word = name.lower()
    return word in _NAMES or (len(word) > 2 and word in UNITS_NS) or _suffix(word) is not None


def unit_of(name: str, unit: str) -> int | None:
    """ns per unit, from the unit or else from the name; None where neither gives it."""
    word = name.lower()
    return UNITS_NS.get(unit.strip().lower(), UNITS_NS.get(word, _suffix(word)))


def times_ns(cells: Sequence[str], unit_ns: int | None, epoch_ns: int) -> list[int]:
    """ns since 1970 of each cell. ValueError(place, cell) at the first that is no time.

    Numbers as large as a UNIX time are UNIX times; smaller ones count from epoch_ns.
    """
    numbers = _decimals(cells)
    if numbers is None:
        return [_iso(i, cell) for i, cell in enumerate(cells)]
    largest = max(abs(n) for n in numbers)
    scale = unit_ns or next((u for u in _SCALES if _UNIX_FROM <= largest * u < _UNIX_TO), 10**9)
    offset = 0 if _UNIX_FROM <= largest * scale < _UNIX_TO else epoch_ns
    if largest * scale + abs(offset) >= _LIMIT:
        at = next(i for i, n in enumerate(numbers) if abs(n) == largest)
        raise ValueError(at, cells[at])
    return [offset + round(n * scale) for n in numbers]


def exact_ns(words: pa.ChunkedArray, unit_ns: int | None, epoch_ns: int) -> I8 | None:
    """The result of `times_ns`, vectorised; None where a cell is not in a plain form."""
    try:
        return np.asarray(pc.cast(words, pa.timestamp("ns")).cast(pa.int64()), np.int64)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        pass
    try:
        made = pc.cast(words, pa.decimal128(_DIGITS + 9, 9)).combine_chunks()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None
    parts = np.frombuffer(made.buffers()[1], np.int64).reshape(-1, 2)[made.offset :][: len(made)]
    low, high = parts[:, 0], parts[:, 1]
    if len(low) == 0 or (high != low >> 63).any():
        return None  # beyond 292 years of seconds
    largest = int(np.abs(low).max())  # in 10^-9 of a unit
    scale = unit_ns or next(
        (u for u in _SCALES if _UNIX_FROM <= largest * u // 10**9 < _UNIX_TO), 10**9
    )
    per = 10**9 // scale
    ns, rest = np.divmod(low, per)
    ns = ns + ((2 * rest > per) | ((2 * rest == per) & (ns % 2 == 1)))
    offset = 0 if _UNIX_FROM <= largest * scale // 10**9 < _UNIX_TO else epoch_ns
    if abs(offset) + largest // per >= _LIMIT:
        return None
    return np.asarray(ns + offset, np.int64)


def is_date(cell: str) -> bool:
    """Whether a cell is only a date: another column then has the time of day."""
    return bool(_DATE.fullmatch(cell.strip()))


def is_time_of_day(cell: str) -> bool:
    return bool(_OF_DAY.fullmatch(cell.strip()))


def dotted(text: str) -> str | None:
    """`2004.02.12.10.32.39` as ISO 8601: the form of file names in bearing tests, and of cells."""
    found = _DOTTED.fullmatch(text.strip())
    return "{}-{}-{}T{}:{}:{}".format(*found.groups()) if found else None


def _suffix(word: str) -> int | None:
    stem, _, unit = word.rpartition("_")
    return UNITS_NS.get(unit) if stem in _NAMES else None


def _decimals(cells: Sequence[str]) -> list[Decimal] | None:
    """None where the first cell is no number: then they are dates."""
    made = []
    for i, cell in enumerate(cells):
        try:
            number = Decimal(cell.strip())
        except InvalidOperation:
            if i == 0:
                return None
            raise ValueError(i, cell) from None
        if not number.is_finite() or number.adjusted() > _DIGITS:
            raise ValueError(i, cell)
        made.append(number)
    return made


def _iso(place: int, cell: str) -> int:
    """Reads the fraction separately, since the library's dates only resolve microseconds."""
    found = _FRACTION.search(cell)
    fraction = found[2] if found else ""
    try:
        whole = parse_epoch(_FRACTION.sub(r"\1", dotted(cell) or cell.strip()))
    except ValueError:
        raise ValueError(place, cell) from None
    ns = whole + int(fraction[:9].ljust(9, "0"))
    if abs(ns) >= _LIMIT:  # a year after 2262 or before 1677
        raise ValueError(place, cell)
    return ns
