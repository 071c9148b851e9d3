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
        texts = (
            alert["source"], alert["parameter"], alert["name"], alert.get("container", ""),
            monitor["kind"], monitor["name"], alert["transition"], alert["level_before"],
            alert["level_after"], alert.get("unit", ""), alert["sentence"], by.get("who", ""),
        )  # fmt: skip
        id_, at, observed = alert["id"], alert["generation_ns"], alert.get("observed")
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"is no alert: {error!r}") from None
    if not all(isinstance(text, str) for text in (id_, *texts)):
        raise ValueError("is no alert: a text of it is none")
    if type(at) is not int or not abs(at) < _MOST_NS:
        raise ValueError("is no alert: generation_ns is no ns since 1970")
    if observed is not None and type(observed) not in (int, float):
        raise ValueError("is no alert: observed is no number")
    seen = None if observed is None else float(observed)
    head = (place.namespace, place.topic_id, id_, at, _time(place.stamp_ms * 1_000_000), _time(at))
    row = (*head, *texts[:9], seen, *texts[9:], value.decode())
    return tuple(_text(x) for x in row)


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
