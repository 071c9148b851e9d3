"""A PostgreSQL of Debian's package, of its own for a test; who writes into it, and how Grafana asks."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from agents.broker.embedded import free_port
from tests.conftest import PROJECT
from tests.integration.shift import Process
from tests.integration.system import wait_until

BOARD = PROJECT / "deploy" / "grafana" / "dashboards" / "alerts.json"  # the one that asks it


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


class Writer(Process):
    """`heartline table`."""

    def __init__(self, bootstrap: str, folder: Path, url: str) -> None:
        port = free_port()
        super().__init__(
            [sys.executable, "-m", "agents", "table", "--bootstrap", bootstrap, "--to", url,
             "--metrics-port", str(port)],
            folder / "table.log", f"http://127.0.0.1:{port}/healthz",
        )  # fmt: skip

    def health(self) -> str:
        try:
            with urllib.request.urlopen(self.ready, timeout=2) as answer:
                return str(answer.read())
        except urllib.error.HTTPError as error:
            return f"{error.code} {error.read()!r}"
        except OSError:
            return ""  # it does not listen yet


def ask(url: str, query: str) -> list[dict[str, Any]]:
    async def run() -> list[dict[str, Any]]:
        client = await asyncpg.connect(url)
        try:
            return [dict(row) for row in await client.fetch(query)]
        finally:
            await client.close()

    return asyncio.run(run())


def filled(query: str, since: float) -> str:
    """As Grafana asks, with every variable at its widest."""
    span = f"to_timestamp({since}) AND to_timestamp({time.time() + 60})"
    for clock in ("told", "at"):
        query = query.replace("$clock", "told").replace(
            f"$__timeFilter({clock})", f"{clock} BETWEEN {span}"
        )
    query = query.replace("($namespace)", "(SELECT DISTINCT namespace FROM heartline_read)")
    for name in ("source", "level"):
        query = query.replace(f"(${name})", f"(SELECT DISTINCT {name} FROM heartline_alerts)")
    return query
