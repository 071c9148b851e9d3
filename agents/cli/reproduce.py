"""`heartline reproduce ID`: the proof of an alert."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click
from rich.table import Table

from agents.audit.reproduce import reproduce as again
from agents.cli.options import FILE, bootstrap_option, mdb_option, namespace_option
from agents.host.terminal import Terminal
from pipeline.mission.folder import load_mission


@click.command()
@click.argument("id_", metavar="ID")
@click.option("--mission", type=FILE, required=True, help="Mission folder of the alert's source.")
@mdb_option
@namespace_option
@bootstrap_option
def reproduce(id_: str, mission: Path, mdb: Path | None, namespace: str, bootstrap: str) -> None:
    """Derive an alert again from the input as it stands on telemetry.raw: the same bytes, or the
    first that differs, and what fields they belong to (status 1)."""
    done = asyncio.run(again(bootstrap, namespace, id_, load_mission(mission, mdb)))
    console = Terminal(soft_wrap=True)
    console.print(f"input: {done.records} records, SHA-256 of their values {done.sha256}")
    if done.differs_at is None:
        console.print(f"reproduced bit for bit: {len(done.stored)} bytes.", style="bold")
        return
    if done.derived is None:
        console.print("NOT reproduced: this input does not produce that alert.", style="bold")
    else:
        console.print(f"NOT reproduced: byte {done.differs_at} differs.", style="bold")
        table = Table("field", "stored", "derived")
        for name, old, new in done.fields():
            table.add_row(name, str(old), str(new))
        console.print(table)
    sys.exit(1)
