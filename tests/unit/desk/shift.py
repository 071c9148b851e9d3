"""A board, its alarms as telemetry.alarms has them, and a clock that the test moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from agents.desk.board import Board
from agents.desk.deeds import deed
from agents.desk.incidents import Incidents
from agents.settings import DeskSettings
from agents.states.alarms import Alarms
from schemas.desk import DeskRecord, decode_desk, encode_desk
from schemas.mission import LEVELS, Level

S = 1_000_000_000


@dataclass
class Shift:
    """records: what stands on telemetry.desk; states: on telemetry.alarms, in their order."""

    groups: dict[str, str] = field(default_factory=dict)  # parameter to group
    rules: DeskSettings = field(default_factory=DeskSettings)
    now: int = 1_000_000 * S
    board: Board = field(default_factory=Board)
    records: list[bytes] = field(default_factory=list)
    states: list[tuple[bytes, bytes]] = field(default_factory=list)
    offset: int = 0
    levels: dict[str, str] = field(default_factory=dict)

    topic: str = "one"

    def __post_init__(self) -> None:
        self.alarms = Alarms(lambda: self.topic)
        self.incidents = Incidents(
            self.board, self.rules, lambda alarm: self.groups.get(alarm.name, "")
        )

    def alarm(self, name: str, level: str, kind: str = "limit", source: str = "m") -> str:
        """The monitor of a parameter goes to a level. Returns the alarm's key."""
        key = f"{source}:/S/{name}:{kind}"
        before, self.levels[key] = self.levels.get(key, "normal"), level
        word = "raised" if before == "normal" else "cleared" if level == "normal" else "changed"
        self._alert(name, kind, source, word, before, level)
        return key

    def control(self, name: str, word: str) -> None:
        """A control record of the limit's monitor: acknowledged or inhibited."""
        key = f"m:/S/{name}:limit"
        before = self.levels[key]
        if word == "inhibited":
            self.levels[key] = "normal"
        by = {"control": {"who": "ben", "why": "by hand"}}
        self._alert(name, "limit", "m", word, before, self.levels[key], **by)

    def _alert(
        self, name: str, kind: str, source: str, word: str, before: str, level: str, **more: Any
    ) -> None:
        self.offset += 1
        alert = {
            "id": f"telemetry.raw-0-{self.offset}-0", "source": source, "parameter": f"/S/{name}",
            "name": name, "monitor": {"kind": kind, "name": "static"}, "transition": word,
            "level_before": before, "level_after": level, "generation_ns": self.now,
            "reception_ns": self.now, "since_ns": self.now, "observed": 3.0, "unit": "V",
            "quality": [], "sentence": f"{name} is {level}.",
        } | more  # fmt: skip
        state = self.alarms.take(alert)
        assert state
        self.states.append(state)
        self.board.take_alarm(*state, self.now)

    def look(self, after_s: float = 1.0) -> list[DeskRecord]:
        """What the desk notices so much later."""
        self.now += int(after_s * S)
        found = self.incidents.notice(self.now)
        self.records += [encode_desk(record) for record in found]
        return found

    def do(
        self, what: str, keys: Sequence[str] = (), incident: str = "", for_s: float | None = None
    ) -> DeskRecord:
        record = deed(self.board, what, "ana", "seen", self.now, keys, incident, for_s)
        self.records.append(encode_desk(record))
        self.board.take(decode_desk(self.records[-1]))
        return record

    def status(self, key: str) -> str:
        return self.board.alarms[key].status(self.now)

    def open(self) -> list[tuple[str, int, Level]]:
        """(group, alarms, level) of the open incidents."""
        return [(i.group, len(i.members), i.level) for i in self.board.open_incidents()]


def anew(shift: Shift, desk_first: bool) -> Board:
    """A board that reads the same two topics, compacted, in this order."""
    board = Board()
    last = dict(shift.states)

    def read_alarms() -> None:
        for key, value in last.items():
            board.take_alarm(key, value, shift.now)

    if not desk_first:
        read_alarms()
    for record in shift.records:
        board.take(decode_desk(record))
    if desk_first:
        read_alarms()
    return board


def told(board: Board, now: int) -> Any:
    """All of a board that somebody could see, to be compared."""
    alarms = {k: (a.status(now), a.level, a.acknowledgement) for k, a in board.alarms.items()}
    incidents = {
        n: (i.source, i.group, i.head, i.members, i.told, i.opened_ns, i.joined_ns, i.asked_ns,
            i.answered, i.closed, i.within)
        for n, i in board.incidents.items()
    }  # fmt: skip
    return orjson.dumps((alarms, board.within, board.opened), default=str), str(incidents)


ALL_LEVELS = tuple(LEVELS)
