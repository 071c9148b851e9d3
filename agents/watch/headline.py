"""How many alarms are active, in one line; it never says all is well when that is not known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from agents.watch.link import Link, Reach
from agents.watch.records import Alarm
from agents.watch.words import counted, moment
from schemas.mission import Level


def headline(link: Link, alarms: Sequence[Alarm], doubt: bool, now_ns: int) -> tuple[str, bool]:
    """The line, and whether all is well. alarms: inhibited monitors included. doubt: some status
    line is bad."""
    lost = [a.lost_ns for a in alarms if a.lost_ns is not None]
    levels = Counter(a.level for a in alarms if a.lost_ns is None)
    inhibited = levels.pop(Level.NORMAL, 0)
    count = counted(levels.total(), "alarm")
    if lost:
        return f"Not known what stands{_since(lost, count, now_ns)}", False
    if not link.is_well(now_ns):
        return f"Not known what stands{_at_last(link, count, now_ns)}", False
    if levels:
        told = ", ".join(f"{n} {level.word}" for level, n in sorted(levels.items(), reverse=True))
        return f"{count} stand{'s' * (levels.total() == 1)}: {told}", False
    if inhibited:
        be = "is" if inhibited == 1 else "are"
        return f"No alarm stands, but {counted(inhibited, 'monitor')} {be} inhibited", False
    if doubt:
        return "No alarm stands that we know of; but read on", False
    return f"No alarm stands, as of {moment(link.last_ns, now_ns)}", True


def _at_last(link: Link, count: str, now_ns: int) -> str:
    """What was known last, and when."""
    if link.answered_ns is None:
        return ""
    if link.last_ns is None:
        return ": nothing was ever told"
    at = link.last_ns if link.reach is Reach.FOLLOWING else link.answered_ns
    return f"; at {moment(at, now_ns)} {count} stood"


def _since(lost: list[int], count: str, now_ns: int) -> str:
    """What the broker lost, and how many alarms were received since."""
    at, before = moment(max(lost), now_ns), counted(len(lost), "alarm")
    return f": the broker lost its topics at {at}, {before} of before; {count} since"
