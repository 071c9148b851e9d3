"""`heartline replay`: a recorded flight through Kafka."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Iterator
from itertools import chain as joined
from pathlib import Path

import click
from rich.progress import Progress

from agents.cli.numbered import numbered_of, numbered_options
from agents.cli.options import (
    FILE,
    end_option,
    header_option,
    made_option,
    mdb_option,
    mission_option,
    root_option,
    source_option,
    start_option,
)
from agents.cli.service_options import service_options, settings_of
from agents.ground.replay import Replayed, holds_records
from agents.ground.replay import replay as run_replay
from agents.host.terminal import Terminal
from pipeline.chain import Chain
from pipeline.flights.loop import pack_rounds
from pipeline.flights.run import cut_flight, load_recording
from pipeline.gate.in_force import models_first
from pipeline.mission.folder import load_mission

console = Terminal(stderr=True)


@click.command()
@click.argument("flights", nargs=-1, required=True, type=FILE)
@mission_option
@mdb_option
@root_option
@header_option
@source_option
@click.option("--speed", default="1", show_default=True, help="Times flight time, or max.")
@start_option
@end_option
@click.option("--shift", type=click.Choice(["now"]), help="Move the flight's times to today.")
@click.option("--loop", is_flag=True, help="Again and again, as of now, until interrupted.")
@click.option("--loops", type=click.IntRange(1), help="So many times, as of now.")
@made_option
@numbered_options
@service_options
def replay(
    flights: tuple[Path, ...], folder: Path, mdb: Path | None, root_container: str,
    skip_header_bytes: int, source: str, speed: str, start: float | None, end: float | None,
    shift: str | None, loop: bool, loops: int | None, begin: str, hz: float,
    namespace: str | None, config: Path | None,
    **given: str | int | None,
) -> None:  # fmt: skip
    """Send a recorded flight through Kafka at its own pace, or faster.

    Several files, gzip or not, are one flight in the order given. It keeps to topics of its own,
    those of the namespace `replay` (--namespace "" is the live ones). A flight that was replayed
    into a namespace before is late there the second time: take another, or --shift now.
    """
    settings = settings_of(config, **given)
    bootstrap = settings.bootstrap
    namespace = settings.replay.namespace if namespace is None else namespace
    if loop and loops:
        raise click.UsageError("--loop goes on for ever, --loops N ends: give one of them.")
    pace = _pace(speed)
    mission = load_mission(folder, mdb, root_container)
    numbered = numbered_of(begin, hz)
    recording = load_recording(flights, mission, Chain(mission), skip_header_bytes, numbered)
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
                "now.",
                style="yellow",
            )
        with Progress(console=console) as bar:
            task = bar.add_task("replay", total=rounds and rounds * len(part.start))
            asyncio.run(
                run_replay(
                    joined(
                        models_first(mission, int(part.reception_ns[0])),
                        pack_rounds(part, shift_ns, rounds),
                    ), name, bootstrap, namespace, pace,
                    settings.partitions, done, lambda n: bar.advance(task, n),
                )
            )  # fmt: skip
    except KeyboardInterrupt:
        where = (start or 0.0) + done.flight_s
        go_on = "" if shifted else f"; --start {where:.3f} goes on from there"
        console.print(f"stopped before its end, at T+{where:.1f} s{go_on}")
    for line in _replayed(done):
        console.print(line)


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
