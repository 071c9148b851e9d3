"""Alarms and incidents as the HTTP API and `heartline alarms --json` show them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from agents.desk.board import Alarm, Board, Incident
from schemas.desk import DeskRecord
from schemas.mission import LEVELS


def alarm_view(board: Board, alarm: Alarm, now_ns: int) -> dict[str, Any]:
    shelved = alarm.shelved if alarm.shelved and alarm.quiet(now_ns) is alarm.shelved else None
    return {
        "id": alarm.key, "name": alarm.name, "status": alarm.status(now_ns),
        "source": alarm.source, "parameter": alarm.state.parameter, "level": alarm.level.word,
        "worst": alarm.worst.word,
        "sentence": alarm.state.sentence, **alarm.state.shown,
        "since_ns": alarm.since_ns, "raised": alarm.raised,
        "incident": board.within.get(alarm.key),
        "acknowledged": _done(alarm.acknowledgement), "shelved": _done(shelved),
        "out_of_service": _done(alarm.out), "comment": _done(alarm.comment),
    }  # fmt: skip


def _done(record: DeskRecord | None) -> dict[str, Any] | None:
    if record is None:
        return None
    told: dict[str, Any] = {"who": record.who, "why": record.why, "when_ns": record.when_ns}
    return told | ({"until_ns": record.until_ns} if record.until_ns else {})


def alarms_shown(
    board: Board, now_ns: int, source: str = "", parameter: str = "", status: str = "",
    level: str = "",
) -> Iterator[Alarm]:  # fmt: skip
    """Worst first. Without a status: all that is not normal, and what is shelved or out of service.

    parameter: its name, qualified or short. level: that one or worse."""
    least = LEVELS[level] if level else 0
    for alarm in sorted(board.alarms.values(), key=worst_first):
        its = alarm.status(now_ns)
        named = parameter in ("", alarm.name, alarm.state.parameter)
        good = its == status if status else its != "normal"
        if good and named and source in ("", alarm.source) and alarm.level >= least:
            yield alarm


def worst_first(alarm: Alarm) -> tuple[int, int, str]:
    """The worst and the newest first."""
    return (-alarm.level, -alarm.since_ns, alarm.key)


def incidents_shown(
    board: Board, source: str = "", open_: bool | None = None
) -> Iterator[Incident]:
    """As they were opened. open_: those alone, or (False) those closed of late alone."""
    for one in board.incidents.values():
        if source in ("", one.source) and open_ in (None, one.closed is None):
            yield one


def incident_view(board: Board, one: Incident, now_ns: int) -> dict[str, Any]:
    standing = board.standing_of(one, now_ns)
    return {
        "incident": one.number, "source": one.source, "group": one.group, "level": one.level.word,
        "escalated": one.escalated, "opened_ns": one.opened_ns, "first": one.first,
        "alarms": len(one.members), "standing": len(standing),
        "unacknowledged": sum(a.acknowledgement is None for a in standing),
        "closed": _done(one.closed and replace(one.closed, why=one.end)),
        "answered": _done(one.answered), "within": one.within or None,
    }  # fmt: skip
