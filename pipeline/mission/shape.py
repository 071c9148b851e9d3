"""Checks the shape of a parsed mission.toml before its values: what is a table, a list, a text.

TOML has dates, numbers of any size and tables anywhere; the later checks must not meet them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from pipeline.errors import Place, SettingsError
from pipeline.models.families import BY_NAME

_DEPTH = 4  # alarms, its parameter, its level, its bounds
_MOST = 2**63


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _list_of(good: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(good(v) for v in value)


def _table(value: Any) -> bool:
    return isinstance(value, dict)


def _tables(value: Any) -> bool:
    return _table(value) and all(map(_table, value.values()))


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _groups(value: Any) -> bool:
    return _table(value) and all(name and _list_of(_text)(v) for name, v in value.items())


_SHAPES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "time": ("a table, [time]", _table),
    "gate": ("a table, [gate]", _table),
    "phases": ("a table, [phases]", _table),
    "outputs": ("a table, [outputs]", _table),
    "alarms": ("a table of tables, [alarms.NAME]", _tables),
    **{
        k: (f"a list of tables, [[{k}]]", _list_of(_table))
        for k in ("resample", *BY_NAME, "statistics")
    },
    **{k: ('a list of texts, ["…"]', _list_of(_text)) for k in ("ignore", "gauges", "subsystems")},
    "groups": ("a table of lists of texts, [groups]", _groups),
    "quantiles": ("a list of numbers", _list_of(_number)),
}
_ALARM: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "deadband": ("a number of 0 or more", lambda v: _number(v) and 0 <= v < math.inf),
    "min_violations": ("a whole number of 1 or more", lambda v: _whole(v) and v >= 1),
    "override": ("true or false", lambda v: isinstance(v, bool)),
    "min_s": ("a number of 0 or more", lambda v: _number(v) and 0 <= v < math.inf),
    "latch": ("true or false", lambda v: isinstance(v, bool)),
}


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def check_shape(table: dict[str, Any]) -> None:
    """SettingsError names the key that is not of its shape."""
    _check_plain(table, ())
    _check_keys(table, _SHAPES, ())
    for name, rule in table.get("alarms", {}).items():
        levels = {
            k: ("two numbers, [low, high]", _list_of(_number)) for k in rule if k not in _ALARM
        }
        _check_keys(rule, {**_ALARM, **levels}, ("alarms", name))


def _check_keys(
    table: dict[str, Any], shapes: dict[str, tuple[str, Callable[[Any], bool]]], place: Place
) -> None:
    for key, (wanted, good) in shapes.items():
        if key in table and not good(table[key]):
            raise SettingsError(f"{key} = {_short(table[key])} must be {wanted}.", place, key)


def _check_plain(value: Any, place: Place) -> None:
    """Allows tables, lists, texts, booleans and numbers of 64 bits, nested to _DEPTH at most."""
    if len(place) > _DEPTH:
        raise _not_plain(f"tables and lists nested deeper than {_DEPTH}.", place)
    if isinstance(value, dict):
        for key, inner in value.items():
            if "\0" in key:
                raise SettingsError(f"the key {_short(key)} holds a NUL.", place, key)
            _check_plain(inner, (*place, key))
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            _check_plain(inner, (*place, i))
    elif isinstance(value, int):
        if not -_MOST <= value < _MOST:
            raise _not_plain("a number of more than 64 bits.", place)
    elif isinstance(value, str):
        if "\0" in value:
            raise _not_plain(f"{_short(value)} holds a NUL.", place)
    elif not isinstance(value, float):
        raise _not_plain(f"{_short(value)} is a date or time, which no setting takes.", place)


def _not_plain(what: str, place: Place) -> SettingsError:
    """An error about a value, located at the last key that leads to it."""
    at = max(i for i, part in enumerate(place) if isinstance(part, str))
    return SettingsError(f"{place[at]}: {what}", place[:at], *place[at:])


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
