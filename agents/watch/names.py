"""The short name of a parameter where it is unambiguous, else the qualified name."""

from __future__ import annotations

from collections.abc import Iterable

from agents.host.plain import plain


class Names:
    """shown: (source, qualified name) of every parameter on the screen."""

    def __init__(self, shown: Iterable[tuple[str, str]] = ()) -> None:
        self._by_short: dict[tuple[str, str], str] = {}
        for source, name in shown:
            key = (source, _short(name))
            if self._by_short.setdefault(key, name) != name:
                self._by_short[key] = ""  # of several: '' is no parameter's name

    def of(self, source: str, name: str) -> str:
        short = _short(name)
        own = self._by_short.get((source, short)) == name
        return plain(short if own else name, 80)


def _short(name: str) -> str:
    return name.rsplit("/", 1)[-1] or name
