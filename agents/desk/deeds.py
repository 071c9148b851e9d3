"""What a person wants to do about alarms, checked against what stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from agents.desk.board import Alarm, Board
from schemas.desk import DONE, LONGEST, DeskRecord, Seen

MOST_SHELVED_S = 7 * 86_400.0  # what is to be silent for longer is taken out of service
BY_ADMINISTRATORS = ("out_of_service", "in_service")


class DeedError(Exception):
    """It cannot be done."""


class UnknownError(DeedError):
    """… because there is no such alarm or incident."""


class NothingError(DeedError):
    """… because they are so already."""


def deed(
    board: Board, what: str, who: str, why: str, now_ns: int, keys: Sequence[str],
    incident: str = "", for_s: float | None = None, seen: Mapping[str, Seen] | None = None,
) -> DeskRecord:  # fmt: skip
    """The record of it. keys: of alarms; or incident: all its alarms that this concerns. seen: as
    the person saw them, where that is known: what has changed since is not touched.

    DeedError says why it cannot be done."""
    for text, value in (("who", who), ("why", why)):
        if not 0 < len(value.strip()) <= LONGEST:
            raise DeedError(f"{text} must be a text of 1 to {LONGEST} characters")
    if what not in DONE:
        raise DeedError(f"what must be one of {', '.join(DONE)}")
    if (for_s is None) == (what == "shelve"):
        raise DeedError("shelve is for a time, and nothing else is")
    if for_s is not None and not 0 < for_s <= MOST_SHELVED_S:
        raise DeedError(f"an alarm is shelved for at most {MOST_SHELVED_S / 86_400:g} days")
    named = _of_incident(board, incident) if incident else _named(board, keys)
    if incident and what == "acknowledge":  # whoever answers it has not seen what is shelved
        named = [alarm for alarm in named if not alarm.quiet(now_ns)]
    good = [alarm for alarm in named if _concerns(what, alarm, now_ns)]
    if not good:
        raise NothingError(
            f"there is nothing to {what.replace('_', ' ')}: {_states(named, now_ns)}"
        )
    for alarm in good:
        if seen and alarm.key in seen and seen[alarm.key] != alarm.seen:
            raise NothingError(f"{alarm.name} has changed: it was {alarm.worst.word} since")
    until = now_ns + int(for_s * 1e9) if for_s is not None else None
    as_is = {alarm.key: alarm.seen for alarm in good}
    return DeskRecord(what, who.strip(), why.strip(), now_ns, as_is, until, incident)


def _named(board: Board, keys: Sequence[str]) -> list[Alarm]:
    if not keys:
        raise DeedError("name alarms, or an incident")
    if missing := [key for key in keys if key not in board.alarms]:
        raise UnknownError(f"there is no alarm {missing[0]!r}")
    return [board.alarms[key] for key in keys]


def _of_incident(board: Board, number: str) -> list[Alarm]:
    one = board.incidents.get(number)
    if one is None:
        raise UnknownError(f"there is no incident {number!r}, or it was closed a while ago")
    # one that has begun anew since may be of another incident, which nobody has seen
    return [
        alarm for key, raised in one.members.items()
        if (alarm := board.alarms.get(key)) and alarm.raised == raised
    ]  # fmt: skip


def _concerns(what: str, alarm: Alarm, now_ns: int) -> bool:
    """Whether it would change anything."""
    status = alarm.status(now_ns)
    if what == "acknowledge":
        return alarm.acknowledgement is None and (alarm.stands or status == "returned")
    if what == "unshelve":
        return status == "shelved"
    if what == "in_service":
        return alarm.out is not None
    if what == "out_of_service":
        return alarm.out is None
    return True


def _states(alarms: Sequence[Alarm], now_ns: int) -> str:
    told = {f"{a.name} is {a.status(now_ns).replace('_', ' ')}" for a in alarms[:5]}
    return ", ".join(sorted(told)) or "it has no alarms"
