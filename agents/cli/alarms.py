"""`heartline alarms`: what stands, and what people do about it (docs/desk.md).

Straight from and to Kafka, so that it works while no desk runs: the next one reads what was done.
"""

from __future__ import annotations

import asyncio
import getpass
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import click
import orjson

from agents.broker.kafka import append, partitions_of
from agents.cli.options import (
    bootstrap_option,
    namespace_option,
    span_ns,
    who_option,
    why_option,
)
from agents.desk.board import STATUSES, Alarm, Board, Incident
from agents.desk.deeds import DeedError, deed
from agents.desk.history import history as history_of
from agents.desk.reading import read_board
from agents.desk.views import alarm_view, alarms_shown, incident_view, incidents_shown
from agents.host.plain import plain
from agents.host.terminal import Terminal
from pipeline.outputs.alerts import iso
from schemas import topics
from schemas.desk import DeskRecord, encode_desk
from schemas.mission import LEVELS, Level
from schemas.words import figure

_COLOURS = {"watch": "cyan", "warning": "yellow", "distress": "magenta"}  # else: red
source_option = click.option("--source", default="", help="Of this source alone.")
json_option = click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")


@click.group()
def alarms() -> None:
    """What stands, and what is done about it: acknowledge, shelve, comment, history."""


@alarms.command("list")
@click.option("--status", type=click.Choice(STATUSES), help="Of this status alone.")
@click.option("--level", type=click.Choice([*LEVELS]), help="That level or worse.")
@source_option
@json_option
@namespace_option
@bootstrap_option
def list_(
    status: str | None, level: str | None, source: str, as_json: bool, namespace: str,
    bootstrap: str,
) -> None:  # fmt: skip
    """Alarms that are not normal, the worst first; and those that are shelved."""
    board = asyncio.run(read_board(bootstrap, namespace))
    now = time.time_ns()
    chosen = list(alarms_shown(board, now, source, "", status or "", level or ""))
    if as_json:
        click.echo(orjson.dumps([alarm_view(board, alarm, now) for alarm in chosen]))
        return
    shown = [a for a in chosen if status or a.status(now) != "returned"]
    console = Terminal()
    for line, style in lines_of(board, shown, now):
        console.print(line, style=style)
    returned = len(chosen) - len(shown)
    more = f"; {returned} more returned unacknowledged (--status returned)" if returned else ""
    if board.refused:
        click.echo(f"{board.refused} records could not be read: of another version?", err=True)
    click.echo(
        f"{len(shown)} alarms{more}. Of {len(board.alarms)} monitors that ever spoke, as they "
        f"stood on {plain(bootstrap)} at {iso(now)[:19]}Z."
    )


def lines_of(board: Board, shown: Sequence[Alarm], now_ns: int) -> Iterator[tuple[str, str]]:
    """A line an alarm, and below it, indented, who did what about it; each with its style."""
    several = len({alarm.source for alarm in board.alarms.values()}) > 1
    lines = _aligned(_row(board, alarm, now_ns, several) for alarm in shown)
    for line, alarm in zip(lines, shown, strict=True):
        yield line, _style(alarm.level) if alarm.stands else ""
        yield from ((f"    {note}", "") for note in _notes(alarm, now_ns))


def _aligned(rows: Iterable[Sequence[str]]) -> list[str]:
    """Columns of equal width, and no word cut: a line may be longer than the screen."""
    cells = [[plain(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in cells
    ]


def _row(board: Board, alarm: Alarm, now_ns: int, several: bool) -> list[str]:
    value = alarm.state.shown.get("label") or _figure(alarm.state.shown.get("observed"))
    number = board.within.get(alarm.key)
    return [
        alarm.level.word, alarm.status(now_ns).replace("_", " "),
        f"{alarm.source} {alarm.name}" if several else alarm.name, alarm.kind.replace("_", " "),
        f"{value} {alarm.state.shown.get('unit', '')}".rstrip(),
        f"since {_moment(alarm.since_ns, now_ns)}",
        f"incident {number}" if number else "",
    ]  # fmt: skip


def _notes(alarm: Alarm, now_ns: int) -> Iterator[str]:
    """Who did what about it."""
    for what in (alarm.quiet(now_ns), alarm.acknowledgement, alarm.comment):
        if what:
            until = f", until {_moment(what.until_ns, now_ns)}" if what.until_ns else ""
            did = {"comment": "says", "acknowledge": "acknowledged it", "shelve": "shelved it",
                   "out_of_service": "took it out of service"}[what.what]  # fmt: skip
            yield plain(
                f"{what.who} {did} at {_moment(what.when_ns, now_ns)}{until}: {what.why}", 400
            )


def _moment(ns: int, now_ns: int) -> str:
    """The time alone where it is of today."""
    told, today = iso(ns)[:19], iso(now_ns)[:10]
    return f"{told[11:] if told.startswith(today) else told}Z"


def _figure(value: Any) -> str:
    return figure(value) if isinstance(value, int | float) else figure(None)


def _style(level: Level) -> str:
    return _COLOURS.get(level.word, "red")


@alarms.command()
@click.option("--all", "every", is_flag=True, help="Those closed of late too.")
@source_option
@json_option
@namespace_option
@bootstrap_option
def incidents(every: bool, source: str, as_json: bool, namespace: str, bootstrap: str) -> None:
    """Incidents: alarms that are one event, as the desk has noticed them."""
    board = asyncio.run(read_board(bootstrap, namespace))
    now = time.time_ns()
    board.forget_closed(now)
    chosen = list(incidents_shown(board, source, None if every else True))
    if as_json:
        click.echo(orjson.dumps([incident_view(board, one, now) for one in chosen]))
        return
    console = Terminal()
    lines = _aligned(_incident_row(board, one, now) for one in chosen)
    for line, one in zip(lines, chosen, strict=True):
        console.print(line, style="" if one.closed else _style(one.level))
        console.print(plain(f"    first out: {one.head}", 400))
        if one.closed:
            closed = f"closed {_moment(one.closed.when_ns, now)}: {one.end}"
            console.print(f"    {plain(closed, 400)}")
    click.echo(f"{len(chosen)} incidents, by {plain(bootstrap)} at {iso(now)[:19]}Z.")


def _incident_row(board: Board, one: Incident, now_ns: int) -> list[str]:
    told = incident_view(board, one, now_ns)
    return [
        f"incident {one.number}", one.source, one.group,
        f"{one.level.word}{', escalated' if one.escalated else ''}",
        f"opened {_moment(one.opened_ns, now_ns)}", f"{told['alarms']} alarms",
        f"{told['standing']} stand", f"{told['unacknowledged']} unacknowledged",
    ]  # fmt: skip


def done(command: Callable[..., None]) -> Any:
    """Adds the argument and the options of a command that does something about alarms."""
    for add in (
        bootstrap_option, namespace_option, who_option, why_option, source_option,
        click.option("--incident", default="", help="All alarms of an incident, by its number."),
        click.option("--monitor", default="", help="limit, stale, residual …; all by default."),
        click.argument("names", nargs=-1, metavar="PARAMETER..."),
    ):  # fmt: skip
        command = add(command)
    return command


@alarms.command()
@done
def ack(**given: Any) -> None:
    """Say that an alarm is seen: nobody else is called. A latched one may clear then."""
    _do("acknowledge", **given)


@alarms.command()
@click.option("--for", "during", metavar="2h", required=True, help="s, m, h or d; at most 7d.")
@done
def shelve(during: str, **given: Any) -> None:
    """Let an alarm call nobody for a time. It is judged and recorded all the same."""
    _do("shelve", for_s=span_ns(during) / 1e9, **given)


@alarms.command()
@done
def unshelve(**given: Any) -> None:
    """End a shelving before its time."""
    _do("unshelve", **given)


@alarms.command()
@done
def comment(**given: Any) -> None:
    """Write a note (--why) beside an alarm."""
    _do("comment", **given)


@alarms.command("out-of-service")
@done
def out_of_service(**given: Any) -> None:
    """Let an alarm call nobody until it is returned to service."""
    _do("out_of_service", **given)


@alarms.command("in-service")
@done
def in_service(**given: Any) -> None:
    """Return an alarm to service."""
    _do("in_service", **given)


def _do(
    what: str, names: Sequence[str], monitor: str, incident: str, source: str, why: str, who: str,
    namespace: str, bootstrap: str, for_s: float | None = None,
) -> None:  # fmt: skip
    if bool(names) == bool(incident):
        raise click.UsageError("name PARAMETERs, or give --incident.")
    board = asyncio.run(read_board(bootstrap, namespace))
    keys = [key for name in names for key in _keys(board, name, source, monitor)]
    now = time.time_ns()
    try:
        record = deed(board, what, who or getpass.getuser(), why, now, keys, incident, for_s)
    except DeedError as error:
        raise click.ClickException(f"{error}.") from None
    asyncio.run(_write(bootstrap, namespace, record))
    board.take(record)
    for key in record.alarms:
        alarm = board.alarms[key]
        status = alarm.status(now).replace("_", " ")
        click.echo(plain(f"{alarm.source} {alarm.name} {alarm.kind}: {status}", 400))


def _keys(board: Board, name: str, source: str, monitor: str) -> list[str]:
    """Alarms of a parameter that are not normal, or, where there are none, all of it."""
    named = [
        alarm for alarm in board.alarms.values()
        if name in (alarm.name, alarm.state.parameter, alarm.key)
        and source in ("", alarm.source) and monitor in ("", alarm.kind)
    ]  # fmt: skip
    if not named:
        what = f" of the monitor {monitor}" if monitor else ""
        raise click.ClickException(
            f"{name!r} has had no alarm{what}: `heartline alarms list` shows what stands."
        )
    sources = {alarm.source for alarm in named}
    if len(sources) > 1:
        raise click.UsageError(f"{name!r} is of {', '.join(sorted(sources))}: give --source.")
    now = time.time_ns()
    return [a.key for a in named if a.status(now) != "normal"] or [a.key for a in named]


@alarms.command("history")
@click.argument("name", metavar="PARAMETER")
@click.option("--last", default=50, show_default=True, help="Entries.")
@source_option
@json_option
@namespace_option
@bootstrap_option
def history_(
    name: str, last: int, source: str, as_json: bool, namespace: str, bootstrap: str
) -> None:
    """What became of a parameter's alarms, and who did what about them."""
    found = asyncio.run(history_of(bootstrap, namespace, name, source))[-last:]
    if as_json:
        click.echo(orjson.dumps(found))
        return
    console = Terminal()
    for line, entry in zip(_aligned(map(_entry, found)), found, strict=True):
        console.print(line)
        console.print(f"    {plain(entry['why'], 400)}")
    if not found:
        click.echo(plain(f"No alert of {name} and nothing done about it.", 400))


def _entry(entry: dict[str, Any]) -> list[str]:
    """when, what, level, incident, by whom, and the alert that `heartline explain` takes."""
    number, absorbed = entry.get("incident"), ", ".join(entry.get("absorbs", ()))
    took = f", takes in {absorbed}" if absorbed else ""
    return [
        iso(entry["when_ns"])[:23] + "Z", entry["what"].replace("_", " "), entry.get("level", ""),
        f"incident {number}{took}" if number else "", f"by {entry['who']}" if entry["who"] else "",
        entry.get("alert", ""),
    ]  # fmt: skip


async def _write(bootstrap: str, namespace: str, record: DeskRecord) -> None:
    wire = topics.on_wire(topics.DESK, namespace)
    await partitions_of(bootstrap, wire)  # else the broker would make it
    await append(bootstrap, wire, encode_desk(record), record.who.encode())
