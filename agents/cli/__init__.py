"""`heartline`: the command line."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

import click
from aiokafka.errors import KafkaError

from agents.cli.audit import audit
from agents.cli.benchmark import benchmark
from agents.cli.control import control
from agents.cli.diff import diff
from agents.cli.files import check, decode, import_, mission, run, simulate
from agents.cli.kafka import kafka
from agents.cli.live import broker, ingest, watch, worker
from agents.cli.mdb import mdb
from agents.cli.models import models
from agents.cli.replay import replay
from agents.cli.reproduce import reproduce
from agents.cli.show import explain
from agents.cli.terminal import lines
from agents.cli.topics import topics_group
from agents.demo import demo
from agents.kafka import BrokerError
from agents.security import ENVIRONMENT, from_file, use
from pipeline.errors import FlightError, MissionError


class People(click.Group):
    """A user's mistake is one line on standard error, and no traceback."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except (MissionError, FlightError, BrokerError) as error:
            click.echo(lines(f"heartline: {error}"), err=True)
            sys.exit(1)
        except KafkaError as error:  # a refused access list, a request that the broker lacks
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
    # its lines about a broker that is not there come before ours, which says what to do
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)


for command in (
    demo, simulate, import_, decode, run, broker, ingest, worker, replay, watch, explain, check,
    mission, mdb, control, kafka, topics_group, benchmark,
    reproduce, audit, diff, models,
):  # fmt: skip
    main.add_command(command)
