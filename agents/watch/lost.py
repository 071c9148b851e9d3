"""Alarms that stood when the broker lost its topics: nobody knows of them any more.

A broker that begins anew knows nothing of before, and neither does a worker that is started anew
with it. So an alarm that stood then may stand or not: it is neither dropped nor called standing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from agents.watch.link import Status
from agents.watch.records import Alarm
from agents.watch.words import counted, moment


class Lost:
    """at_ns: when it was last noticed, ns since 1970; None: no topic was ever lost."""

    def __init__(self) -> None:
        self.at_ns: int | None = None
        self.alarms: dict[bytes, Alarm] = {}

    def lose(self, standing: Iterable[Alarm], now_ns: int) -> None:
        """These stood, or were inhibited; what was lost before stays lost."""
        self.at_ns = now_ns
        self.alarms |= {a.key: replace(a, lost_ns=now_ns) for a in standing}

    def told(self, key: bytes | None) -> None:
        """Its monitor is told of anew, which is what counts."""
        self.alarms.pop(key or b"", None)

    def status(self, now_ns: int) -> list[Status]:
        if self.at_ns is None:
            return []
        when = f"the broker's topics were lost at {moment(self.at_ns, now_ns)}"
        if not self.alarms:
            return [Status("lost", f"{when}: nothing older is known", False)]
        n = len(self.alarms)
        stay = f"{counted(n, 'alarm')} of before {'is' if n == 1 else 'are'} shown until told anew"
        return [Status("lost", f"{when}: {stay}; to let go of them, open the watch again", True)]
