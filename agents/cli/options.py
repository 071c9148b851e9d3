"""Options that several commands share."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import click

from pipeline.errors import MissionError


def drawing(module: str) -> Any:
    """A module that draws, and wants more than a worker does."""
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
