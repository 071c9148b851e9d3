"""A PostgreSQL of Debian's package, of its own for a test."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from agents.broker.embedded import free_port
from tests.integration.system import wait_until


@dataclass
class Postgres:
    """programs: folder of initdb and postgres. They refuse to run as root, and are given another
    user then."""

    folder: Path
    programs: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"postgresql://heartline@127.0.0.1:{self.port}/postgres"

    @property
    def _who(self) -> str | None:
        return "postgres" if os.geteuid() == 0 else None

    def make(self) -> None:
        self.folder.mkdir()
        if self._who:
            shutil.chown(self.folder, self._who)
            for above in self.folder.parents:  # pytest's folders are for their owner alone
                if above.owner() == "root" and above != Path("/"):
                    above.chmod(above.stat().st_mode | 0o011)
        subprocess.run(
            [self.programs / "initdb", "-D", self.folder, "-U", "heartline", "-A", "trust", "-N"],
            check=True, capture_output=True, user=self._who, cwd="/",
        )  # fmt: skip

    def start(self) -> None:
        self.process = subprocess.Popen(
            [self.programs / "postgres", "-D", self.folder, "-p", str(self.port), "-k", "",
             "-c", "listen_addresses=127.0.0.1"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, user=self._who, cwd="/",
        )  # fmt: skip
        asked = [self.programs / "pg_isready", "-h", "127.0.0.1", "-p", str(self.port)]
        wait_until(
            lambda: subprocess.run(asked, capture_output=True, check=False).returncode == 0,
            30, lambda: "PostgreSQL did not start",
        )  # fmt: skip

    def stop(self) -> None:
        """At once, as by a power cut."""
        if self.process:
            self.process.send_signal(3)  # SIGQUIT: its immediate shutdown
            self.process.wait(20)
            self.process = None


@contextmanager
def postgres(folder: Path) -> Iterator[Postgres]:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if not found:
        pytest.skip("PostgreSQL is not installed (Debian's package `postgresql`)")
    one = Postgres(folder / "postgres", found[-1].parent, free_port())
    one.make()
    one.start()
    try:
        yield one
    finally:
        one.stop()
