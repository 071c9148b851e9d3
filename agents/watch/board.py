"""The model of the screen: what stands, the newest figures, the last alerts, what we look at.

Pure: no clock and no Kafka. `now_ns` is ours, ns since 1970; every answer is as of a `now_ns`.
Rows hold text that is fit to be shown (`agents.plain`), whatever came in.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from agents.plain import plain
from agents.watch.clock import SourceClock
from agents.watch.countdown import countdown, crossed_by
from agents.watch.link import Link, Reach, Status
from agents.watch.names import Names
from agents.watch.records import Alarm, Alert, NotOursError, Pane, read_alarm, read_alert, read_pane
from agents.watch.rows import AlarmRow, AlertRow, FigureRow, note_row, value_of
from agents.watch.standing import Standing
from agents.watch.words import SECOND, moment, number, span
from schemas import topics
from schemas.mission import Level

MOST_RECENT = 500
MOST_FIGURES = 50_000  # rows
MOST_CLOCKS = 1_000
FigureKey = tuple[str, str, float]  # source, parameter, window in s


@dataclass(slots=True)
class _Figure:
    values: tuple[float | None, ...]
    end_ns: int


class Board:
    """Records in, rows out."""

    def __init__(self, where: str = "the broker") -> None:
        self.link = Link(plain(where))
        self.records = 0
        self.alerts = 0
        self.not_understood = 0
        self._not_understood_at: tuple[str, int] = ("", 0)
        self._standing = Standing()
        self._coming: Standing | None = None  # while the state is read anew
        self._figures: dict[FigureKey, _Figure] = {}
        self._figures_not_held = 0
        self._recent: deque[Alert] = deque(maxlen=MOST_RECENT)
        self._clocks: dict[str, SourceClock] = {}
        self._sorted: _Sorted | None = None

    # --- what comes in ---------------------------------------------------------------------------

    def begin(self, now_ns: int) -> None:
        """The state is about to be read from its beginning; until then what was shown stays."""
        self._coming = Standing()
        self.link.to(Reach.READING, now_ns)

    def known(self, now_ns: int) -> None:
        """All there is was read, and a broker says so. May be said as often as it is true."""
        if self._coming is not None:
            self._standing, self._coming, self._sorted = self._coming, None, None
        self.link.to(Reach.FOLLOWING, now_ns)

    def take(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        now_ns: int,
        written_ns: int | None = None,
        history: bool = False,
    ) -> AlertRow | None:
        """A record of any of the three topics; its row if it is an alert not shown yet.

        written_ns: its stamp, where it was not written just now. history: an alert of long ago,
        whose monitor's state is known from elsewhere.
        """
        self.records += 1
        at = now_ns if written_ns is None else min(written_ns, now_ns)
        try:
            return self._take(topic, key, value, now_ns, at, history)
        except NotOursError:
            self.not_understood += 1
            self._not_understood_at = (topic, now_ns)
            return None

    def _take(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        now_ns: int,
        at: int,
        history: bool,
    ) -> AlertRow | None:
        if topic == topics.ALARMS:
            self._take_state(key, value, at)
        elif topic == topics.STATISTICS:
            self._take_pane(read_pane(value or b""), at)
        else:
            return self._take_alert(read_alert(value or b""), now_ns, at, history)
        return None

    def _take_state(self, key: bytes | None, value: bytes | None, at: int) -> None:
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
        self._sorted = None
        self.link.heard(topics.ALARMS, source, at)

    def _take_alert(self, alert: Alert, now_ns: int, at: int, history: bool) -> AlertRow | None:
        self.alerts += 1
        alarm = alert.alarm
        if not history:
            (self._coming if self._coming is not None else self._standing).take_alert(alert)
            self._sorted = None
        clock = self._clock_of(alarm.source)
        if clock and alert.control is None:  # whose stamps are of who wrote it, not of the flight
            clock.tell(alarm, at, by_alert=True)
        self.link.heard(topics.ALERTS, alarm.source, at)
        if any(a.alarm.alert == alarm.alert for a in self._recent):
            return None  # written twice, or read twice
        self._recent.append(alert)
        return self._alert_row(alert, now_ns)

    def _take_pane(self, pane: Pane, at: int) -> None:
        for name, values in zip(pane.parameters, pane.figures, strict=True):
            key = (pane.source, name, pane.window_s)
            if key not in self._figures:
                if len(self._figures) >= MOST_FIGURES:
                    self._figures_not_held += 1
                    continue
                self._sorted = None
            self._figures[key] = _Figure(values, pane.end_ns)
        if clock := self._clock_of(pane.source):
            clock.pane(pane.end_ns, at)
        self.link.heard(topics.STATISTICS, pane.source, at)

    def _clock_of(self, source: str) -> SourceClock | None:
        if source not in self._clocks and len(self._clocks) < MOST_CLOCKS:
            self._clocks[source] = SourceClock()
        return self._clocks.get(source)

    def _flight(self, source: str, now_ns: int) -> int | None:
        clock = self._clocks.get(source)
        return clock.flight(now_ns) if clock else None

    # --- what is shown ---------------------------------------------------------------------------

    def headline(self, now_ns: int) -> tuple[str, bool]:
        """How many alarms stand and as of when, and whether that is all well."""
        standing = self.standing
        levels: dict[Level, int] = {}
        for alarm in standing:
            levels[alarm.level] = levels.get(alarm.level, 0) + 1
        told = ", ".join(f"{n} {level.word}" for level, n in sorted(levels.items(), reverse=True))
        count = f"{len(standing)} alarm{'s' * (len(standing) != 1)}"
        link = self.link
        if link.is_well(now_ns):
            if standing:
                return f"{count} stand{'s' * (len(standing) == 1)}: {told}", False
            inhibited = len(self._view().alarms)
            if inhibited:
                return f"No alarm stands, but {inhibited} monitors are inhibited", False
            return f"No alarm stands, as of {moment(link.last_ns, now_ns)}", True
        if link.answered_ns is None:
            read = f"; of what was read, {count} stood" if standing else ""
            return f"Not known what stands{read}", False
        at = link.last_ns if link.reach is Reach.FOLLOWING else link.answered_ns
        if at is None:
            return "Not known what stands: nothing was ever told", False
        return f"Not known what stands; at {moment(at, now_ns)} {count} stood", False

    def status(self, now_ns: int) -> list[Status]:
        """What we look at, line by line."""
        lines = self.link.status(now_ns)
        if self.not_understood:
            topic, at = self._not_understood_at
            n = self.not_understood
            text = f"{n} record{'s' * (n != 1)} not understood"
            last = f"the last at {moment(at, now_ns)} on {plain(topic, 40)}"
            lines.append(Status("not understood", f"{text}, {last}", True))
        if lost := self._standing.not_held:
            lines.append(Status("not held", f"{lost} records of more monitors than are kept", True))
        if lost := self._figures_not_held:
            lines.append(Status("figures", f"{lost} figures of more rows than are kept", True))
        return lines

    @property
    def standing(self) -> list[Alarm]:
        """Alarms that stand, the worst first, and of a level those that nobody acknowledged."""
        return [a for a in self._view().alarms if a.level is not Level.NORMAL]

    @property
    def alarms(self) -> list[Alarm]:
        """Those that stand, and behind them inhibited monitors."""
        return self._view().alarms

    @property
    def figures(self) -> list[FigureKey]:
        """Rows of statistics: those of parameters with an alarm first, one a window."""
        return self._view().figures

    @property
    def recent(self) -> list[Alert]:
        """The last alerts, the newest first."""
        return list(reversed(self._recent))

    def alarm_row(self, alarm: Alarm, now_ns: int) -> AlarmRow:
        view, flight = self._view(), self._flight(alarm.source, now_ns)
        crossed = (alarm.source, alarm.parameter) in view.crossed
        left = countdown(alarm, crossed, flight)
        return AlarmRow(
            level=alarm.level.word if alarm.level is not Level.NORMAL else "inhibited",
            source=plain(alarm.source, 40),
            parameter=view.names.of(alarm.source, alarm.parameter),
            monitor=plain(alarm.kind.replace("_", " "), 40),
            value=value_of(alarm),
            age=self._age(alarm, now_ns),
            since=moment(alarm.since_ns, flight) if alarm.since_ns is not None else "–",
            limit="" if left is None else str(left),
            marks=_marks(alarm, now_ns),
            sentence=plain(alarm.sentence, 400),
            about=_about(alarm, now_ns),
        )

    def _age(self, alarm: Alarm, now_ns: int) -> str:
        clock = self._clocks.get(alarm.source)
        age = clock.age_ns(alarm, now_ns) if clock else None
        return "–" if age is None else span(age / SECOND)

    def figure_row(self, key: FigureKey, now_ns: int) -> FigureRow:
        source, name, window = key
        figure, flight = self._figures[key], self._flight(source, now_ns)
        age = "–" if flight is None else span((flight - figure.end_ns) / SECOND)
        count, mean, std, low, high = map(number, figure.values)
        shown = self._view().names.of(source, name)
        return FigureRow(
            plain(source, 40), shown, f"{window:g} s", count, mean, std, low, high, age
        )

    def alert_row(self, alert: Alert, now_ns: int) -> AlertRow:
        return self._alert_row(alert, now_ns)

    def _alert_row(self, alert: Alert, now_ns: int) -> AlertRow:
        alarm = alert.alarm
        return AlertRow(
            time=moment(alarm.generation_ns, self._flight(alarm.source, now_ns)),
            level=alarm.level.word,
            source=plain(alarm.source, 40),
            transition=plain(alarm.transition.replace("_", " "), 20),
            sentence=plain(alarm.sentence, 400),
            id=plain(alarm.alert, 60),
        )

    def _view(self) -> _Sorted:
        if self._sorted is None:
            self._sorted = _Sorted.of(list(self._standing), list(self._figures))
        return self._sorted


@dataclass(frozen=True, slots=True)
class _Sorted:
    """In the order of the screen; made anew when something came, and somebody looks."""

    alarms: list[Alarm]
    figures: list[FigureKey]
    crossed: set[tuple[str, str]]
    names: Names

    @classmethod
    def of(cls, alarms: list[Alarm], figures: list[FigureKey]) -> _Sorted:
        alarms.sort(key=lambda a: (-a.level, a.acknowledged is not None, -(a.since_ns or 0), a.key))
        concerned = {(a.source, a.parameter) for a in alarms if a.level is not Level.NORMAL}
        figures.sort(key=lambda k: (k[:2] not in concerned, k))
        shown = {(a.source, a.parameter) for a in alarms} | {k[:2] for k in figures}
        crossed = {(a.source, a.parameter) for a in alarms if crossed_by(a)}
        return cls(alarms, figures, crossed, Names(shown))


def _marks(alarm: Alarm, now_ns: int) -> str:
    """Who did what to it, in few words."""
    told = (
        ("ack", alarm.acknowledged), ("inhibited", alarm.inhibited), ("ranges", alarm.ranges_set),
    )  # fmt: skip
    return ", ".join(note_row(what, note, now_ns) for what, note in told if note)


def _about(alarm: Alarm, now_ns: int) -> list[str]:
    """The rest of it, a line each: what there is no room for in a row."""
    lines = []
    if alarm.limit is not None:
        lines.append(f"limit {number(alarm.limit)} {plain(alarm.unit, 20)}".rstrip())
    for what, note in (
        ("acknowledged", alarm.acknowledged), ("inhibited", alarm.inhibited),
        ("ranges set", alarm.ranges_set),
    ):  # fmt: skip
        if note:
            lines.append(f"{note_row(what, note, now_ns)}: {plain(note.why, 200)}")
    if alarm.alert:
        lines.append(f"alert {plain(alarm.alert, 60)}")
    return lines
