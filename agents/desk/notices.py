"""What Alertmanager is told: an alert an incident, and a silence where somebody has answered it.

An incident that gets worse, is escalated, or needs another answer has other labels from then on, so
that it is routed and told anew; the alert with the earlier labels is resolved in the same request.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from agents.desk.board import CLOSED_FOR_NS, Board, Incident
from pipeline.outputs.alerts import iso
from schemas.desk import DeskRecord

MOST_LISTED = 10  # alarms of an incident that its description names


class Notice(NamedTuple):
    """labels: they identify it. ends_ns: None while it is so. last: the incident has these now, or
    was closed with them."""

    labels: dict[str, str]
    annotations: dict[str, str]
    starts_ns: int
    ends_ns: int | None
    last: bool


def notices(board: Board, deployment: str, now_ns: int) -> list[Notice]:
    """Of every incident that is open or closed of late. deployment: the label `desk`."""
    return [n for one in board.incidents.values() for n in _of(board, one, deployment, now_ns)]


def _of(board: Board, one: Incident, deployment: str, now_ns: int) -> Iterator[Notice]:
    first = board.alarms.get(one.first)
    labels = {  # that never change: a silence on `incident` and `desk` meets this one alone
        "alertname": "SpacecraftAlarm", "desk": deployment, "incident": one.number,
        "source": one.source, "group": one.group,
        **({"parameter": first.name, "kind": first.kind} if first else {}),
    }  # fmt: skip
    told = _annotations(board, one, now_ns)
    ends: list[int | None] = [after.from_ns for after in one.told[1:]]
    ends.append(one.closed.when_ns if one.closed else None)
    for was, ends_ns in zip(one.told, ends, strict=True):
        if ends_ns is None or now_ns - ends_ns < CLOSED_FOR_NS:
            more = {
                "severity": was.level, "escalated": "yes" if was.escalated else "no",
                "call": str(was.call),
            }  # fmt: skip
            yield Notice(labels | more, told, one.opened_ns, ends_ns, was is one.told[-1])


def _annotations(board: Board, one: Incident, now_ns: int) -> dict[str, str]:
    standing = board.standing_of(one, now_ns)
    first = board.alarms.get(one.first)
    worst = sorted(standing, key=lambda a: (-a.level, a.order))
    lines = [f"{a.level.word}: {a.state.sentence}" for a in worst[:MOST_LISTED]]
    if len(worst) > MOST_LISTED:
        lines.append(f"and {len(worst) - MOST_LISTED} more")
    many = len(one.members)
    head = one.head
    if many > 1:
        head = f"{one.group}: {many} alarms, {len(standing)} stand. First out: {head}"
    told = {
        "summary": head, "description": "\n".join(lines), "count": str(many),
        "since": iso(first.since_ns) if first else iso(one.opened_ns),
    }  # fmt: skip
    if one.closed:
        told["closed"] = one.end
        told["summary"] = f"{head} Closed: {one.end}."
    return told


def answers(board: Board) -> dict[str, DeskRecord]:
    """By incident: who has answered it, and why, so that nobody else is called."""
    return {one.number: one.answered for one in board.open_incidents() if one.answered}
