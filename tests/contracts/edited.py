"""Imports modules with added lines: a row is added to the text, as a person would add it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import NamedTuple


class Line(NamedTuple):
    """text is inserted before the only line of the module that begins with `before`."""

    module: str
    before: str
    text: str


def edit(*lines: Line) -> None:
    """Call it before any of the modules is imported, and with a kernel cache of its own."""
    for line in lines:
        assert line.module not in sys.modules, f"{line.module} is read already"
    sys.meta_path.insert(0, _Finder(lines))


class _Finder(MetaPathFinder):
    def __init__(self, lines: tuple[Line, ...]) -> None:
        self._lines = lines

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        mine = [line for line in self._lines if line.module == fullname]
        found = PathFinder.find_spec(fullname, path, target) if mine else None
        if found and found.origin:
            found.loader = _Loader(fullname, found.origin, mine)
        return found


class _Loader(SourceFileLoader):
    def __init__(self, fullname: str, path: str, lines: list[Line]) -> None:
        super().__init__(fullname, path)
        self._lines = lines

    def get_code(self, fullname: str):  # type: ignore[no-untyped-def]
        text = Path(self.path).read_text()
        for line in self._lines:
            places = [n for n in text.split("\n") if n.startswith(line.before)]
            assert len(places) == 1, f"{fullname} has {len(places)} lines that begin so"
            text = text.replace(places[0], f"{line.text}\n{places[0]}", 1)
        return compile(text, self.path, "exec", dont_inherit=True)
