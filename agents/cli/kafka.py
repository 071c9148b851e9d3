"""`heartline kafka`: an Apache Kafka cluster on this machine, for laptops and tests."""

from __future__ import annotations

from pathlib import Path

import click

from agents.broker.apache import FOLDER, Cluster
from agents.host.errors import BrokerError

folder_option = click.option(
    "--folder", type=click.Path(path_type=Path), default=FOLDER, help="Where its files are kept."
)


@click.group()
def kafka() -> None:
    """Apache Kafka on loopback, without Docker (Java 17; Maven fetches it once)."""


@kafka.command()
@click.option("--brokers", default=1, show_default=True, type=click.IntRange(1, 9))
@click.option("--port", default=9092, show_default=True, help="Of the first; the others follow it.")
@folder_option
def start(brokers: int, port: int, folder: Path) -> None:
    """Start a cluster, made anew where there is none; what it holds outlives `stop`."""
    cluster = Cluster(folder)
    if cluster.nodes and len(cluster.nodes) != brokers:
        raise BrokerError(
            f"{folder} holds a cluster of {len(cluster.nodes)}: stop it with --delete first, "
            "or name another --folder."
        )
    if not cluster.nodes:
        cluster.make(brokers, port)
    cluster.start()
    click.echo(f"Kafka at {cluster.bootstrap}")


@kafka.command()
@click.option("--delete", is_flag=True, help="Its files too: topics and all they hold.")
@folder_option
def stop(delete: bool, folder: Path) -> None:
    """Stop the cluster."""
    cluster = _there(folder)
    cluster.stop()
    if delete:
        cluster.remove()


@kafka.command()
@folder_option
def status(folder: Path) -> None:
    """Tell which brokers run; status 1 where one does not."""
    cluster = _there(folder)
    for node in cluster.nodes:
        state = "up" if node.alive and node.listens else "starting" if node.alive else "down"
        click.echo(f"broker {node.node}  127.0.0.1:{node.port}  {state}  pid {node.pid or '-'}")
    if not all(n.alive for n in cluster.nodes):
        raise SystemExit(1)


@kafka.command()
@click.option("--broker", default=1, show_default=True)
@click.option("--lines", default=40, show_default=True)
@folder_option
def logs(broker: int, lines: int, folder: Path) -> None:
    """Show the end of a broker's log."""
    path = _there(folder).log(broker)
    if not path.exists():
        raise BrokerError(f"There is no broker {broker} in {folder}.")
    click.echo("\n".join(path.read_text(errors="replace").splitlines()[-lines:]))


def _there(folder: Path) -> Cluster:
    cluster = Cluster(folder)
    if not cluster.nodes:
        raise BrokerError(f"There is no cluster in {folder}: `heartline kafka start` makes one.")
    return cluster
