"""Mistakes of a user, as messages: what is wrong, where, and how to fix it."""

from __future__ import annotations

import re

import orjson

Place = tuple[str | int, ...]  # keys, and the numbers of list items, that lead to something in TOML
_BARE = re.compile(r"[A-Za-z0-9_-]+")  # a key that TOML takes without quotes


class MissionError(Exception):
    """A mission's files cannot be used. The message names file, line and element."""


class SettingsError(MissionError):
    """A mission.toml cannot be used. The message names the table; `load_mission`, which has the
    text, puts file and line in front of it.

    table: the table that is wrong, () for the top level; inside: the key in it, and any deeper.
    """

    def __init__(self, what: str, table: Place = (), *inside: str | int) -> None:
        super().__init__(f"{_header(table)}: {what}" if table else what)
        self.place = (*table, *inside)


class FlightError(Exception):
    """A recorded flight cannot be read."""


def _header(table: Place) -> str:
    """As TOML writes it."""
    keys = (key for key in table if isinstance(key, str))
    name = ".".join(k if _BARE.fullmatch(k) else orjson.dumps(k).decode() for k in keys)
    last = table[-1]
    return f"[[{name}]] number {last + 1}" if isinstance(last, int) else f"[{name}]"


class FloodError(MissionError):
    """A database that asks for endless work: nothing more of it is read."""
