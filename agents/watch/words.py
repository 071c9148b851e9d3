"""Times, spans and numbers in few characters."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from schemas.columns import SECOND

_FAR_S = 10**10  # the year 2286: beyond 64 bits of ns, and within what a date can hold
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(ns: int | None, now_ns: int | None = None) -> str:
    """UTC to the second; with its date where it is not within twelve hours of now."""
    if ns is None:
        return "–"
    at = _EPOCH + timedelta(seconds=max(-_FAR_S, min(_FAR_S, ns // SECOND)))
    near = now_ns is not None and abs(now_ns - ns) < 12 * 3600 * SECOND
    return at.strftime("%H:%M:%SZ" if near else "%Y-%m-%d %H:%M:%SZ")


def span(seconds: float) -> str:
    """'3 s', '2 min 05 s', '3 h 07 min', '12 d'; never below 0."""
    whole = max(0, int(seconds))
    if whole < 120:
        return f"{whole} s"
    if whole < 7200:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 48 * 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} d"


def number(x: float | None) -> str:
    return "–" if x is None else f"{x:.6g}"


def counted(n: int, what: str) -> str:
    """'1 alarm', '2 alarms'."""
    return f"{n} {what}{'s' * (n != 1)}"
