"""`heartline watch` in a pipe, where it prints lines."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.integration.system import wait_until


@dataclass
class Watching:
    process: subprocess.Popen[bytes]
    out: Path

    def lines(self) -> list[str]:
        return self.out.read_text().splitlines()

    def says(self, what: str, seconds: float = 30) -> str:
        """The first line that holds it, once it is there."""
        wait_until(
            lambda: any(what in x for x in self.lines()), seconds, lambda: self.out.read_text()
        )
        return next(x for x in self.lines() if what in x)


@contextmanager
def watching(bootstrap: str, folder: Path, *more: str) -> Iterator[Watching]:
    out, errors = folder / "watch.txt", folder / "watch.err"
    with out.open("wb") as a, errors.open("wb") as b:
        process = subprocess.Popen(
            [sys.executable, "-m", "agents", "watch", "--bootstrap", bootstrap, *more],
            stdout=a,
            stderr=b,
        )
    try:
        yield Watching(process, out)
        assert errors.read_text() == "", "a client's log is no part of it"
    finally:
        process.kill()
        process.wait()
