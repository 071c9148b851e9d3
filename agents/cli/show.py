"""`heartline explain ID`: an alert with all its evidence, in words."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import orjson
from rich.table import Table

from agents.cli.options import bootstrap_option, namespace_option
from agents.cli.sketch import sketch
from agents.host.errors import BrokerError
from agents.host.terminal import Terminal
from agents.readers.around import around_in, around_on
from agents.readers.definitions import read_definitions
from agents.readers.run_files import read_alerts
from agents.readers.tail import follow, object_of
from pipeline.outputs.alerts import iso
from schemas import topics


@click.command()
@click.argument("id_", metavar="ID")
@click.option(
    "--from", "folder", type=click.Path(path_type=Path), help="Folder of `run`, instead of Kafka."
)
@namespace_option
@click.option("--json", "as_json", is_flag=True, help="The alert and the samples as JSON.")
@bootstrap_option
def explain(id_: str, folder: Path | None, namespace: str, as_json: bool, bootstrap: str) -> None:
    """Print why an alert was raised: what was seen, expected, in force, and the input's place; and
    draw the samples around it."""
    alert = (
        _from_folder(folder, id_) if folder else asyncio.run(_from_kafka(bootstrap, namespace, id_))
    )
    if alert is None:
        where = str(folder) if folder else f"{topics.on_wire(topics.ALERTS, namespace)}"
        raise BrokerError(
            f"No alert {id_!r} in {where} (another --namespace? --from FOLDER for a `run`?)."
        )
    if folder:
        around, whole = around_in(folder, alert), _fingerprint_in(folder)
    else:
        definitions = asyncio.run(read_definitions(bootstrap, namespace))
        around = asyncio.run(around_on(bootstrap, namespace, alert, definitions))
        whole = definitions.get(str(alert.get("fingerprint")))
    if as_json:
        samples = [{"time_ns": t, "value": v, "quality": q} for t, v, q in around.samples]
        click.echo(orjson.dumps(alert | {"samples": samples}))
        return
    console = Terminal()
    console.print(alert["sentence"], style="bold")
    values = [v for _, v, _ in around.samples]
    for line in sketch(values, around.place, _levels(alert)):
        console.print(line, no_wrap=True)
    if values:
        first, last = around.samples[0][0], around.samples[-1][0]
        console.print(f"{len(values)} samples, {iso(first)} to {iso(last)}; ● is the alert's.")
    table = Table(show_header=False)
    for name, value in _flat(alert | ({"fingerprint": orjson.loads(whole)} if whole else {})):
        table.add_row(name, value)
    console.print(table)


def _fingerprint_in(folder: Path) -> bytes | None:
    """The whole fingerprint, where it is at hand."""
    try:
        summary = orjson.loads((folder / "summary.json").read_bytes())
        return orjson.dumps(summary["fingerprint"])
    except (OSError, ValueError, KeyError):
        return None


def _from_folder(folder: Path, id_: str) -> dict[str, Any] | None:
    return next((a for a in read_alerts(folder) if a["id"] == id_), None)


async def _from_kafka(bootstrap: str, namespace: str, id_: str) -> dict[str, Any] | None:
    async for _, record in follow(bootstrap, namespace, topics.ALERTS_OF_ALL, True, True):
        alert = object_of(record.value)
        if alert and alert.get("id") == id_:
            return alert
    return None


def _levels(alert: dict[str, Any]) -> dict[str, float]:
    """The levels to compare the sample with."""
    told = {"limit": alert.get("limit"), "expected": alert.get("predicted")}
    if alert.get("feature") == "value":
        told |= dict(zip(("smallest before", "largest before"), alert["record"], strict=True))
    return {name: value for name, value in told.items() if value is not None}


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
