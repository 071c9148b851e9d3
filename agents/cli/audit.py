"""`heartline audit`: whether the alerts that are kept are the alerts that were made."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from agents.cli.options import FILE, bootstrap_option
from agents.kafka import BrokerError
from agents.run_files import alerts_in
from agents.tail import follow
from pipeline.outputs.ledger import Audit
from schemas import topics


@click.group()
def audit() -> None:
    """Check what was kept (docs/audit.md)."""


@audit.command()
@click.option("--from", "folder", type=FILE, help="Folder of `run`, instead of Kafka.")
@click.option("--namespace", default="", help="Put before every topic's name.")
@bootstrap_option
def verify(folder: Path | None, namespace: str, bootstrap: str) -> None:
    """Follow the ledger of every source through its alerts: status 1 where one was changed, left
    out, put in or moved. Keep the head it prints: it alone vouches for the last alert."""
    findings = asyncio.run(_read(book := Audit(), folder, namespace, bootstrap))
    if not (book.books or findings):
        where = str(folder) if folder else topics.on_wire(topics.ALERTS, namespace)
        raise BrokerError(f"No alert in {where} (another --namespace? --from FOLDER for a `run`?).")
    console = Console(highlight=False, soft_wrap=True, markup=False)
    table = Table("topic", "source", "alerts", "last", "repeats", "seams", "head")
    for (topic, source), b in sorted(book.books.items()):
        numbers = (b.alerts, b.last, b.repeats, len(b.seams))
        table.add_row(topic, source, *map(str, numbers), b.head)
    console.print(table)
    for (topic, _), b in sorted(book.books.items()):
        for id_ in b.seams:
            console.print(f"{topic}: from {id_} on other code or settings made them, anew.")
    for finding in findings:
        console.print(finding)
    if findings:
        console.print(f"NOT as written: {len(findings)} findings.", style="bold")
        sys.exit(1)
    console.print("every alert follows from the one before it.", style="bold")


async def _read(audit: Audit, folder: Path | None, namespace: str, bootstrap: str) -> list[str]:
    stored = _stored(namespace, bootstrap) if folder is None else _kept(folder)
    return [finding async for topic, value in stored for finding in audit.read(topic, value)]


async def _kept(folder: Path) -> AsyncIterator[tuple[str, bytes]]:
    for one in alerts_in(folder):
        yield one


async def _stored(namespace: str, bootstrap: str) -> AsyncIterator[tuple[str, bytes]]:
    async for topic, record in follow(bootstrap, namespace, topics.ALERTS_OF_ALL, True, True):
        yield topic, record.value or b""
