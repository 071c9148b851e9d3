"""`heartline audit`: whether the alerts that are kept are those that were emitted."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import orjson
from rich.table import Table

from agents.audit.recompute import Recomputed, recompute
from agents.cli.options import FILE, sources_option
from agents.cli.service_options import service_options, settings_of, source_pair
from agents.host.errors import BrokerError
from agents.host.plain import plain
from agents.host.terminal import Terminal
from agents.readers.run_files import alerts_in
from agents.readers.tail import follow
from agents.settings import Settings
from pipeline.outputs.ledger import Audit
from schemas import topics


@click.group()
def audit() -> None:
    """Check what was kept (docs/audit.md)."""


@audit.command()
@click.option("--from", "folder", type=FILE, help="Folder of `run`, instead of Kafka.")
@click.option(
    "--recompute",
    "again",
    is_flag=True,
    help="Run telemetry.raw through the chain again too, by the worker's own settings.",
)
@sources_option
@click.option("--json", "as_json", is_flag=True, help="All of it as one JSON object.")
@service_options
def verify(
    folder: Path | None, again: bool, sources: tuple[str, ...], as_json: bool, config: Path | None,
    **given: Any,
) -> None:  # fmt: skip
    """Follow the ledger of every source through its alerts: status 1 where one was changed, left
    out, put in or moved. Keep the heads that it prints: they alone vouch for the last alerts.

    --recompute finds what was never written, too: it wants the worker's --config, or its --source.
    """
    if again and folder:
        raise click.UsageError("--recompute reads telemetry.raw: it does not go with --from.")
    chosen = dict(source_pair(text) for text in sources) or None
    settings = settings_of(config, sources=chosen, **given)
    if again and not settings.sources:
        raise click.UsageError("--recompute wants the worker's --config, or its --source.")
    findings = asyncio.run(_read(book := Audit(), folder, settings))
    if not (book.books or findings or again):
        where = folder or topics.on_wire(topics.ALERTS, settings.namespace)
        raise BrokerError(f"No alert in {where} (another --namespace? --from FOLDER for a `run`?).")
    done = _recomputed(settings) if again else None
    findings += done.findings if done else []
    if as_json:
        click.echo(orjson.dumps(_object(book, findings, done), option=orjson.OPT_INDENT_2))
    else:
        _print(book, findings, done)
    sys.exit(1 if findings else 0)


def _recomputed(settings: Settings) -> Recomputed:
    missions = {name: source.load() for name, source in settings.sources.items()}
    return asyncio.run(recompute(settings, missions))


def _object(book: Audit, findings: list[str], done: Recomputed | None) -> dict[str, Any]:
    books = [
        {"topic": topic, "source": source, "alerts": b.alerts, "last": b.last,
         "repeats": b.repeats, "seams": list(b.seams), "head": b.head}
        for (topic, source), b in sorted(book.books.items())
    ]  # fmt: skip
    told = {"books": books, "findings": findings}
    return told | ({"recomputed": asdict(done)} if done else {})


def _print(book: Audit, findings: list[str], done: Recomputed | None) -> None:
    console = Terminal(soft_wrap=True)
    table = Table("topic", "source", "alerts", "last", "repeats", "seams")
    for (topic, source), b in sorted(book.books.items()):
        numbers = (b.alerts, b.last, b.repeats, len(b.seams))
        table.add_row(topic, plain(source), *map(str, numbers))
    console.print(table)
    for (topic, source), b in sorted(book.books.items()):
        console.print(f"head of {topic}, {plain(source)}: {b.head}")
        for id_ in b.seams:
            console.print(
                f"{topic}: from {id_} on, other code or settings recomputed the state (a seam)."
            )
    if done:
        console.print(
            f"{done.records} records of telemetry.raw give {done.alerts} alerts; {done.other_code} "
            "of them were made by other code or settings, and say the same."
        )
    for finding in findings:
        console.print(plain(finding, 2000))
    if findings:
        console.print(f"NOT as written: {len(findings)} findings.", style="bold")
    else:
        console.print("every alert follows from the one before it.", style="bold")


async def _read(audit: Audit, folder: Path | None, settings: Settings) -> list[str]:
    stored = _kept(folder) if folder else _stored(settings.namespace, settings.bootstrap)
    return [finding async for topic, value in stored for finding in audit.read(topic, value)]


async def _kept(folder: Path) -> AsyncIterator[tuple[str, bytes]]:
    for one in alerts_in(folder):
        yield one


async def _stored(namespace: str, bootstrap: str) -> AsyncIterator[tuple[str, bytes]]:
    async for topic, record in follow(bootstrap, namespace, topics.ALERTS_OF_ALL, True, True):
        yield topic, record.value or b""
