"""`heartline control`: what an operator changes, written into the input (docs/control.md)."""

from __future__ import annotations

import asyncio
import getpass
import math
import time
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from agents.cli.answer import tell
from agents.cli.options import (
    FILE,
    bootstrap_option,
    mdb_option,
    mission_option,
    namespace_option,
    span_ns,
    why_option,
)
from agents.host.plain import plain
from agents.host.terminal import Terminal
from agents.lane.authority import make_key, read_signer
from agents.readers.tail import follow, object_of
from pipeline.chain.control import MONITORS, decode_control
from pipeline.errors import MissionError
from pipeline.mdb.reach import never_fires
from pipeline.mission.folder import load_mission
from pipeline.outputs.alerts import iso
from schemas import topics
from schemas.control import Control, encode_control
from schemas.mission import MissionDatabase

OF_CONTAINERS = ("stale", "refused")
key_option = click.option(
    "--key",
    type=FILE,
    envvar="HEARTLINE_CONTROL_KEY",
    help="Signs it: your secret key, made by `heartline control key`.",
)


@click.group()
def control() -> None:
    """Acknowledge, inhibit or enable a monitor, or set limits, and see what is so."""


def written(command: Callable[..., None]) -> Any:
    """Adds the argument and the options of a command that writes a control record."""
    for add in (
        bootstrap_option,
        namespace_option,
        key_option,
        click.option("--source", default="", help="Key of the records; the mission's by default."),
        click.option("--who", default="", help="Your name; the key's or the login's by default."),
        why_option,
        mdb_option,
        mission_option,
        click.argument("name", metavar="PARAMETER"),
    ):
        command = add(command)
    return command


monitor_option = click.option(
    "--monitor", type=click.Choice(MONITORS), default="limit", show_default=True
)


@control.command()
@written
@monitor_option
def acknowledge(name: str, monitor: str, **given: Any) -> None:
    """Say that an alarm is seen; a latched one may clear then."""
    _write("acknowledge", name, monitor, **given)


@control.command()
@written
@monitor_option
@click.option("--for", "during", metavar="2h", help="It ends by itself then: s, m, h or d.")
def inhibit(name: str, monitor: str, during: str | None, **given: Any) -> None:
    """Silence a monitor of PARAMETER; of the stale and the refused one, of a container."""
    until = time.time_ns() + span_ns(during) if during else None
    _write("inhibit", name, monitor, until_ns=until, **given)


@control.command()
@written
@monitor_option
def enable(name: str, monitor: str, **given: Any) -> None:
    """Let a monitor speak again."""
    _write("enable", name, monitor, **given)


@control.command()
@written
@click.option("--range", "ranges", multiple=True, metavar="LEVEL=LOW,HIGH", required=True,
              help="All that shall be in force; an open end is left out.")  # fmt: skip
def limits(name: str, ranges: tuple[str, ...], **given: Any) -> None:
    """Set the static limits of PARAMETER, all of them."""
    _write("limits", name, "limit", ranges=dict(_range(text) for text in ranges), **given)


def _write(
    what: str, name: str, monitor: str, folder: Path, mdb: Path | None, why: str, who: str,
    source: str, namespace: str, bootstrap: str, key: Path | None, **more: Any,
) -> None:  # fmt: skip
    """Write a control record. It holds from that record on, in replays too."""
    mission = load_mission(folder, mdb)
    signer = read_signer(key) if key else None
    who = who or (signer.name if signer else getpass.getuser())
    known = Control(
        what, _qualified(mission.mdb, name, monitor), who, why, time.time_ns(), monitor, **more
    )
    if known.ranges and (never := never_fires(mission.mdb.parameters[name].type, known.ranges)):
        raise click.UsageError(f"{never}.")
    value = encode_control(known)
    try:
        decode_control(value)
    except ValueError as error:
        raise click.UsageError(f"{error}.") from None
    own = source or mission.settings.source
    tell(f"{what} {known.parameter}", value, own, namespace, bootstrap, signer)


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
    items = mdb.containers if monitor in OF_CONTAINERS else mdb.parameters
    for key, item in items.items():
        if name in (key, item.qualified_name):
            return item.qualified_name
    short = [i.qualified_name for i in items.values() if i.qualified_name.endswith(f"/{name}")]
    if len(short) == 1:
        return short[0]
    kind = "container" if monitor in OF_CONTAINERS else "parameter"
    like = short or get_close_matches(name, items, 3)
    hint = f" Like it: {', '.join(like)}." if like else ""
    raise MissionError(f"{mdb.path}: has no {kind} {name!r}.{hint}")


@control.command("key")
@click.argument("path", metavar="NAME.key", type=FILE)
def key_(path: Path) -> None:
    """Make a key to sign with: NAME.key is yours alone, NAME.key.pub is for the worker's settings
    ([control.keys] NAME = "NAME.key.pub")."""
    click.echo(f"{path} and {make_key(path)}")


@control.command("list")
@namespace_option
@bootstrap_option
def list_(namespace: str, bootstrap: str) -> None:
    """What is inhibited, overridden or acknowledged now: by whom, why, since when, until when."""
    table = Table("source", "parameter", "monitor", "is", "by", "why", "since", "until")
    for state in asyncio.run(_states(bootstrap, namespace)):
        for row in _by_hand(state):
            table.add_row(*(plain(cell) for cell in row))
    if table.row_count:
        Terminal().print(table)
    else:
        click.echo("Nothing is inhibited, overridden or acknowledged.")


def _by_hand(state: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    """A row for each operator action on one monitor that still holds."""
    monitor = state.get("monitor")
    kind = monitor.get("kind") if isinstance(monitor, dict) else None
    about = (state.get("source"), state.get("name", state.get("parameter")), kind)
    marks = [("inhibited", "inhibited"), ("ranges_set", "limits set")]
    if state.get("level") != "normal":
        marks.append(("acknowledged", "acknowledged"))
    for mark, word in marks:
        told = state.get(mark)
        if isinstance(told, dict):
            since, until = _time(told.get("when_ns")), _time(told.get("until_ns"))
            yield (*about, word + _ranges(told), told.get("who"), told.get("why"), since, until)


async def _states(bootstrap: str, namespace: str) -> list[dict[str, Any]]:
    newest: dict[bytes, dict[str, Any]] = {}
    async for _, record in follow(bootstrap, namespace, (topics.ALARMS,), True, True):
        if (state := object_of(record.value)) is not None:
            newest[record.key or b""] = state
    return [newest[key] for key in sorted(newest)]


def _ranges(told: dict[str, Any]) -> str:
    """': warning 1.5 … 4, critical … 5' where limits were set; else empty."""
    ranges = told.get("ranges")
    if not isinstance(ranges, dict):
        return ""
    said = []
    for level, pair in ranges.items():
        low, high = pair if isinstance(pair, list) and len(pair) == 2 else ("?", "?")
        said.append(f"{level} {'' if low is None else low} … {'' if high is None else high}")
    return ": " + ", ".join(" ".join(one.split()) for one in said)


def _time(ns: Any) -> str:
    return iso(ns)[:19] + "Z" if isinstance(ns, int) else ""
