"""Collects refusals, so that all refusals of a file are reported at once."""

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
        """Keep a MissionError and go on. After a FloodError, report at once and stop."""
        try:
            yield
        except FloodError as error:
            self._lines.setdefault(str(error))
            self.end()
        except MissionError as error:
            self._lines.setdefault(str(error))

    def end(self) -> None:
        """Raise one MissionError with all kept refusals, if there are any."""
        lines = [*self._lines]
        if lines:
            more = [f"… and {len(lines) - MOST} more."] if len(lines) > MOST else []
            raise MissionError("\n".join([*lines[:MOST], *more]))
