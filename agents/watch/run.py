"""Which of the two it is: a screen where there is a terminal, lines where there is none."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from agents.watch.board import Board
from agents.watch.lines import follow_in_lines
from agents.watch.reader import Reader

_NOISY = ("aiokafka", "heartline", "asyncio")


async def watch(bootstrap: str, namespace: str, from_start: bool, seconds: float | None) -> None:
    """Until `seconds` have gone by, or it is told to end."""
    with silent():
        # textual draws on standard error
        terminal = all(f.isatty() for f in (sys.stdin, sys.stdout, sys.stderr))
        if terminal and os.environ.get("TERM") != "dumb":
            await _on_screen(bootstrap, namespace, from_start, seconds)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await follow_in_lines(bootstrap, namespace, from_start, say)


async def _on_screen(
    bootstrap: str, namespace: str, from_start: bool, seconds: float | None
) -> None:
    from agents.watch.screen import Watch  # textual takes its time to import

    board = Board(bootstrap)
    app = Watch(board, Reader(board, bootstrap, namespace, from_start), seconds)
    await app.run_async()
    await app.ended()


def say(line: str) -> None:
    """A line to standard output, at once. What its encoding lacks is escaped."""
    encoding = sys.stdout.encoding or "utf-8"
    text = line.encode(encoding, "backslashreplace").decode(encoding)
    try:
        print(text, flush=True)  # noqa: T201 - this is what the command is for
    except BrokenPipeError:  # whoever read it has gone; not the broker, which is an OSError too
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise EOFError("standard output is closed") from None


@contextmanager
def silent() -> Iterator[None]:
    """Clients that log what the screen says in words would write across it."""
    nothing, loggers = logging.NullHandler(), [logging.getLogger(n) for n in _NOISY]
    before = [(one.propagate, one.level) for one in loggers]
    for one in loggers:
        one.addHandler(nothing)
        one.propagate = False
    try:
        yield
    finally:
        for one, (propagate, level) in zip(loggers, before, strict=True):
            one.removeHandler(nothing)
            one.propagate, one.level = propagate, level
