"""`heartline control`: what an operator changes, written into the input (docs/control.md)."""

from __future__ import annotations

import asyncio
import getpass
import math
import time
from pathlib import Path

import click

from agents.cli.options import FILE, bootstrap_option, mdb_option
from agents.kafka import BrokerError, partitions_of, producer, start
from pipeline.errors import MissionError
from pipeline.mission import load_mission
from schemas import topics
from schemas.control import MONITORS, ON_PARAMETERS, Control, decode_control, encode_control
from schemas.mission import MissionDatabase
from schemas.records import CONTROL_HEADERS


@click.command()
@click.argument("what", type=click.Choice(ON_PARAMETERS))
@click.argument("name", metavar="PARAMETER")
@click.option("--mission", "folder", type=FILE, required=True, help="Mission folder.")
@mdb_option
@click.option("--monitor", type=click.Choice(MONITORS), default="limit", show_default=True)
@click.option("--range", "ranges", multiple=True, metavar="LEVEL=LOW,HIGH",
              help="Of `limits`: all that shall be in force; an open end is left out.")  # fmt: skip
@click.option("--why", required=True, help="Reason, kept with the change.")
@click.option("--who", default="", help="Your name; that of the login by default.")
@click.option("--source", default="", help="Key of the records; the mission's source by default.")
@click.option("--namespace", default="", help="Put before every topic's name.")
@bootstrap_option
def control(
    what: str, name: str, folder: Path, mdb: Path | None, monitor: str, ranges: tuple[str, ...],
    why: str, who: str, source: str, namespace: str, bootstrap: str,
) -> None:  # fmt: skip
    """Acknowledge, inhibit or enable the monitor of PARAMETER, or set its limits.

    It becomes a record of telemetry.raw and holds from there on, in replays too. PARAMETER is a
    parameter's name; of the stale monitor a container's, of los anything.
    """
    mission = load_mission(folder, mdb)
    pairs = dict(_range(text) for text in ranges)
    known = Control(
        what, _qualified(mission.mdb, name, monitor), who or getpass.getuser(), why,
        time.time_ns(), monitor, pairs,
    )  # fmt: skip
    value = encode_control(known)
    try:
        decode_control(value)
    except ValueError as error:
        raise click.UsageError(f"{error}.") from None
    offset = asyncio.run(
        write_control(value, source or mission.settings.source, namespace, bootstrap)
    )
    click.echo(f"{what} {known.parameter}: written at {offset}; telemetry.alerts tells when it is.")


def _range(text: str) -> tuple[str, tuple[float | None, float | None]]:
    level, equals, rest = text.partition("=")
    ends = rest.split(",")
    try:
        low, high = (float(end) if end.strip() else None for end in ends)
    except ValueError:
        equals = ""
    if not equals or not all(math.isfinite(x or 0.0) for x in (low, high)):
        raise click.UsageError(f"--range {text!r}: say LEVEL=LOW,HIGH (or LOW, or ,HIGH).")
    return level, (low, high)


def _qualified(mdb: MissionDatabase, name: str, monitor: str) -> str:
    if monitor == "los":
        return f"/{mdb.name}"
    items = mdb.containers if monitor == "stale" else mdb.parameters
    for key, item in items.items():
        if name in (key, item.qualified_name):
            return item.qualified_name
    kind = "container" if monitor == "stale" else "parameter"
    raise MissionError(f"{mdb.path}: has no {kind} {name!r}.")


async def write_control(value: bytes, source: str, namespace: str, bootstrap: str) -> str:
    """Append a control record to a source's partition; returns where it stands."""
    raw = topics.on_wire(topics.RAW, namespace)
    await partitions_of(bootstrap, raw)  # else it would be made with the broker's own settings
    client = await start(producer(bootstrap), bootstrap)
    try:
        done = await client.send_and_wait(
            raw, value, source.encode(), headers=list(CONTROL_HEADERS)
        )
    except Exception as error:
        raise BrokerError(f"The broker did not take the record: {error!r}.") from error
    finally:
        await client.stop()
    return f"{done.topic}-{done.partition}-{done.offset}"
