"""The watch as plain lines, for a pipe or a file: no colour, no cursor, a line at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from agents.watch.board import Board
from agents.watch.reader import Reader
from agents.watch.rows import AlarmRow, AlertRow
from agents.watch.words import moment
from schemas.columns import SECOND

AGAIN_S = 60.0  # a problem that lasts is printed again


class Lines:
    """Decides what is printed, and when. say: prints a line."""

    def __init__(self, board: Board, say: Callable[[str], None]) -> None:
        self._board, self._say = board, say
        self._kinds: tuple[str, ...] = ()
        self._said_ns = 0

    def standing(self, now_ns: int) -> None:
        """Print the active alarms: each time they were read from the beginning."""
        self._say(f"{moment(now_ns)}  {self._board.headline(now_ns)[0]}")
        for alarm in self._board.alarms:
            self._say(alarm_line(self._board.alarm_row(alarm, now_ns)))

    def alert(self, row: AlertRow) -> None:
        told = (row.time, f"{row.level:<8}", row.source, row.transition, row.sentence, row.id)
        self._say("  ".join(told))

    def status(self, now_ns: int) -> None:
        """Print a line when the status has changed, and once a minute while it is bad."""
        lines = self._board.status(now_ns)
        kinds = tuple(s.kind for s in lines)
        bad = any(s.bad for s in lines)
        again = bad and now_ns - self._said_ns >= AGAIN_S * SECOND
        if kinds != self._kinds or again:
            self._kinds, self._said_ns = kinds, now_ns
            self._say(f"{moment(now_ns)}  # {'; '.join(s.text for s in lines)}")


def alarm_line(row: AlarmRow) -> str:
    told = [f"{row.level:<9}", row.source, row.parameter, row.monitor, row.value]
    told.append(f"{row.age} old, since {row.since}")
    told += [x for x in (row.limit, row.marks, row.sentence) if x]
    return "  ".join(told)


async def follow_in_lines(
    bootstrap: str, namespace: str, from_start: bool, say: Callable[[str], None]
) -> None:
    """Run until cancelled. BrokerError: connecting to the broker is not allowed."""
    board = Board(bootstrap)
    lines = Lines(board, say)
    reader = Reader(
        board, bootstrap, namespace, from_start,
        on_standing=lambda: lines.standing(time.time_ns()), on_alert=lines.alert,
    )  # fmt: skip
    reading = asyncio.create_task(reader.run())
    try:
        while not reading.done():
            await asyncio.wait({reading}, timeout=0.5)
            lines.status(time.time_ns())
        reading.result()
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
