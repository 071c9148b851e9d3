"""Options of the commands that are services; one that is not given is taken from the settings
(docs/service.md)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from agents.broker.security import from_file, use
from agents.cli.options import FILE
from agents.observe.logs import set_up
from agents.settings import Settings, gather

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
    """Settings of a service, checked; also sets up its logs and how it connects to brokers."""
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
