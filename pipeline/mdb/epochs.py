"""Epochs of absolute times (XTCE 1.2, EpochType)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pipeline.mdb.leap_seconds import tai_of

_UNIX = datetime(1970, 1, 1, tzinfo=UTC)
# epochs of the scales without leap seconds, as ns since 1970 on the TAI scale
CONTINUOUS = {
    "TAI": (datetime(1958, 1, 1, tzinfo=UTC) - _UNIX) // timedelta(microseconds=1) * 1000,
    "GPS": tai_of((datetime(1980, 1, 6, tzinfo=UTC) - _UNIX) // timedelta(microseconds=1) * 1000),
    # 2000-01-01T12:00:00 TT, which is 32.184 s ahead of TAI
    "J2000": 946_728_000 * 10**9 - 32_184_000_000,
}


def parse_moment(text: str) -> int:
    """ISO 8601 in UTC to the ns, as ns since 1970. ValueError if it is not such a time."""
    head, dot, rest = text.removesuffix("Z").partition(".")
    digits = rest if dot else "0"
    if not digits.isdecimal() or len(digits) > 9:
        raise ValueError(text)
    return parse_epoch(head) + int(digits.ljust(9, "0"))


def parse_epoch(text: str) -> int:
    """ISO 8601 date or date and time, UTC unless it says otherwise, as ns since 1970."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _UNIX) // timedelta(microseconds=1) * 1000
