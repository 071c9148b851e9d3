"""A part of the screen: rows by pages, a cursor that stays on its row when rows move."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from rich.console import Group
from rich.text import Text
from textual.binding import Binding, BindingType
from textual.widget import Widget

from agents.watch.drawing import Column, place, table

HEAD = 2  # lines above the rows: the title, and the columns' names


class Pane(Widget, can_focus=True):
    """items: all rows, in order; key: what identifies a row; cells: how a row is shown."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "move(1)", show=False),
        Binding("up,k", "move(-1)", show=False),
        Binding("pagedown,space", "page(1)", show=False),
        Binding("pageup,b", "page(-1)", show=False),
        Binding("home,g", "top", show=False),
        Binding("end,G", "bottom", show=False),
    ]

    def __init__(
        self,
        title: str,
        columns: Sequence[Column],
        items: Callable[[], Sequence[Any]],
        key: Callable[[Any], object],
        cells: Callable[[Any], list[Text]],
        id: str,
    ) -> None:
        super().__init__(id=id)
        self._title, self._columns = title, columns
        self._items, self._key, self._cells = items, key, cells
        self.first = 0
        self.at = 0
        self.place = ""
        self._on: object = None  # key of the row under the cursor; None: the top, whatever is there

    @property
    def rows(self) -> int:
        """How many rows fit."""
        return max(1, self.size.height - HEAD)

    def selected(self) -> Any:
        items = self._settle()
        return items[self.at] if items else None

    def _settle(self) -> Sequence[Any]:
        """Put the cursor back on its row, and the page where it shows that row."""
        items = self._items()
        if self._on is not None:
            here = items[self.at] if self.at < len(items) else None
            if here is None or self._key(here) != self._on:
                found = (i for i, item in enumerate(items) if self._key(item) == self._on)
                self.at = next(found, self.at)
        self.at = max(0, min(self.at, len(items) - 1))
        self.first = max(0, min(self.first, len(items) - self.rows))
        if not self.first <= self.at < self.first + self.rows:
            self.first = max(0, min(self.at, len(items) - self.rows))
        return items

    def _go(self, at: int) -> None:
        items = self._items()
        self.at = max(0, min(at, len(items) - 1))
        self._on = self._key(items[self.at]) if self.at else None
        self._settle()
        self.refresh()

    def action_move(self, by: int) -> None:
        self._settle()
        self._go(self.at + by)

    def action_page(self, by: int) -> None:
        """Move by a page: downwards, it begins with the row after the last shown."""
        items = self._settle()
        last = max(0, len(items) - 1)
        to = self.first + by * self.rows
        self.first = max(0, min(to, len(items) - self.rows))
        self._go(last if to > last else max(0, to))

    def action_top(self) -> None:
        self.first = 0
        self._go(0)

    def action_bottom(self) -> None:
        self._go(len(self._items()) - 1)

    def render(self) -> Group:
        items = self._settle()
        shown = items[self.first : self.first + self.rows]
        self.place = place(self.first, len(shown), len(items))
        title = Text(f"{self._title} {self.place}", "bold reverse" if self.has_focus else "bold")
        cursor = self.at - self.first if self.has_focus and items else None
        return Group(title, table(self._columns, map(self._cells, shown), cursor))
