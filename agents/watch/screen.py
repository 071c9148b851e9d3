"""The screen of a terminal, by textual: what the board says, twice a second (docs/watch.md)."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable
from typing import ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.widget import Widget

from agents.watch.board import Board
from agents.watch.drawing import (
    ALARM_COLUMNS,
    ALERT_COLUMNS,
    FIGURE_COLUMNS,
    alarm_cells,
    alert_cells,
    figure_cells,
    head,
)
from agents.watch.pane import Pane
from agents.watch.reader import Reader

REFRESH_S = 0.5
KEYS = (
    "↑ ↓ row   PgUp PgDn page   Home End   Tab or 1 2 3 alarms, statistics, alerts   "
    "z one alone   q end"
)


class Line(Widget):
    """Text that is computed again whenever the screen is drawn."""

    def __init__(self, text: Callable[[], Text], id: str) -> None:
        super().__init__(id=id)
        self._text = text

    def render(self) -> Text:
        return self._text()


class Watch(App[None]):
    """Runs a reader while it is open. seconds: it closes by itself after so many."""

    CSS = """
    Screen { layout: vertical; overflow: hidden; }
    #head { height: auto; max-height: 8; margin-bottom: 1; }
    #alarms { height: 6fr; min-height: 3; }
    #about { height: auto; max-height: 6; margin-bottom: 1; }
    #figures { height: 2fr; min-height: 3; margin-bottom: 1; }
    #alerts { height: 2fr; min-height: 3; }
    #keys { height: 1; color: $text-muted; }
    """
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,ctrl+c", "quit", priority=True),
        Binding("tab", "next(1)", priority=True),
        Binding("shift+tab", "next(-1)", priority=True),
        Binding("1", "show(0)"),
        Binding("2", "show(1)"),
        Binding("3", "show(2)"),
        Binding("z", "zoom"),
    ]

    def __init__(
        self,
        board: Board,
        reader: Reader | None = None,
        seconds: float | None = None,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        super().__init__()
        self._board, self._reader, self._seconds, self._now = board, reader, seconds, now_ns
        self._reading: asyncio.Task[None] | None = None
        self._zoomed = False
        self.panes = (
            Pane("alarms", ALARM_COLUMNS, lambda: board.alarms, lambda a: a.key,
                 lambda a: alarm_cells(board.alarm_row(a, now_ns())), id="alarms"),
            Pane("statistics", FIGURE_COLUMNS, lambda: board.figures, lambda k: k,
                 lambda k: figure_cells(board.figure_row(k, now_ns())), id="figures"),
            Pane("alerts", ALERT_COLUMNS, lambda: board.recent, lambda a: a.alarm.alert,
                 lambda a: alert_cells(board.alert_row(a, now_ns())), id="alerts"),
        )  # fmt: skip

    def compose(self) -> ComposeResult:
        alarms, figures, alerts = self.panes
        yield Line(lambda: head(self._board, self._now()), id="head")
        yield alarms
        yield Line(self._about, id="about")
        yield figures
        yield alerts
        yield Line(lambda: Text(KEYS, no_wrap=True, overflow="ellipsis"), id="keys")

    def on_mount(self) -> None:
        self.panes[0].focus()
        self.set_interval(REFRESH_S, self._redraw)
        if self._seconds is not None:
            self.set_timer(self._seconds, self.exit)
        if self._reader:
            self._reading = asyncio.create_task(self._reader.run())
            self._reading.add_done_callback(self._reader_ended)
        # a supervisor's SIGTERM must leave the terminal as it was
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self.exit)

    def _reader_ended(self, reading: asyncio.Task[None]) -> None:
        if not reading.cancelled():
            self.exit()  # `ended` raises its error: connecting to the broker is not allowed

    async def ended(self) -> None:
        """Await this after the screen has closed. It raises what ended the reader, if anything."""
        if self._reading:
            self._reading.cancel()
            await asyncio.wait({self._reading})
            if not self._reading.cancelled():
                self._reading.result()

    def _redraw(self) -> None:
        for widget in self.query(Line):
            widget.refresh(layout=True)
        for pane in self.panes:
            pane.refresh()

    def _about(self) -> Text:
        """All that is known of the alarm under the cursor, or of the alert."""
        if self.panes[2].has_focus and (alert := self.panes[2].selected()):
            told = self._board.alert_row(alert, self._now())
            return Text(f"{told.sentence}\nalert {told.id}", "italic")
        alarm = self.panes[0].selected()
        if alarm is None:
            return Text("")
        row = self._board.alarm_row(alarm, self._now())
        return Text("\n".join((row.sentence, "; ".join(row.about))), "italic")

    def action_next(self, by: int) -> None:
        now = next((i for i, pane in enumerate(self.panes) if pane.has_focus), 0)
        self.action_show((now + by) % len(self.panes))

    def action_show(self, number: int) -> None:
        for i, pane in enumerate(self.panes):
            pane.display = i == number or not self._zoomed
        self.panes[number].focus()

    def action_zoom(self) -> None:
        self._zoomed = not self._zoomed
        self.action_show(next((i for i, pane in enumerate(self.panes) if pane.has_focus), 0))
