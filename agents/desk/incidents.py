"""Which alarms are one event, when it is over, and when nobody has answered it.

A pure function of the board and the time: what it notices is written to telemetry.desk, so a desk
that is started anew knows it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from agents.desk.board import Alarm, Board, Incident
from agents.settings import DeskSettings
from schemas.desk import LONGEST, MOST_ALARMS, DeskRecord
from schemas.mission import LEVELS

DESK = "desk"  # who
# with a space: no parameter is called so
LOSS_OF_SIGNAL, STORM = "loss of signal", "alarm storm"
WENT = ("cleared", "calm", "changed", "raised", "flapping", "acknowledged")  # by itself
MOST_BYTES = 4 << 20  # of the alarms in one record
_S = 1_000_000_000
HOLD_NS = _S  # an alarm is looked at when it has stood for so long, with what came meanwhile


GroupOf = Callable[[Alarm], str]  # the group that mission.toml gives an alarm, or ""


class Incidents:
    """Notices what changed on a board."""

    def __init__(self, board: Board, rules: DeskSettings, group_of: GroupOf) -> None:
        self._board, self._rules, self._group_of = board, rules, group_of

    def notice(self, now_ns: int) -> list[DeskRecord]:
        """What changed since, applied to the board already. now_ns: unix time."""
        found: list[DeskRecord] = []
        every = (
            self._closed, self._new, self._worse, self._called, self._answered, self._escalated
        )  # fmt: skip
        for step in every:
            for record in step(now_ns):
                self._board.take(record)
                found.append(record)
        self._board.forget_closed(now_ns)
        return found

    def _closed(self, now_ns: int) -> Iterator[DeskRecord]:
        for one in list(self._board.open_incidents()):
            if self._board.standing_of(one, now_ns):
                continue
            yield DeskRecord("closed", DESK, self._end(one, now_ns), now_ns, incident=one.number)

    def _end(self, one: Incident, now_ns: int) -> str:
        """Why nothing of it calls anybody any more."""
        known = [alarm for k in one.members if (alarm := self._board.alarms.get(k))]
        quiet = next((q for alarm in known if alarm.stands and (q := alarm.quiet(now_ns))), None)
        if quiet:
            what = quiet.what.replace("_", " ").replace("shelve", "shelved")
            return f"what stands of it is {what} by {quiet.who}: {quiet.why}"[:LONGEST]
        taken_back = sorted(
            {f"{a.name} {a.kind}: {a.state.transition}" for a in known
             if a.state.transition not in WENT}
        )  # fmt: skip
        if taken_back:
            return f"none of its alarms stands; {', '.join(taken_back[:5])}"
        return "all its alarms are normal again"

    def _new(self, now_ns: int) -> Iterator[DeskRecord]:
        by_source: dict[str, list[Alarm]] = {}
        for key in self._board.standing:
            alarm = self._board.alarms[key]
            if not self._is_known(alarm) and not alarm.quiet(now_ns):
                by_source.setdefault(alarm.source, []).append(alarm)
        for source, alarms in by_source.items():
            if now_ns - min(a.seen_ns for a in alarms) >= HOLD_NS:
                alarms.sort(key=lambda a: a.order)
                # a storm of what is only to be watched hides no warning that comes in it
                for asks in (True, False):
                    if some := [a for a in alarms if a.asks == asks]:
                        yield from self._of_source(source, some, asks, now_ns)

    def _is_known(self, alarm: Alarm) -> bool:
        """Whether it is of an open incident, as it stands now."""
        one = self._board.incident_of(alarm)
        if one is None:
            return False
        outgrew = one.group == STORM and alarm.asks and not one.asks
        return one.members.get(alarm.key) == alarm.raised and not outgrew

    def _of_source(
        self, source: str, alarms: list[Alarm], asks: bool, now_ns: int
    ) -> Iterator[DeskRecord]:
        """asks: they are of the levels that ask for an answer."""
        takes = self._takes_all(source, asks, now_ns)
        if takes is None and any(a.kind == "los" for a in alarms):
            yield from self._open(source, LOSS_OF_SIGNAL, alarms, now_ns)
            return
        groups: dict[tuple[str, str], list[Alarm]] = {}  # (open incident or "", group)
        for alarm in alarms:
            number = takes.number if takes else self._of_before(alarm)
            group = "" if number else self._group_of(alarm) or alarm.name
            if not number and (one := self._joinable(source, group, now_ns)):
                number, group = one.number, ""
            groups.setdefault((number, group), []).append(alarm)
        fresh = [some for (number, _), some in groups.items() if not number]
        recent = self._recent(source, asks, now_ns) if fresh else []
        if len(fresh) + len(recent) >= self._rules.storm:
            many = sorted((a for some in fresh for a in some), key=lambda a: a.order)
            yield from self._open(source, STORM, many, now_ns, tuple(i.number for i in recent))
            groups = {key: some for key, some in groups.items() if key[0]}
        for (number, group), some in groups.items():
            if number:
                # what was joined to may have become part of the storm
                one = self._board.incidents[number]
                one = self._board.incidents[one.within] if one.within else one
                yield from self._join(one.number, some, now_ns)
            else:
                yield from self._open(source, group, some, now_ns)

    def _recent(self, source: str, asks: bool, now_ns: int) -> list[Incident]:
        return [
            i for i in self._board.open_incidents()
            if i.source == source and i.group not in (STORM, LOSS_OF_SIGNAL)
            and i.asks == asks and now_ns - i.opened_ns <= self._rules.storm_s * _S
        ]  # fmt: skip

    def _of_before(self, alarm: Alarm) -> str:
        """The open incident that it was of before it was normal for a while."""
        one = self._board.incident_of(alarm)
        return one.number if one and one.members.get(alarm.key) != alarm.raised else ""

    def _takes_all(self, source: str, asks: bool, now_ns: int) -> Incident | None:
        """An incident that every further alarm of the source is part of."""
        for one in self._board.open_incidents():
            storm = one.group == STORM and one.asks == asks
            if one.source == source and (storm or one.group == LOSS_OF_SIGNAL):
                lasts = any(
                    self._board.alarms[k].kind == "los" for k in one.members
                    if k in self._board.standing
                )  # fmt: skip
                if lasts or now_ns - one.joined_ns <= self._rules.join_s * _S:
                    return one
        return None

    def _joinable(self, source: str, group: str, now_ns: int) -> Incident | None:
        """The open incident of a group that takes in more; a parameter's does while it is open."""
        for one in self._board.open_incidents():
            if (one.source, one.group) == (source, group):
                first = self._board.alarms.get(one.first)
                own = first is not None and first.name == group
                if own or now_ns - one.joined_ns <= self._rules.join_s * _S:
                    return one
        return None

    def _open(
        self, source: str, group: str, alarms: list[Alarm], now_ns: int,
        absorbs: tuple[str, ...] = (),
    ) -> Iterator[DeskRecord]:  # fmt: skip
        """Opened with the first alarms; of more than one record holds, the others join."""
        level = max(a.level for a in alarms)
        for number in absorbs:
            level = max(level, self._board.incidents[number].level)
        number, n = str(self._board.opened + 1), _that_fit(alarms)
        yield DeskRecord(
            "opened", DESK, alarms[0].state.sentence, now_ns, {a.key: a.seen for a in alarms[:n]},
            None, number, source, group[:LONGEST], level.word, absorbs,
        )  # fmt: skip
        yield from self._join(number, alarms[n:], now_ns)

    def _join(self, number: str, alarms: list[Alarm], now_ns: int) -> Iterator[DeskRecord]:
        while alarms:
            n = _that_fit(alarms)
            seen = {a.key: a.seen for a in alarms[:n]}
            why, alarms = alarms[0].state.sentence, alarms[n:]
            yield DeskRecord("joined", DESK, why, now_ns, seen, incident=number)

    def _worse(self, now_ns: int) -> Iterator[DeskRecord]:
        for one in list(self._board.open_incidents()):
            worst = max(self._board.standing_of(one, now_ns), key=lambda a: a.level, default=None)
            if worst and worst.level > one.level:
                seen, word = {worst.key: worst.seen}, worst.level.word
                yield DeskRecord(
                    "worse", DESK, worst.state.sentence, now_ns, seen, incident=one.number,
                    level=word,
                )  # fmt: skip

    def _called(self, now_ns: int) -> Iterator[DeskRecord]:
        """There is more to it than somebody has answered: who answered is called again."""
        for one in list(self._board.open_incidents()):
            if one.answered is None:
                continue
            more = [
                a for a in self._board.standing_of(one, now_ns) if a.acknowledgement is None
            ]  # fmt: skip
            if more:
                seen = {a.key: a.seen for a in more[: _that_fit(more)]}
                yield DeskRecord(
                    "called", DESK, more[0].state.sentence, now_ns, seen, incident=one.number
                )

    def _answered(self, now_ns: int) -> Iterator[DeskRecord]:
        """All that stands of it is acknowledged: nobody else need be called."""
        for one in list(self._board.open_incidents()):
            if one.answered is not None:
                continue
            done = [a.acknowledgement for a in self._board.standing_of(one, now_ns)]
            if done and all(done):
                last = max((d for d in done if d), key=lambda d: d.when_ns)
                why = f"acknowledged by {last.who}: {last.why}"[:LONGEST]
                yield DeskRecord("answered", last.who, why, now_ns, incident=one.number)

    def _escalated(self, now_ns: int) -> Iterator[DeskRecord]:
        wait_s = self._rules.escalate_s
        for one in list(self._board.open_incidents()):
            if one.escalated or now_ns - one.asked_ns < wait_s * _S:
                continue
            open_ = [
                a for a in self._board.standing_of(one, now_ns)
                if not a.acknowledgement and a.level >= LEVELS[self._rules.escalate_from]
            ]  # fmt: skip
            if open_:
                why = f"nobody has acknowledged it for {wait_s:g} s"
                yield DeskRecord(
                    "escalated", DESK, why, now_ns,
                    {a.key: a.seen for a in open_[: _that_fit(open_)]},
                    incident=one.number, level=one.level.word,
                )  # fmt: skip


def _that_fit(alarms: list[Alarm]) -> int:
    """How many of them one record holds; the first always."""
    size, n = 0, 0
    for alarm in alarms[:MOST_ALARMS]:
        size += 4 * len(alarm.key) + len(alarm.raised) + 40  # a sign may take four bytes
        if n and size > MOST_BYTES:
            break
        n += 1
    return n
