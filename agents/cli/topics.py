"""`heartline topics`: what this version needs of its topics, and what is there."""

from __future__ import annotations

import asyncio

import click

from agents.broker.declared import Plan, apply, plan
from agents.cli.options import bootstrap_option, namespace_option, partitions_option


@click.group("topics")
def topics_group() -> None:
    """Show and make the topics (docs/topics.md)."""


@topics_group.command("plan")
@bootstrap_option
@namespace_option
@partitions_option
def show(bootstrap: str, namespace: str, partitions: int) -> None:
    """Tell what `apply` would do; status 1 where something differs."""
    found = asyncio.run(plan(bootstrap, namespace, partitions))
    _tell(found)
    if found.missing or found.differences:
        raise SystemExit(1)
    click.echo("Every topic is as it should be.")


@topics_group.command("apply")
@bootstrap_option
@namespace_option
@partitions_option
def make(bootstrap: str, namespace: str, partitions: int) -> None:
    """Make what is missing, and set what differs."""
    found = asyncio.run(apply(bootstrap, namespace, partitions))
    _tell(found)
    left = [d for d in found.differences if d.fixed]
    if left:
        raise SystemExit(1)


def _tell(found: Plan) -> None:
    for topic in found.missing:
        click.echo(
            f"+ {topic.name}: {topic.num_partitions} partitions, {topic.replication_factor} "
            f"replicas, {', '.join(f'{k}={v}' for k, v in topic.topic_configs.items())}"
        )
    for one in found.differences:
        sign = "!" if one.vital else "~"
        how = " (cannot be changed in place)" if one.fixed else ""
        click.echo(f"{sign} {one}{how}")
