"""The model of the screen: active alarms, newest figures, last alerts, and what is followed.

Pure: no clock and no Kafka. `now_ns` is our time, ns since 1970; each answer is as of `now_ns`.
Rows hold text that is safe to show (`agents.host.plain`), whatever came in.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from agents.host.plain import plain
from agents.watch.clock import SourceClock
from agents.watch.figures import FigureKey, Figures
from agents.watch.headline import headline
from agents.watch.link import Link, Reach, Status
from agents.watch.lost import Lost
from agents.watch.order import Ordered, ordered
from agents.watch.records import (
    Alarm,
    Alert,
    NotOursError,
    Pane,
    read_alarm,
    read_alert,
    read_panes,
)
from agents.watch.rows import AlarmRow, AlertRow, FigureRow, alarm_row, alert_row, figure_row
from agents.watch.standing import Standing
from agents.watch.words import counted, moment
from pipeline.outputs.definitions import STATISTICS
from schemas import topics
from schemas.mission import Level

MOST_RECENT = 500
MOST_CLOCKS = 1_000  # sources, and forms of their statistics
MOST_EARLY = 500  # statistics whose form is yet to come


class Board:
    """Records in, rows out."""

    def __init__(self, where: str = "the broker") -> None:
        self.link = Link(plain(where))
        self.records = 0
        self.alerts = 0
        self.not_understood = 0
        self._not_understood_at: tuple[str, int] = ("", 0)
        self._standing = Standing()
        self._coming: Standing | None = None  # while the state is read again
        self._figures = Figures()
        self._lost = Lost()
        self._recent: deque[Alert] = deque(maxlen=MOST_RECENT)
        self._ids: deque[str] = deque(maxlen=MOST_RECENT)  # of recent alerts, in the log being read
        self._clocks: dict[str, SourceClock] = {}
        self._definitions: dict[str, bytes] = {}  # forms of statistics, by their hashes
        self._early: deque[tuple[bytes, bytes, int, str]] = deque(maxlen=MOST_EARLY)
        self._ordered: Ordered | None = None  # built on demand after a change

    # --- what comes in ---------------------------------------------------------------------------

    def begin(self, now_ns: int) -> None:
        """The state is about to be read from its beginning; until it is, the shown one stays."""
        self._coming = Standing()
        self.not_understood = 0  # those records are read again
        self.link.to(Reach.READING, now_ns)

    def known(self, now_ns: int) -> None:
        """Everything was read, and a broker confirmed it. May be called again and again."""
        if self._coming is not None:
            self._standing, self._coming, self._ordered = self._coming, None, None
        self.link.to(Reach.FOLLOWING, now_ns)

    def lose(self, now_ns: int) -> None:
        """The topics were replaced: the new ones hold nothing of what was read before."""
        self._lost.lose(self._standing, now_ns)
        self._standing, self._figures, self._clocks = Standing(), Figures(), {}
        self._ids.clear()  # an id names a place in the log: a new alert may have the same
        self._ordered = None
        self.link.forget()

    def take(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        now_ns: int,
        written_ns: int | None = None,
        history: bool = False,
        named: str = "",
    ) -> AlertRow | None:
        """Take a record of one of the topics; its row if it is an alert not shown yet.

        written_ns: its timestamp, where it was not written just now. history: an old alert,
        whose monitor's state is known from elsewhere. named: of statistics, the definition that its
        header names; of a definition, its kind.
        """
        self.records += 1
        at = now_ns if written_ns is None else min(written_ns, now_ns)
        with self._counting(topic, at):
            return self._take(topic, key, value, now_ns, at, history, named)
        return None

    @contextmanager
    def _counting(self, topic: str, at: int) -> Iterator[None]:
        """Count a record that is not ours, and go on."""
        try:
            yield
        except NotOursError:
            self.not_understood += 1
            self._not_understood_at = (topic, at)

    def _take(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        now_ns: int,
        at: int,
        history: bool,
        named: str,
    ) -> AlertRow | None:
        if topic == topics.ALARMS:
            self._take_state(key, value, at)
        elif topic == topics.STATISTICS:
            self._take_statistics(key or b"", value or b"", at, named)
        elif topic == topics.DEFINITIONS:
            self._take_definition(key or b"", value or b"", named)
        else:
            return self._take_alert(read_alert(value or b""), now_ns, at, history)
        return None

    def _take_state(self, key: bytes | None, value: bytes | None, at: int) -> None:
        self._lost.told(key)
        into = self._coming if self._coming is not None else self._standing
        if value is None:
            if not key:
                raise NotOursError("a tombstone of nothing")
            into.take_tombstone(key)
            source = ""
        else:
            alarm = read_alarm(key, value)
            into.take_state(alarm)
            source = alarm.source
            if clock := self._clock_of(source):
                clock.tell(alarm, at, by_alert=False)
        self._ordered = None
        self.link.heard(topics.ALARMS, source, at)

    def _take_alert(self, alert: Alert, now_ns: int, at: int, history: bool) -> AlertRow | None:
        self.alerts += 1
        alarm = alert.alarm
        if not history:
            self._lost.told(alarm.key)
            (self._coming if self._coming is not None else self._standing).take_alert(alert)
            self._ordered = None
        clock = self._clock_of(alarm.source)
        if clock and alert.control is None:  # else the stamps are the operator's, not the flight's
            clock.tell(alarm, at, by_alert=True)
        self.link.heard(topics.ALERTS, alarm.source, at)
        if alarm.alert in self._ids:
            return None  # written twice, or read twice
        self._ids.append(alarm.alert)
        self._recent.append(alert)
        return self.alert_row(alert, now_ns)

    def _take_definition(self, key: bytes, value: bytes, kind: str) -> None:
        """Keep the form of statistics, and read what came before it."""
        if kind != STATISTICS or len(self._definitions) >= MOST_CLOCKS:
            return
        name = hashlib.sha256(value).hexdigest()
        if key != name.encode():
            raise NotOursError("a definition that is not what its key says")
        self._definitions[name] = value
        early, self._early = self._early, deque(maxlen=MOST_EARLY)
        for key, value, at, named in early:
            with self._counting(topics.STATISTICS, at):
                self._take_statistics(key, value, at, named)

    def _take_statistics(self, key: bytes, value: bytes, at: int, named: str) -> None:
        if named and named not in self._definitions:
            self._early.append((key, value, at, named))
            return
        for pane in read_panes(value, self._definitions.get(named), key.decode("utf-8", "replace")):
            self._take_pane(pane, at)

    def _take_pane(self, pane: Pane, at: int) -> None:
        if self._figures.take(pane):
            self._ordered = None
        if clock := self._clock_of(pane.source):
            clock.pane(pane.end_ns, at)
        self.link.heard(topics.STATISTICS, pane.source, at)

    def _clock_of(self, source: str) -> SourceClock | None:
        if source not in self._clocks and len(self._clocks) < MOST_CLOCKS:
            self._clocks[source] = SourceClock()
        return self._clocks.get(source)

    # --- what is shown ---------------------------------------------------------------------------

    def headline(self, now_ns: int) -> tuple[str, bool]:
        """How many alarms are active and as of when, and whether all is well."""
        doubt = any(status.bad for status in self.status(now_ns))
        return headline(self.link, self.alarms, doubt, now_ns)

    def status(self, now_ns: int) -> list[Status]:
        """The status of what is followed, line by line."""
        lines = self.link.status(now_ns) + self._lost.status(now_ns)
        if self.not_understood:
            topic, at = self._not_understood_at
            n = self.not_understood
            text = f"{counted(n, 'record')} not understood"
            last = f"the last at {moment(at, now_ns)} on {plain(topic, 40)}"
            lines.append(Status("not understood", f"{text}, {last}", True))
        if lost := self._standing.not_held:
            lines.append(Status("not held", f"{lost} records of monitors beyond those kept", True))
        if lost := self._figures.not_held:
            lines.append(Status("figures", f"{lost} figures of rows beyond those kept", True))
        return lines

    @property
    def standing(self) -> list[Alarm]:
        return [a for a in self.alarms if a.level is not Level.NORMAL]

    @property
    def alarms(self) -> list[Alarm]:
        """Active alarms, the worst first, then inhibited monitors."""
        return self._view().alarms

    @property
    def figures(self) -> list[FigureKey]:
        """Rows of statistics: one for each source, parameter and window."""
        return self._view().figures

    @property
    def recent(self) -> list[Alert]:
        """The last alerts, the newest first."""
        return list(reversed(self._recent))

    def alarm_row(self, alarm: Alarm, now_ns: int) -> AlarmRow:
        return alarm_row(alarm, self._view(), self._clock(alarm.source), now_ns)

    def figure_row(self, key: FigureKey, now_ns: int) -> FigureRow:
        figure = self._figures.rows[key]
        return figure_row(key, figure, self._view(), self._clock(key[0]), now_ns)

    def alert_row(self, alert: Alert, now_ns: int) -> AlertRow:
        return alert_row(alert, self._clock(alert.alarm.source), now_ns)

    def _clock(self, source: str) -> SourceClock:
        return self._clocks.get(source) or SourceClock()

    def _view(self) -> Ordered:
        if self._ordered is None:
            alarms = [*self._standing, *self._lost.alarms.values()]
            self._ordered = ordered(alarms, self._figures.rows)
        return self._ordered
