"""Refusals that are kept, so that a file's are told all at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.errors import FloodError, MissionError

MOST = 50  # lines


class Faults:
    def __init__(self) -> None:
        self._lines: dict[str, None] = {}  # in order, each once

    def __bool__(self) -> bool:
        return bool(self._lines)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Go on behind a MissionError; not behind one that is told because of too much work."""
        try:
            yield
        except FloodError as error:
            self._lines.setdefault(str(error))
            self.end()
        except MissionError as error:
            self._lines.setdefault(str(error))

    def end(self) -> None:
        """MissionError where there was any."""
        lines = [*self._lines]
        if lines:
            more = [f"… and {len(lines) - MOST} more."] if len(lines) > MOST else []
            raise MissionError("\n".join([*lines[:MOST], *more]))
