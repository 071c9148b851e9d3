"""Lines of a mission.toml: where a table, a key or an item of a list begins.

tomllib gives no line numbers. It has parsed the text before, so the text is valid TOML.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

from pipeline.errors import Place

Token = tuple[str, int]  # and its line
_TOKEN = re.compile(
    r"""
    "{3} (?: \\. | [^\\] )*? "{3,5}     # a text of many lines may end in two quotes of its own
    | '{3} .*? '{3,5}
    | " (?: \\. | [^"\\] )* "
    | ' [^']* '
    | \# [^\n]*
    | \n
    | [][{}=,.]
    | [^][{}=,.\#"'\s]+                 # a bare key, or some of a number, a date, a boolean
    """,
    re.VERBOSE | re.DOTALL,
)


def line_of(text: str, place: Place) -> int | None:
    """Line of a place, else of the nearest place around it that is in the text, else None."""
    known = lines(text)
    around = (place[:n] for n in range(len(place), 0, -1))
    return next((known[p] for p in around if p in known), None)


def lines(text: str) -> dict[Place, int]:
    """The line where each table, key and list item begins."""
    found: dict[Place, int] = {}
    newest: dict[Place, int] = {}  # number of the newest table of each [[list]]
    table: Place = ()
    for statement in _statements(text):
        if statement[0][0] == "[":
            table = _header(statement, newest, found)
            continue
        for place, line in _places(statement, table):
            found.setdefault(place, line)
    return found


def _statements(text: str) -> Iterator[list[Token]]:
    """The tokens of one header, or of one key and its value, at a time; no comments."""
    line, depth = 1, 0
    statement: list[Token] = []
    for match in _TOKEN.finditer(text + "\n"):
        token = match[0]
        depth += (token in ("[", "{")) - (token in ("]", "}"))
        if token == "\n" and depth == 0 and statement:
            yield statement
            statement = []
        elif token[0] not in "\n#":
            statement.append((token, line))
        line += token.count("\n")


def _header(statement: list[Token], newest: dict[Place, int], found: dict[Place, int]) -> Place:
    """The table that [a.b] or [[a.b]] begins. Notes its line, also for tables around it."""
    line, is_item = statement[0][1], statement[1][0] == "["
    *around, name = (_key(token) for token, _ in statement if token not in ("[", "]", "."))
    table: Place = ()
    for key in around:
        table = (*table, key)
        found.setdefault(table, line)
        if table in newest:  # the name of a list means its newest table
            table = (*table, newest[table])
    table = (*table, name)
    if is_item:
        found.setdefault(table, line)
        newest[table] = newest.get(table, -1) + 1
        table = (*table, newest[table])
    found[table] = line  # its own header, even where [a.b] came before [a]
    return table


def _places(statement: list[Token], table: Place) -> Iterator[tuple[Place, int]]:
    """A key, dotted or not, and all that its value holds: places with their lines.

    A stack instead of recursion: lists may be nested as deep as tomllib allows.
    """
    opened = [table]  # tables and lists that are not closed yet
    key: Place = ()
    value: Place = ()  # the value that is being read; () while reading a key
    for token, line in statement:
        if token in ("]", "}"):
            value = opened.pop()
        elif token == ",":
            *around, last = value
            value = (*around, last + 1) if isinstance(last, int) else ()
        elif token == "=":
            key, value = (), (*opened[-1], *key)
        elif value:
            yield value, line
            if token in ("[", "{"):
                opened.append(value)
                value = (*value, 0) if token == "[" else ()
        elif token != ".":
            key = (*key, _key(token))
            yield (*opened[-1], *key), line


def _key(token: str) -> str:
    """What a bare or quoted key is called."""
    return next(iter(tomllib.loads(f"{token} = 0"))) if token[0] in "\"'" else token
