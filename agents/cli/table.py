"""`heartline table`: alerts as rows of PostgreSQL (docs/table.md)."""

from __future__ import annotations

import asyncio
import importlib.util
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from agents.cli.running import until_told
from agents.cli.service_options import service_options, settings_of
from agents.host.errors import BrokerError
from agents.host.terminal import Terminal
from agents.observe.http import serve
from agents.settings import Settings

console = Terminal(stderr=True)


@click.command()
@click.option("--to", "url", metavar="URL", help="postgresql://USER@HOST/DATABASE")
@click.option("--metrics-port", type=int, help="Where /metrics and /healthz are.")
@click.option("--metrics-host", help="Address they listen on.")
@service_options
def table(config: Path | None, url: str | None, metrics_port: int | None, **given: Any) -> None:
    """Write every alert, and what people did about it, into PostgreSQL, for Grafana's tables."""
    own = {"url": url, "metrics_port": metrics_port}
    chosen = {name: value for name, value in own.items() if value is not None}
    settings = settings_of(config, table=chosen or None, **given)
    if not settings.table.url:
        raise BrokerError(
            "Name the database: --to postgresql://USER@HOST/DATABASE (docs/table.md)."
        )
    if importlib.util.find_spec("asyncpg") is None:
        raise BrokerError("asyncpg is not installed: pip install 'heartline[postgres]'.")
    asyncio.run(run(settings))


async def run(settings: Settings) -> None:
    """Until interrupted or told to stop."""
    from agents.table.service import Table

    one = Table(settings, settings.table.url)
    server = serve(
        settings.metrics_host, settings.table.metrics_port, one.metrics.registry, one.health
    )
    at = urlsplit(settings.table.url)
    console.print(
        f"alerts of {settings.bootstrap} to {at.hostname or 'this machine'}{at.path}",
        highlight=False, markup=False,
    )  # fmt: skip
    try:
        await until_told(one.run())
    finally:
        server.shutdown()
