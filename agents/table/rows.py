"""A record of telemetry.alerts or telemetry.desk as a row."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from agents.readers.tail import object_of
from schemas.desk import decode_desk

_MOST_NS = 2**62
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Place(NamedTuple):
    """Where a record stands."""

    namespace: str
    topic_id: str
    partition: int
    offset: int
    stamp_ms: int  # of the record


def alert_row(place: Place, value: bytes | None) -> tuple[Any, ...]:
    """ValueError: it is no alert of ours."""
    alert = object_of(value)
    try:
        if not alert or not value:
            raise ValueError("is no object")
        monitor, by = alert["monitor"], alert.get("control") or {}
        observed = alert.get("observed")
        made: tuple[Any, ...] = (
            *(alert[key] for key in ("source", "parameter", "name")), alert.get("container", ""),
            monitor["kind"], monitor["name"], alert["transition"], alert["level_before"],
            alert["level_after"], None if observed is None else float(observed),
            alert.get("unit", ""), alert["sentence"], by.get("who", ""),
        )  # fmt: skip
        generation_ns = alert["generation_ns"]
        if type(generation_ns) is not int or not abs(generation_ns) < _MOST_NS:
            raise ValueError("generation_ns is no ns since 1970")
        if not all(
            isinstance(x, str)
            for x in (alert["id"], *(x for x in made if x is not None and type(x) is not float))
        ):
            raise ValueError("has a text that is none")
        head = (place.namespace, place.topic_id, alert["id"], generation_ns)
        times = (_time(place.stamp_ms * 1_000_000), _time(generation_ns))
        return tuple(_text(x) for x in (*head, *times, *made, value.decode()))
    except (KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"is no alert: {error!r}") from None


def deed_row(place: Place, value: bytes | None) -> tuple[Any, ...]:
    """ValueError: it is no record of ours."""
    r = decode_desk(value)
    assert value  # else it would be none
    made = (r.what, r.who, r.why, r.source, r.incident, r.level, len(r.alarms), value.decode())
    return tuple(_text(x) for x in (*place[:4], _time(r.when_ns), *made))


def _time(ns: int) -> datetime:
    """Exact times are in the record itself; PostgreSQL's have microseconds."""
    return _EPOCH + timedelta(microseconds=ns // 1000)


def _text(value: Any) -> Any:
    """PostgreSQL's texts have no NUL."""
    return value.replace("\x00", "\ufffd") if isinstance(value, str) else value
