"""`heartline diff`: what alerts another mission would have emitted for a flight."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from rich.table import Table

from agents.cli.options import FILE, header_option
from agents.host.terminal import Terminal
from pipeline.chain import Chain
from pipeline.flights.compare import changes, raised
from pipeline.flights.run import load_recording
from pipeline.mission.folder import load_mission
from pipeline.outputs.alerts import iso


@click.command()
@click.argument("flights", nargs=-1, required=True, type=FILE)
@click.option("--a", "first", type=FILE, required=True, help="Mission folder that is in force.")
@click.option("--b", "second", type=FILE, required=True, help="Mission folder beside it.")
@click.option("--within", default=60.0, show_default=True, help="Seconds that an alert may move.")
@header_option
def diff(
    flights: tuple[Path, ...], first: Path, second: Path, within: float, skip_header_bytes: int
) -> None:
    """Alerts of a recorded flight that appear, vanish or move from mission A to mission B.

    Status 1 where there are any.
    """
    a, b = load_mission(first), load_mission(second)
    flight = load_recording(flights, a, Chain(a), skip_header_bytes).flight
    before, after = raised(flight, a), raised(flight, b)
    found = changes(before, after, within)
    table = Table("", "parameter", "monitor", "level", "in A", "in B", "earlier in B by")
    for c in found:
        lead = "" if c.earlier_s is None else f"{c.earlier_s:+.1f} s"
        times = ("" if t is None else iso(t) for t in (c.a_ns, c.b_ns))
        table.add_row(c.word, c.parameter, c.monitor, c.level, *times, lead)
    console = Terminal()
    if found:
        console.print(table)
    counts = {w: sum(c.word == w for c in found) for w in ("appears", "vanishes", "moves")}
    console.print(
        f"alerts raised: {sum(map(len, before.values()))} in A, {sum(map(len, after.values()))} "
        f"in B; {counts['appears']} appear, {counts['vanishes']} vanish, {counts['moves']} move."
    )
    sys.exit(1 if found else 0)
