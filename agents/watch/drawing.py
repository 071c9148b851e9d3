"""Rows as tables of rich, for the screen and the demo. Every cell is a Text: no markup is read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.console import Group
from rich.table import Table
from rich.text import Text

from agents.watch.board import Board
from agents.watch.rows import AlarmRow, AlertRow, FigureRow
from agents.watch.words import moment

STYLES = {
    "normal": "green", "watch": "cyan", "warning": "yellow", "distress": "dark_orange",
    "critical": "bold red", "severe": "bold white on red", "inhibited": "magenta",
}  # fmt: skip
WELL, UNWELL, UNKNOWN = "bold green", "bold", "bold white on red"
CURSOR = "reverse"


@dataclass(frozen=True, slots=True)
class Column:
    """ratio: of the room that is left; 0: as wide as its longest cell."""

    title: str
    right: bool = False
    ratio: int = 0


ALARM_COLUMNS = (
    Column("level"), Column("source"), Column("parameter"), Column("monitor"),
    Column("value", right=True), Column("age", right=True), Column("since"),
    Column("to limit"), Column("by whom, and what", ratio=1),
)  # fmt: skip
FIGURE_COLUMNS = (
    Column("source"), Column("parameter"), Column("window", right=True),
    Column("count", right=True), Column("mean", right=True), Column("std", right=True),
    Column("min", right=True), Column("max", right=True), Column("age", right=True),
    Column("", ratio=1),
)  # fmt: skip
ALERT_COLUMNS = (
    Column("time"), Column("level"), Column("source"), Column("what"), Column("sentence", ratio=1),
)  # fmt: skip


def head(board: Board, now_ns: int) -> Text:
    """The time, how many alarms are active, and the status of what is followed."""
    text, well = board.headline(now_ns)
    known = board.link.is_well(now_ns)
    out = Text(f"{moment(now_ns)}  ", "bold", no_wrap=False)
    out.append(text, WELL if well else UNWELL if known else UNKNOWN)
    for status in board.status(now_ns):
        out.append(f"\n{status.text}", "bold yellow" if status.bad else "dim")
    return out


def alarm_cells(row: AlarmRow) -> list[Text]:
    style = STYLES[row.level]
    rest = "dim" if row.marks else ""
    what = "; ".join(x for x in (row.marks, row.sentence) if x)
    late = "bold" if row.limit.startswith("in ") else ""
    return [
        Text(row.level, style), Text(row.source), Text(row.parameter, style), Text(row.monitor),
        Text(row.value), Text(row.age), Text(row.since), Text(row.limit, late), Text(what, rest),
    ]  # fmt: skip


def figure_cells(row: FigureRow) -> list[Text]:
    cells = (row.source, row.parameter, row.window, row.count, row.mean, row.std, row.min, row.max)
    return [*map(Text, cells), Text(row.age), Text("")]


def alert_cells(row: AlertRow) -> list[Text]:
    style = STYLES[row.level]
    return [
        Text(row.time), Text(row.level, style), Text(row.source), Text(row.transition),
        Text(row.sentence, style),
    ]  # fmt: skip


def table(
    columns: Sequence[Column], rows: Iterable[list[Text]], cursor: int | None = None
) -> Table:
    """One line a row, cut where there is no room. cursor: which row is marked."""
    made = Table(box=None, expand=True, padding=(0, 1, 0, 0), pad_edge=False)
    for c in columns:
        made.add_column(
            Text(c.title, "dim"), justify="right" if c.right else "left", no_wrap=True,
            overflow="ellipsis", ratio=c.ratio or None,
        )  # fmt: skip
    for i, cells in enumerate(rows):
        made.add_row(*cells, style=CURSOR if i == cursor else None)
    return made


def place(first: int, shown: int, total: int) -> str:
    """'13–24 of 57'."""
    return f"{first + 1}–{first + shown} of {total}" if shown else f"0 of {total}"


def whole(board: Board, now_ns: int, rows: int = 12) -> Group:
    """All of it in one piece, the first rows of each part."""
    alarms, figures, alerts = board.alarms, board.figures, board.recent
    return Group(
        head(board, now_ns),
        Text(f"\nalarms {place(0, len(alarms[:rows]), len(alarms))}", "bold"),
        table(ALARM_COLUMNS, [alarm_cells(board.alarm_row(a, now_ns)) for a in alarms[:rows]]),
        Text(f"\nstatistics {place(0, len(figures[:rows]), len(figures))}", "bold"),
        table(FIGURE_COLUMNS, [figure_cells(board.figure_row(f, now_ns)) for f in figures[:rows]]),
        Text(f"\nalerts {place(0, len(alerts[:rows]), len(alerts))}", "bold"),
        table(ALERT_COLUMNS, [alert_cells(board.alert_row(a, now_ns)) for a in alerts[:rows]]),
    )
