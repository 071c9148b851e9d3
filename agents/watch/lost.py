"""Alarms that were active when the broker lost its topics: their state is not known any more.

A broker that starts again empty knows nothing of before, nor does a worker that is restarted with
it. So such an alarm may still be active or not: it is neither dropped nor called active.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from agents.watch.link import Status
from agents.watch.records import Alarm
from agents.watch.words import counted, moment


class Lost:
    """at_ns: when a loss was last noticed, ns since 1970; None: no topic was ever lost."""

    def __init__(self) -> None:
        self.at_ns: int | None = None
        self.alarms: dict[bytes, Alarm] = {}

    def lose(self, standing: Iterable[Alarm], now_ns: int) -> None:
        """Add alarms that were active or inhibited; those lost before stay."""
        self.at_ns = now_ns
        self.alarms |= {a.key: replace(a, lost_ns=now_ns) for a in standing}

    def told(self, key: bytes | None) -> None:
        """A new record of its monitor has come: it replaces the lost alarm."""
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
