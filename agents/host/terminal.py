"""What the commands print on: texts from outside are data there, no markup and no control codes."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from agents.host.plain import plain

LONGEST = 10_000  # characters of one line; what is longer comes from nobody that is well


class Terminal(Console):
    """A console that takes no text for markup, and prints none of its control codes."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**({"markup": False, "highlight": False, "emoji": False} | options))

    def print(self, *objects: Any, **options: Any) -> None:
        """Lines are not broken, so that a command in one can be copied; tables are, and no word of
        theirs is cut: who did it, and what to call it by, must be there on the smallest screen."""
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
    """Every line of a text made harmless, the lines kept."""
    return "\n".join(plain(line, LONGEST) for line in text.split("\n"))
