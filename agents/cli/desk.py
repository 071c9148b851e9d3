"""`heartline desk`: the alarm desk as a service (docs/desk.md)."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import click

from agents.cli.options import sources_option
from agents.cli.running import until_told
from agents.cli.service_options import service_options, settings_of, source_pair
from agents.desk.api import served
from agents.desk.journal import FencedError
from agents.desk.service import Desk
from agents.desk.tokens import ROLES, new_token
from agents.host.terminal import Terminal
from agents.observe.http import serve
from agents.settings import Settings
from pipeline.errors import MissionError

console = Terminal(stderr=True)
FENCED_STATUS = 3  # a supervisor must not start it again: the two would fence each other for ever


@click.group(invoke_without_command=True)
@sources_option
@click.option("--port", type=int, help="Of its HTTP API.")
@click.option("--host", help="Address that it listens on; others than loopback need tokens.")
@click.option("--metrics-port", type=int, help="Where /metrics and /healthz are.")
@click.option("--metrics-host", help="Address they listen on.")
@click.option("--alertmanager", "alertmanagers", multiple=True, metavar="URL",
              help="Whom it tells; more than once for a cluster.")  # fmt: skip
@click.option("--escalate-s", type=float, help="Without an acknowledgement for so long.")
@service_options
@click.pass_context
def desk(
    context: click.Context, /, config: Path | None, sources: tuple[str, ...],
    alertmanagers: tuple[str, ...], port: int | None, host: str | None, metrics_port: int | None,
    escalate_s: float | None, **given: Any,
) -> None:  # fmt: skip
    """Run the alarm desk: incidents, acknowledgements, Alertmanager, an HTTP API."""
    if context.invoked_subcommand:
        return
    own = {"port": port, "host": host, "metrics_port": metrics_port, "escalate_s": escalate_s,
           "alertmanagers": list(alertmanagers) or None}  # fmt: skip
    chosen = {name: value for name, value in own.items() if value is not None}
    missions = dict(source_pair(s) for s in sources) or None
    settings = settings_of(config, sources=missions, desk=chosen or None, **given)
    asyncio.run(run(settings))


async def run(settings: Settings) -> None:
    """Until interrupted or told to stop."""
    one = Desk(settings, {name: s.load() for name, s in settings.sources.items()})
    async with served(one):
        await _run(one, settings)


async def _run(one: Desk, settings: Settings) -> None:
    d = settings.desk
    server = serve(settings.metrics_host, d.metrics_port, one.metrics.registry, one.health)
    told = ", ".join(d.alertmanagers) or "nobody (no --alertmanager)"
    console.print(
        f"desk of {', '.join(sorted(settings.sources)) or 'every source'} at {settings.bootstrap}; "
        f"API on http://{d.host}:{d.port}, tells {told}",
        highlight=False, markup=False,
    )  # fmt: skip
    try:
        await until_told(one.run())
    except FencedError as error:
        click.echo(f"heartline: {error}", err=True)
        sys.exit(FENCED_STATUS)
    finally:
        server.shutdown()


@desk.command()
@click.argument("name", metavar="NAME")
@click.option("--role", type=click.Choice(ROLES), default="operate", show_default=True)
def token(name: str, role: str) -> None:
    """Make a token for a person or a program, and the lines of the settings that let it in."""
    if not name.replace("-", "").replace("_", "").isalnum():
        raise MissionError(f"{name!r} is no name: letters, digits, - and _.")
    made, digest = new_token()
    click.echo(made)
    click.echo(
        "It is shown only now. The settings get its hash:\n\n"
        f'[desk.tokens.{name}]\nrole = "{role}"\nsha256 = "{digest}"',
        err=True,
    )
