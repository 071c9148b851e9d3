"""`heartline`: the command line."""

from __future__ import annotations

import logging
import os
import sys
from importlib import import_module
from pathlib import Path

import click
from aiokafka.errors import KafkaError

from agents.broker.security import ENVIRONMENT, from_file, use
from agents.host.errors import BrokerError
from agents.host.terminal import lines
from pipeline.errors import FlightError, MissionError

# the module of each command: only that one is imported, so that none waits for the others
COMMANDS = {
    "demo": "agents.demo:demo", "simulate": "agents.cli.files:simulate",
    "import": "agents.cli.imports:import_", "decode": "agents.cli.files:decode",
    "run": "agents.cli.files:run", "broker": "agents.cli.live:broker",
    "ingest": "agents.cli.live:ingest", "worker": "agents.cli.live:worker",
    "replay": "agents.cli.replay:replay", "watch": "agents.cli.live:watch",
    "explain": "agents.cli.show:explain", "check": "agents.cli.files:check",
    "mission": "agents.cli.files:mission", "mdb": "agents.cli.mdb:mdb",
    "control": "agents.cli.control:control", "kafka": "agents.cli.kafka:kafka",
    "topics": "agents.cli.topics:topics_group", "benchmark": "agents.cli.benchmark:benchmark",
    "reproduce": "agents.cli.reproduce:reproduce", "audit": "agents.cli.audit:audit",
    "diff": "agents.cli.diff:diff", "models": "agents.cli.models:models",
    "alarms": "agents.cli.alarms:alarms", "desk": "agents.cli.desk:desk",
    "table": "agents.cli.table:table",
}  # fmt: skip


class People(click.Group):
    """A user's mistake is reported in one line on standard error, without a traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:  # noqa: ARG002
        if name not in COMMANDS:
            return None
        module, _, command = COMMANDS[name].partition(":")
        found: click.Command = getattr(import_module(module), command)
        return found

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except (MissionError, FlightError, BrokerError) as error:
            click.echo(lines(f"heartline: {error}"), err=True)
            sys.exit(1)
        except KafkaError as error:  # denied by an access list, or a request it does not support
            click.echo(lines(f"heartline: the broker refuses: {error!r}."), err=True)
            sys.exit(1)


@click.group(cls=People, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="heartline")
@click.option("--kafka-config", type=click.Path(path_type=Path), help="TLS, SASL (docs/kafka.md).")
def main(kafka_config: Path | None) -> None:
    """Real-time telemetry: packets in, predicted alerts and rolling statistics out."""
    if kafka_config:
        os.environ[ENVIRONMENT] = str(kafka_config)
    use(from_file(kafka_config))
    # its lines about a missing broker would come before ours, which says what to do
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
