"""Commands on a running system: broker, ingest, worker, watch."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any, get_args

import click

from agents.broker.embedded import EmbeddedBroker, end_as_by_interrupt
from agents.cli.options import (
    FILE,
    header_option,
    made_option,
    mdb_option,
    root_option,
    source_option,
    sources_option,
)
from agents.cli.service_options import service_options, settings_of, source_pair
from agents.ground.ingest import default_spool
from agents.ground.ingest import ingest as run_ingest
from agents.ground.ingest_metrics import IngestMetrics
from agents.ground.spool import Limits, WhenFull
from agents.host.door import IDLE_S, door
from agents.host.errors import BrokerError
from agents.host.terminal import Terminal
from agents.observe.http import serve
from agents.settings import (
    GUARANTEES,
    OTHER_STATE,
    LinkSettings,
    Settings,
    to_environment,
)
from agents.watch.run import watch as run_watch
from pipeline.errors import MissionError
from pipeline.mission.folder import load_mission

console = Terminal(stderr=True)


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
@click.argument("inputs", nargs=-1, metavar="INPUT...")
@click.option("--mission", "folder", type=FILE, help="Mission folder.")
@click.option("--link", help="One of the settings' links, [ingest.NAME], in place of INPUT.")
@mdb_option
@root_option
@header_option
@source_option
@click.option("--allow", multiple=True, metavar="NETWORK", help="Who may send by UDP or connect.")
@click.option(
    "--idle-s", default=IDLE_S, show_default=True, type=click.FloatRange(0),
    help="A client of tcp-listen that is silent for longer is closed; 0: never.",
)  # fmt: skip
@click.option("--spool", type=FILE, help="Folder for what the broker has not taken yet.")
@click.option(
    "--spool-bytes", default=Limits().size, show_default=True, type=click.IntRange(1 << 20),
    help="Room in it.",
)  # fmt: skip
@click.option(
    "--spool-age-s", default=Limits().age_s, show_default=True, type=click.FloatRange(0),
    help="What waits for longer is dropped; 0: nothing is.",
)  # fmt: skip
@click.option(
    "--when-full", type=click.Choice(get_args(WhenFull)), default=Limits().when_full,
    show_default=True, help="Which of it gives way: what came first, or what comes.",
)  # fmt: skip
@click.option("--metrics-port", "port", type=int, help="Where /metrics and /healthz are.")
@made_option
@service_options
def ingest(
    inputs: tuple[str, ...], folder: Path | None, link: str | None, mdb: Path | None,
    root_container: str, skip_header_bytes: int, source: str, allow: tuple[str, ...], idle_s: float,
    spool: Path | None, spool_bytes: int, spool_age_s: float, when_full: WhenFull,
    port: int | None, config: Path | None, **given: str | int | None,
) -> None:  # fmt: skip
    """Packets to telemetry.raw from INPUT: udp://HOST:PORT, tcp://HOST:PORT (connects),
    tcp-listen://HOST:PORT (is connected to), - or files, gzip or not, in the order given."""
    settings = settings_of(config, **given)
    if link:
        if inputs:
            raise click.UsageError("--link already names the inputs: give either --link or INPUT.")
        one = _link(settings, link)
        inputs, source, skip_header_bytes = tuple(one.inputs), one.source, one.skip_header_bytes
        allow, idle_s, port = tuple(one.allow), one.idle_s, one.metrics_port
        spool, limits = Path(one.spool) if one.spool else None, one.limits
        mission = settings.sources[source].load()
    elif not inputs or folder is None:
        raise click.UsageError("give INPUT and --mission, or --link of the settings.")
    else:
        mission = load_mission(folder, mdb, root_container)
        limits = Limits(spool_bytes, spool_age_s, when_full)
    name = source or mission.settings.source
    console.print(
        f"{' '.join(inputs)} → telemetry.raw at {settings.bootstrap} as {name!r}",
    )
    metrics = IngestMetrics(name)
    kept = spool or default_spool(link or f"{name}-{' '.join(inputs)}")
    server = None
    if port is not None:
        server = serve(settings.metrics_host, port, metrics.registry, metrics.health)
    try:
        c = asyncio.run(
            run_ingest(
                mission, name, inputs, settings.bootstrap, settings.namespace,
                settings.partitions, skip_header_bytes, door(allow, idle_s), kept, limits,
                metrics.begin,
            )
        )  # fmt: skip
    except KeyboardInterrupt:
        return
    finally:
        if server:
            server.shutdown()
    if c.left:
        console.print(
            f"{c.left} records wait in {kept} and go first at the next start", style="yellow"
        )
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


def _link(settings: Settings, name: str) -> LinkSettings:
    if name not in settings.ingest:
        known = ", ".join(settings.ingest) or "none"
        raise MissionError(f"--link {name}: the settings have no [ingest.{name}]; known: {known}.")
    return settings.ingest[name]


@click.command()
@sources_option
@click.option("--group", help="Name of the deployment; its consumer groups begin with it.")
@click.option("--metrics-port", type=int, help="Where /metrics and /healthz are.")
@click.option("--metrics-host", help="Address they listen on.")
@made_option
@click.option("--guarantee", type=click.Choice(GUARANTEES), help="What a crash may cost.")
@click.option("--other-state", type=click.Choice(OTHER_STATE), help="Of other code or settings.")
@click.option("--start-at", help="beginning, end or an offset, where the group has none.")
@click.option("--snapshot-s", type=float, help="Seconds between snapshots.")
@service_options
def worker(
    config: Path | None, sources: tuple[str, ...], **given: str | int | float | None
) -> None:
    """Run a worker: lanes, metrics and low-rate agents, until interrupted."""
    chosen = dict(source_pair(s) for s in sources) or None
    run_worker(settings_of(config, sources=chosen, **given))


def run_worker(settings: Settings) -> None:
    """Hand the settings to the Faust app and run it, as `faust -A agents.app worker` does."""
    if not settings.sources:
        raise MissionError(
            "No source: give --source NAME=MISSION_FOLDER, or [sources] in --config."
        )
    for source in settings.sources.values():
        source.load()  # a mission's mistakes are reported before anything starts
    console.print(
        f"worker of {', '.join(sorted(settings.sources)) or 'no source'} at {settings.bootstrap}; "
        f"metrics on http://{settings.metrics_host}:{settings.metrics_port}/metrics",
        highlight=False,
        markup=False,
    )
    to_environment(settings)
    from agents.app import app

    # it would set up logs of its own, with colours in files
    one = app.Worker(
        loglevel=settings.log_level, quiet=True, override_logging=False, redirect_stdouts=False
    )
    one.spinner = None  # it would show a cursor, to a file too
    one.execute_from_commandline()


@click.command()
@click.option("--from-start", is_flag=True, help="Begin with the oldest records.")
@click.option("--seconds", type=float, help="End after this long.")
@service_options
def watch(from_start: bool, seconds: float | None, config: Path | None, **given: Any) -> None:
    """Show what stands, alerts and statistics: a screen in a terminal, lines in a pipe."""
    settings = settings_of(config, **given)
    # it ends without an error when the pipe is closed or Ctrl-C is pressed
    with contextlib.suppress(KeyboardInterrupt, EOFError):
        asyncio.run(run_watch(settings.bootstrap, settings.namespace, from_start, seconds))
