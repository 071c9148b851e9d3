"""Commands on a running system: broker, ingest, worker, replay, watch."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import math
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import click
from rich.console import Console
from rich.live import Live
from rich.progress import Progress

from agents.broker import EmbeddedBroker
from agents.cli.options import FILE, header_option, mdb_option, root_option
from agents.ingest import ingest as run_ingest
from agents.kafka import BrokerError, ensure_topics, partitions_of
from agents.replay import Replayed, holds_records
from agents.replay import replay as run_replay
from agents.settings import Settings, SourceSettings, load_settings, to_environment
from agents.tail import follow
from agents.watch import Board
from pipeline.chain import Chain
from pipeline.loop import pack_rounds
from pipeline.mission import load_mission
from pipeline.run import cut_flight, load_recording
from schemas import topics

console = Console(stderr=True)
bootstrap_option = click.option("--bootstrap", default="127.0.0.1:9092", show_default=True)
partitions_option = click.option(
    "--partitions", default=1, show_default=True, help="Of telemetry.raw, where it is made here."
)
REPLAY_NAMESPACE = "replay"


@click.command()
@click.option("--port", default=9092, show_default=True)
def broker(port: int) -> None:
    """Run the embedded broker on the loopback interface until interrupted (extra `broker`)."""
    with EmbeddedBroker(port) as running:
        console.print(f"broker on {running.bootstrap}; everything is kept in memory alone")
        # a supervisor's SIGTERM must take the broker along, as Ctrl-C does
        signal.signal(signal.SIGTERM, signal.default_int_handler)
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
@bootstrap_option
@partitions_option
def ingest(
    inputs: tuple[str, ...], folder: Path, mdb: Path | None, root_container: str,
    skip_header_bytes: int, source: str, namespace: str, bootstrap: str, partitions: int,
) -> None:  # fmt: skip
    """Packets to telemetry.raw from INPUT: udp://HOST:PORT, tcp://HOST:PORT (connects),
    tcp-listen://HOST:PORT (is connected to), - or files, gzip or not, in the order given."""
    mission = load_mission(folder, mdb, root_container)
    name = source or mission.settings.source
    console.print(f"{' '.join(inputs)} → telemetry.raw at {bootstrap} as {name!r}", highlight=False)
    try:
        c = asyncio.run(
            run_ingest(mission, name, inputs, bootstrap, namespace, partitions, skip_header_bytes)
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
@click.option("--snapshot-s", type=float, help="Seconds between snapshots.")
@click.option("--loglevel", default="warning", show_default=True)
def worker(
    config: Path | None, sources: tuple[str, ...], loglevel: str, **given: str | int | float | None
) -> None:
    """Run a worker: lanes, metrics and low-rate agents, until interrupted."""
    settings = load_settings(config) if config else Settings()
    changed = {name: value for name, value in given.items() if value is not None}
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
@click.argument("flights", nargs=-1, required=True, type=FILE)
@click.option("--mission", "folder", type=FILE, required=True, help="Mission folder.")
@mdb_option
@root_option
@header_option
@click.option("--source", default="", help="Key of the records; the mission's source by default.")
@click.option("--speed", default="1", show_default=True, help="Times flight time, or max.")
@click.option("--start", type=float, help="Seconds from the first packet.")
@click.option("--end", type=float, help="Seconds from the first packet.")
@click.option("--shift", type=click.Choice(["now"]), help="Move the flight's times to today.")
@click.option("--loop", is_flag=True, help="Again and again, as of now, until interrupted.")
@click.option("--loops", type=click.IntRange(1), help="So many times, as of now.")
@click.option(
    "--namespace", default=REPLAY_NAMESPACE, show_default=True,
    help='A replay keeps to its own topics; "" is the live ones.',
)  # fmt: skip
@bootstrap_option
@partitions_option
def replay(
    flights: tuple[Path, ...], folder: Path, mdb: Path | None, root_container: str,
    skip_header_bytes: int, source: str, speed: str, start: float | None, end: float | None,
    shift: str | None, loop: bool, loops: int | None, namespace: str, bootstrap: str,
    partitions: int,
) -> None:  # fmt: skip
    """Send a recorded flight through Kafka at its own pace, or faster.

    Several files, gzip or not, are one flight in the order given. A flight that was replayed into
    a namespace before is late there the second time: take another --namespace, or --shift now.
    """
    if loop and loops:
        raise click.UsageError("--loop goes on for ever, --loops N ends: give one of them.")
    pace = _pace(speed)
    mission = load_mission(folder, mdb, root_container)
    recording = load_recording(flights, mission, Chain(mission), skip_header_bytes)
    part = cut_flight(recording.flight, start, end)
    if not len(part.start):
        raise click.UsageError("no packet between --start and --end.")
    shifted = bool(shift or loop or loops)
    shift_ns = time.time_ns() - int(part.reception_ns[0]) if shifted else 0
    rounds = None if loop else loops or 1
    name, done = source or mission.settings.source, Replayed()
    try:
        if not shifted and asyncio.run(holds_records(bootstrap, namespace)):
            console.print(
                f"namespace {namespace!r} holds records already: where a flight of {name!r} was "
                "replayed into it before, this one is late. Take another --namespace, or --shift "
                "now.", style="yellow", highlight=False,
            )  # fmt: skip
        with Progress(console=console) as bar:
            task = bar.add_task("replay", total=rounds and rounds * len(part.start))
            asyncio.run(
                run_replay(
                    pack_rounds(part, shift_ns, rounds), name, bootstrap, namespace, pace,
                    partitions, done, lambda n: bar.advance(task, n),
                )
            )  # fmt: skip
    except KeyboardInterrupt:
        console.print("stopped before its end")
    for line in _replayed(done):
        console.print(line, highlight=False)


def _pace(speed: str) -> float | None:
    """Times flight time; None is as fast as it goes."""
    try:
        pace = None if speed == "max" else float(speed)
    except ValueError:
        raise click.UsageError(f"--speed {speed!r} is neither a number nor max.") from None
    if pace is not None and not 0 < pace < math.inf:
        raise click.UsageError("--speed must be above 0, or max.")
    return pace


def _replayed(done: Replayed) -> Iterator[str]:
    yield (
        f"{done.packets} packets in {done.records} records, {done.flight_s:.1f} s of flight in "
        f"{done.seconds:.1f} s"
    )
    late = done.lateness
    if late.count:
        yield (
            f"acknowledged late by {late.mean_s * 1e3:.1f} ms (mean), "
            f"{late.p99_s * 1e3:.1f} ms (p99), {late.worst_s * 1e3:.1f} ms (worst)"
        )


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
