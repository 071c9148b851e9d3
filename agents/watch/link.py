"""The state of what is followed: the broker, the topics, how far they were read, and what came."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from agents.host.plain import plain
from agents.watch.words import moment, span
from schemas.columns import SECOND

QUIET_S = 15.0  # a pane of statistics ends every ten
FAR_BEHIND = 2_000
MOST_SOURCES = 100
_SAID = 3  # quiet sources that are named


class Reach(Enum):
    """How far the reader has come."""

    NO_BROKER = "no broker"
    NO_TOPICS = "no topics"
    READING = "reading what stands"
    FOLLOWING = "following"


@dataclass(frozen=True, slots=True)
class Status:
    """A status line. kind: stays the same while the cause does. bad: must not be overlooked."""

    kind: str
    text: str
    bad: bool


@dataclass(slots=True)
class Link:
    """Times in ns, on our clock; `since_ns`: when this reach began."""

    where: str = "the broker"
    reach: Reach = Reach.NO_BROKER
    since_ns: int | None = None  # None: the reader has not begun
    detail: str = ""
    met: bool = False  # a broker ever answered
    answered_ns: int | None = None  # when all records had last been read
    behind: int = 0  # records that are there and not yet read
    last_ns: int | None = None  # when the newest record became known
    last_topic: str = ""
    sources: dict[str, int] = field(default_factory=dict)  # the same for each source

    def to(self, reach: Reach, now_ns: int, detail: str = "") -> None:
        """NO_BROKER counts from the broker's last answer, not from when its loss was noticed."""
        if reach is not self.reach or self.since_ns is None:
            lost = reach is Reach.NO_BROKER and self.reach is Reach.FOLLOWING
            self.since_ns = self.answered_ns if lost and self.answered_ns else now_ns
            self.reach = reach
        self.detail = detail
        self.met = self.met or reach is not Reach.NO_BROKER
        if reach is Reach.FOLLOWING:
            self.answered_ns = now_ns

    def heard(self, topic: str, source: str, at_ns: int) -> None:
        if self.last_ns is None or at_ns >= self.last_ns:
            self.last_ns, self.last_topic = at_ns, topic
        if source and (source in self.sources or len(self.sources) < MOST_SOURCES):
            self.sources[source] = max(at_ns, self.sources.get(source, at_ns))

    def forget(self) -> None:
        """Drop what was received: its topics no longer exist."""
        self.last_ns, self.last_topic, self.sources = None, "", {}

    def is_well(self, now_ns: int) -> bool:
        """Everything was read, a broker answers, and new records come."""
        return (
            self.reach is Reach.FOLLOWING
            and self.last_ns is not None
            and not self._quiet(self.last_ns, now_ns)
        )

    def status(self, now_ns: int) -> list[Status]:
        """At least one line, the worst matter first."""
        return [self._reached(now_ns), *self._news(now_ns)]

    def _reached(self, now_ns: int) -> Status:
        for_ = self._for(now_ns)
        if self.reach is Reach.NO_BROKER:
            why = f" ({plain(self.detail, 120)})" if self.detail else ""
            if self.met:
                return Status("no broker", f"no broker for {for_} at {self.where}{why}", True)
            text = f"waiting for a broker at {self.where}, for {for_}{why}"
            return Status("no broker yet", text, True)
        if self.reach is Reach.NO_TOPICS:
            text = f"waiting for topics at {self.where}, for {for_}: {plain(self.detail)}"
            return Status("no topics", f"{text}; a worker makes them", True)
        if self.reach is Reach.READING:
            return Status("reading", f"reading what stands at {self.where}, for {for_}", True)
        if self.behind >= FAR_BEHIND:
            text = f"following {self.where}, {self.behind} records behind"
            return Status("behind", text, True)
        return Status("following", f"following {self.where}", False)

    def _for(self, now_ns: int) -> str:
        return span(0 if self.since_ns is None else (now_ns - self.since_ns) / SECOND)

    def _news(self, now_ns: int) -> list[Status]:
        if self.last_ns is None:
            if self.reach is not Reach.FOLLOWING:
                return []
            text = f"nothing yet for {self._for(now_ns)}: no record on any topic that is followed"
            return [Status("nothing yet", text, True)]
        ago = span((now_ns - self.last_ns) / SECOND)
        last = f"last record {moment(self.last_ns, now_ns)} on {self.last_topic}"
        if self._quiet(self.last_ns, now_ns):
            return [Status("quiet", f"nothing new for {ago}: {last}", True)]
        return [Status("news", f"{last}, {ago} ago", False), *self._quiet_sources(now_ns)]

    def _quiet_sources(self, now_ns: int) -> list[Status]:
        """Sources that send nothing while others do, which would hide them."""
        quiet = [(at, s) for s, at in self.sources.items() if self._quiet(at, now_ns)]
        if not quiet:
            return []
        named = ", ".join(
            f"{plain(s, 24)} for {span((now_ns - at) / SECOND)}" for at, s in sorted(quiet)[:_SAID]
        )
        more = f" and {len(quiet) - _SAID} more sources" if len(quiet) > _SAID else ""
        return [Status("quiet source", f"nothing new of {named}{more}", True)]

    @staticmethod
    def _quiet(at_ns: int, now_ns: int) -> bool:
        return now_ns - at_ns > QUIET_S * SECOND
