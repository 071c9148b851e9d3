"""Options that several commands share."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import click

from agents.logs import set_up
from agents.security import from_file, use
from agents.settings import Settings, gather
from pipeline.errors import MissionError
from pipeline.flight import Numbered
from pipeline.mdb.epochs import parse_epoch


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
header_option = click.option(
    "--skip-header-bytes", default=0, show_default=True, type=click.IntRange(0, 65535),
    help="Bytes that a ground station puts before each packet.",
)  # fmt: skip


def numbered_options(command: Any) -> Any:
    """When packets of a file were received that have no times."""
    begin = click.option(
        "--begin", default="", help="UTC of the first packet, where packets have no times."
    )
    hz = click.option(
        "--hz", default=1.0, show_default=True, type=click.FloatRange(0, min_open=True),
        help="Packets a second, where they have no times.",
    )  # fmt: skip
    return begin(hz(command))


def numbered_of(begin: str, hz: float) -> Numbered:
    try:
        return Numbered(parse_epoch(begin) if begin else 0, hz)
    except ValueError:
        raise click.UsageError(f"--begin {begin!r} is no ISO date and time.") from None


bootstrap_option = click.option(
    "--bootstrap", default="127.0.0.1:9092", show_default=True, envvar="HEARTLINE_BOOTSTRAP",
    help="Kafka brokers, HOST:PORT by comma.",
)  # fmt: skip
partitions_option = click.option(
    "--partitions", default=1, show_default=True, help="Of telemetry.raw, where it is made here."
)
namespace_option = click.option("--namespace", default="", help="Put before every topic's name.")
# of the commands that are services: what is not given is the settings' own (docs/service.md)
config_option = click.option("--config", type=FILE, help="Settings file (docs/service.md).")
reach_option = click.option("--bootstrap", help="Kafka brokers, HOST:PORT by comma.")
space_option = click.option("--namespace", help="Put before every topic's name.")
level_option = click.option(
    "--loglevel", "log_level", type=click.Choice(["debug", "info", "warning", "error"])
)
form_option = click.option(
    "--log-format", type=click.Choice(["text", "json"]), help="Of every log line."
)


def service_options(command: Any) -> Any:
    """The options of a command that is a service."""
    for option in (config_option, reach_option, space_option, level_option, form_option):
        command = option(command)
    return command


def settings_of(config: Path | None, **given: Any) -> Settings:
    """Settings of a service, checked whole; its logs and its way to the brokers are set up."""
    settings = gather(config, given)
    set_up(settings.log_level, settings.log_format)
    if settings.kafka:
        use(from_file(settings.kafka))
    return settings


def source_pair(text: str) -> tuple[str, dict[str, str]]:
    """NAME=MISSION_FOLDER[,XTCE], as the settings have it."""
    name, equals, rest = text.partition("=")
    folder, _, mdb = rest.partition(",")
    if not equals or not name or not folder or "/" in name:
        raise click.UsageError(f"--source {text!r}: say NAME=MISSION_FOLDER or …,XTCE.")
    return name, {"mission": folder, "mdb": mdb}
