"""Options of commands that read packets without times."""

from __future__ import annotations

from typing import Any

import click

from pipeline.flights.records import PacketRate
from pipeline.mdb.epochs import parse_epoch


def numbered_options(command: Any) -> Any:
    """Options that set when packets without times were received."""
    begin = click.option(
        "--begin", default="", help="UTC of the first packet, where packets have no times."
    )
    hz = click.option(
        "--hz", default=1.0, show_default=True, type=click.FloatRange(0, min_open=True),
        help="Packets a second, where they have no times.",
    )  # fmt: skip
    return begin(hz(command))


def numbered_of(begin: str, hz: float) -> PacketRate:
    try:
        return PacketRate(parse_epoch(begin) if begin else 0, hz)
    except ValueError:
        raise click.UsageError(f"--begin {begin!r} is no ISO date and time.") from None
