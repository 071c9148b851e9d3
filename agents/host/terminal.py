"""The console of the commands: outside text is data there, never markup or control codes."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from agents.host.plain import plain

LONGEST = 10_000  # characters of one line; no healthy source sends more


class Terminal(Console):
    """A console that takes no text for markup, and prints none of its control codes."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**({"markup": False, "highlight": False, "emoji": False} | options))

    def print(self, *objects: Any, **options: Any) -> None:
        """Lines are not wrapped, so that a command in one can be copied. Tables are wrapped, and
        no word is cut: who did it, and its name, must be there on the smallest screen."""
        for table in objects:
            if isinstance(table, Table):
                for column in table.columns:
                    column.overflow = "fold"
        if all(isinstance(one, str) for one in objects):
            options = {"soft_wrap": True} | options
        super().print(*objects, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(lines(text), **options)


def lines(text: str) -> str:
    """The text with every line made safe to show; line breaks are kept."""
    return "\n".join(plain(line, LONGEST) for line in text.split("\n"))
