"""`heartline explain ID`: an alert with all its evidence, in words."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import orjson
from rich.console import Console
from rich.table import Table

from agents.cli.options import bootstrap_option
from agents.kafka import BrokerError
from agents.run_files import alerts_in
from agents.tail import follow
from pipeline.outputs.alerts import iso
from schemas import topics


@click.command()
@click.argument("id_", metavar="ID")
@click.option(
    "--from", "folder", type=click.Path(path_type=Path), help="Folder of `run`, instead of Kafka."
)
@click.option("--namespace", default="", help="Put before every topic's name.")
@bootstrap_option
def explain(id_: str, folder: Path | None, namespace: str, bootstrap: str) -> None:
    """Print why an alert was raised: what was seen, expected, in force, and the input's place."""
    alert = _from_folder(folder, id_) if folder else asyncio.run(
        _from_kafka(bootstrap, namespace, id_)
    )  # fmt: skip
    if alert is None:
        where = str(folder) if folder else f"{topics.on_wire(topics.ALERTS, namespace)}"
        raise BrokerError(
            f"No alert {id_!r} in {where} (another --namespace? --from FOLDER for a `run`?)."
        )
    console = Console()
    console.print(alert["sentence"], style="bold")
    table = Table(show_header=False)
    for name, value in _flat(alert):
        table.add_row(name, value)
    console.print(table)


def _from_folder(folder: Path, id_: str) -> dict[str, Any] | None:
    found = (orjson.loads(line) for _, line in alerts_in(folder))
    return next((a for a in found if a["id"] == id_), None)


async def _from_kafka(bootstrap: str, namespace: str, id_: str) -> dict[str, Any] | None:
    async for _, record in follow(bootstrap, namespace, topics.ALERTS_OF_ALL, True, True):
        alert: dict[str, Any] = orjson.loads(record.value or b"{}")
        if alert.get("id") == id_:
            return alert
    return None


def _flat(value: dict[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for name, inner in value.items():
        label = f"{before}{name}"
        if isinstance(inner, dict):
            yield from _flat(inner, f"{label}.")
        elif isinstance(inner, list) and inner and isinstance(inner[0], dict):
            for i, item in enumerate(inner):
                yield from _flat(item, f"{label}.{i}.")
        elif name.endswith("_ns") and isinstance(inner, int):
            yield label, iso(inner)
        else:
            yield label, "–" if inner is None else str(inner)
