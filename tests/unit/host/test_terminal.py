"""Texts from outside are data on what the commands print."""

from __future__ import annotations

import io

import pytest
from rich.table import Table
from rich.tree import Tree

from agents.host.terminal import Terminal, lines

EVIL = "[bold]x[/s] \x1b]0;title\x07\x1b]8;;http://evil\x1b\\link \u202eevil :smile:"


@pytest.mark.parametrize("how", ["print", "table", "title", "tree"])
def test_no_markup_and_no_code(how: str) -> None:
    out = io.StringIO()
    terminal = Terminal(file=out, force_terminal=True, width=200)
    if how == "print":
        terminal.print(EVIL)
    elif how == "tree":
        terminal.print(Tree(EVIL))
    else:
        table = Table(EVIL, title=EVIL if how == "title" else None)
        table.add_row(EVIL)
        terminal.print(table)
    told = out.getvalue()
    assert "[bold]x[/s]" in told
    assert ":smile:" in told
    assert not any(code in told for code in ("\x1b]", "\x07", "\u202e"))


def test_lines_are_kept() -> None:
    assert lines("a\nb\x1b") == "a\nb\\x1b"


def test_a_narrow_table_cuts_no_word() -> None:
    out = io.StringIO()
    table = Table("parameter", "by")
    table.add_row("/VEHICLE/PUMP_A/TEMPERATURE_OF_THE_BEARING", "flight_director")
    Terminal(file=out, width=30).print(table)
    lines = out.getvalue().splitlines()
    shown = "".join(line.split("│")[1].strip() for line in lines if line.startswith("│"))
    assert shown == "/VEHICLE/PUMP_A/TEMPERATURE_OF_THE_BEARING"
