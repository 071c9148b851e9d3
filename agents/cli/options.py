"""Options that several commands share."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from pipeline.errors import MissionError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def drawing(module: str) -> Any:
    """Import a module that draws; it needs packages that a worker does not."""
    try:
        return import_module(module)
    except ImportError:
        raise MissionError("--png needs the extra: pip install heartline[plot].") from None


FILE = click.Path(path_type=Path)
mdb_option = click.option("--mdb", type=FILE, help="XTCE file, in place of the mission's own.")
root_option = click.option(
    "--root-container", default="", help="Container that every packet is, where it is not plain."
)
inside_option = click.option(
    "--inside", multiple=True, type=FILE, metavar="FILE",
    help="A further XTCE file, whose SpaceSystem stands inside that of the first.",
)  # fmt: skip
header_option = click.option(
    "--skip-header-bytes", default=0, show_default=True, type=click.IntRange(0, 65535),
    help="Bytes that a ground station puts before each packet.",
)  # fmt: skip
bootstrap_option = click.option(
    "--bootstrap", default="127.0.0.1:9092", show_default=True, envvar="HEARTLINE_BOOTSTRAP",
    help="Kafka brokers, HOST:PORT by comma.",
)  # fmt: skip
partitions_option = click.option(
    "--partitions", default=1, show_default=True, help="Of telemetry.raw, where it is made here."
)
namespace_option = click.option("--namespace", default="", help="Put before every topic's name.")
mission_option = click.option(
    "--mission", "folder", type=FILE, required=True, help="Mission folder."
)
source_option = click.option(
    "--source", default="", help="Key of the records; the mission's source by default."
)
start_option = click.option("--start", type=float, help="Seconds from the first packet.")
end_option = click.option("--end", type=float, help="Seconds from the first packet.")
made_option = click.option(
    "--partitions", type=int, help="Of telemetry.raw, where it is made here."
)
sources_option = click.option(
    "--source", "sources", multiple=True, help="NAME=MISSION_FOLDER[,XTCE]"
)
name_option = click.option(
    "--name", default="", help="Name of mission and source; the folder's by default."
)
png_option = click.option("--png", type=FILE, help="Draw it too (extra `plot`).")
why_option = click.option("--why", required=True, help="Reason, kept with the change.")
who_option = click.option("--who", default="", help="Your name; that of the login by default.")


def span_ns(text: str) -> int:
    """Of 90s, 30m, 2h or 1d. UsageError where it is none of them."""
    found = re.fullmatch(r"(\d{1,6})([smhd])", text)
    if not found or not int(found[1]):
        raise click.UsageError(f"--for {text!r}: say how long, as 90s, 30m, 2h or 1d.")
    return int(found[1]) * _UNITS[found[2]] * 1_000_000_000
