"""Commands on a running system: broker, ingest, worker, watch."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from pathlib import Path

import click
from rich.console import Console
from rich.live import Live

from agents.broker import EmbeddedBroker, end_as_by_interrupt
from agents.cli.options import (
    FILE,
    bootstrap_option,
    header_option,
    mdb_option,
    partitions_option,
    root_option,
)
from agents.declared import ensure_topics
from agents.door import IDLE_S, door
from agents.ingest import ingest as run_ingest
from agents.kafka import BrokerError, partitions_of
from agents.settings import (
    GUARANTEES,
    OTHER_STATE,
    START,
    Settings,
    SourceSettings,
    load_settings,
    to_environment,
)
from agents.tail import follow
from agents.watch import Board
from pipeline.mission import load_mission
from schemas import topics

console = Console(stderr=True)


@click.command()
@click.option("--port", default=9092, show_default=True)
def broker(port: int) -> None:
    """Run the embedded broker on the loopback interface until interrupted (extra `broker`)."""
    with EmbeddedBroker(port) as running:
        console.print(f"broker on {running.bootstrap}; everything is kept in memory alone")
        end_as_by_interrupt()
        try:
            status = running.wait()
        except KeyboardInterrupt:
            return
        raise BrokerError(f"The embedded broker ended by itself (status {status}).")


@click.command()
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option("--mission", "folder", type=FILE, required=True, help="Mission folder.")
@mdb_option
@root_option
@header_option
@click.option("--source", default="", help="Key of the records; the mission's source by default.")
@click.option("--namespace", default="", help="Put before every topic's name.")
@click.option("--allow", multiple=True, metavar="NETWORK", help="Who may send by UDP or connect.")
@click.option(
    "--idle-s",
    default=IDLE_S,
    show_default=True,
    type=click.FloatRange(0),
    help="A client of tcp-listen that is silent for longer is closed; 0: never.",
)
@bootstrap_option
@partitions_option
def ingest(
    inputs: tuple[str, ...], folder: Path, mdb: Path | None, root_container: str,
    skip_header_bytes: int, source: str, namespace: str, bootstrap: str, partitions: int,
    allow: tuple[str, ...], idle_s: float,
) -> None:  # fmt: skip
    """Packets to telemetry.raw from INPUT: udp://HOST:PORT, tcp://HOST:PORT (connects),
    tcp-listen://HOST:PORT (is connected to), - or files, gzip or not, in the order given."""
    mission = load_mission(folder, mdb, root_container)
    name, one = source or mission.settings.source, door(allow, idle_s)
    console.print(f"{' '.join(inputs)} → telemetry.raw at {bootstrap} as {name!r}", highlight=False)
    try:
        c = asyncio.run(
            run_ingest(
                mission, name, inputs, bootstrap, namespace, partitions, skip_header_bytes, one
            )
        )
    except KeyboardInterrupt:
        return
    if c.skipped > c.bytes // 2:
        console.print(
            f"more than half of it was no packet of {mission.mdb.path}: is it of this mission?",
            style="yellow",
        )
    ground = f", {c.ground_headers} bytes of ground headers" if c.ground_headers else ""
    console.print(
        f"{c.bytes} bytes: {c.packets} packets in {c.records} records, "
        f"{c.skipped} bytes skipped{ground}"
    )


@click.command()
@click.option("--config", type=FILE, help="Settings file (docs/service.md).")
@click.option("--source", "sources", multiple=True, help="NAME=MISSION_FOLDER[,XTCE]")
@click.option("--bootstrap", help="Kafka brokers.")
@click.option("--namespace", help="Put before every topic's name.")
@click.option("--group", help="Name of the deployment; its consumer groups begin with it.")
@click.option("--metrics-port", type=int, help="Where /metrics and /healthz are.")
@click.option("--metrics-host", help="Address they listen on.")
@click.option("--partitions", type=int, help="Of telemetry.raw, where it is made here.")
@click.option("--guarantee", type=click.Choice(GUARANTEES), help="What a crash may cost.")
@click.option("--other-state", type=click.Choice(OTHER_STATE), help="Of other code or settings.")
@click.option("--start-at", help="beginning, end or an offset, where the group has none.")
@click.option("--snapshot-s", type=float, help="Seconds between snapshots.")
@click.option("--loglevel", default="warning", show_default=True)
def worker(
    config: Path | None, sources: tuple[str, ...], loglevel: str, **given: str | int | float | None
) -> None:
    """Run a worker: lanes, metrics and low-rate agents, until interrupted."""
    settings = load_settings(config) if config else Settings()
    changed = {name: value for name, value in given.items() if value is not None}
    if not START.fullmatch(str(changed.get("start_at", ""))):
        raise click.UsageError("--start-at: say beginning, end or an offset.")
    if sources:
        changed["sources"] = dict(_source(s) for s in sources)  # type: ignore[assignment]
    run_worker(dataclasses.replace(settings, **changed), loglevel)  # type: ignore[arg-type]


def _source(text: str) -> tuple[str, SourceSettings]:
    name, equals, rest = text.partition("=")
    folder, _, mdb = rest.partition(",")
    if not equals or not name or not folder or "/" in name:
        raise click.UsageError(f"--source {text!r}: say NAME=MISSION_FOLDER or …,XTCE.")
    return name, SourceSettings(folder, mdb)


def run_worker(settings: Settings, loglevel: str) -> None:
    """Hand the settings to the Faust app and run it, as `faust -A agents.app worker` does."""
    for source in settings.sources.values():
        source.load()  # a mission's mistakes are told before anything starts
    # before Faust's own clients ask for it, so that a broker that is not there is one line
    asyncio.run(ensure_topics(settings.bootstrap, settings.namespace, settings.partitions))
    console.print(
        f"worker of {', '.join(sorted(settings.sources)) or 'no source'} at {settings.bootstrap}; "
        f"metrics on http://{settings.metrics_host}:{settings.metrics_port}/metrics",
        highlight=False,
    )
    to_environment(settings)
    for name in ("heartline", "aiokafka"):
        logging.getLogger(name).setLevel(loglevel.upper())
    from agents.app import app

    app.Worker(loglevel=loglevel, quiet=True).execute_from_commandline()


@click.command()
@click.option("--namespace", default="", help="Put before every topic's name.")
@click.option("--from-start", is_flag=True, help="Begin with the oldest records.")
@click.option("--seconds", type=float, help="End after this long.")
@bootstrap_option
def watch(namespace: str, from_start: bool, seconds: float | None, bootstrap: str) -> None:
    """Show alarms, alerts and statistics as they come."""
    try:
        asyncio.run(_watch(namespace, from_start, seconds, bootstrap))
    except KeyboardInterrupt:
        return


async def _watch(namespace: str, from_start: bool, seconds: float | None, bootstrap: str) -> None:
    board = Board()
    names = (topics.ALERTS, topics.STATISTICS)
    await partitions_of(bootstrap, *(topics.on_wire(n, namespace) for n in names))
    with Live(board, console=Console(), refresh_per_second=4):
        try:
            async with asyncio.timeout(seconds):
                async for topic, record in follow(bootstrap, namespace, names, from_start, False):
                    board.take(topic, record.value or b"")
        except TimeoutError:
            return
