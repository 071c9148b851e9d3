"""The Faust app: `faust -A agents.app worker` and `heartline worker` run the same."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterable
from typing import Any

import faust
from faust.app.base import BootStrategy
from mode import Service
from prometheus_client import CollectorRegistry

from agents.broker.security import Security, from_file, in_use, use
from agents.desk.alarms import Alarms
from agents.desk.desk import add_desk
from agents.desk.models_topic import stage_of
from agents.host.errors import BrokerError
from agents.host.places import state
from agents.lane.metrics import Metrics
from agents.lane.service import Lanes
from agents.lane.takeover import LaneFailed
from agents.observe.http import serve
from agents.observe.notify import notify
from agents.settings import Settings, from_environment
from pipeline.errors import MissionError
from schemas import topics

log = logging.getLogger("heartline")
STOP_S = 15.0
UNSTOPPED = (
    f"Not stopped cleanly within {STOP_S:g} s (is the broker there?): ended as it stood; what was "
    "not committed is done again by the next worker."
)


class LanesFirst(BootStrategy):
    """The lanes start before Faust's own consumer, and stop after it.

    Services added to an app start only when its consumer has joined its group and its tables are
    recovered: no packet would be read for four seconds. Faust's own web server, which listens on
    every interface, is never started.
    """

    enable_web = False

    def server(self) -> Iterable[Any]:
        first: tuple[Service, ...] = getattr(self.app, "first", ())
        return [*first, *super().server()]


class App(faust.App):
    BootStrategy = LanesFirst
    first: tuple[Service, ...] = ()

    async def stop(self) -> None:
        """Stop within STOP_S: Faust's own clients would wait for ever for a broker that is gone."""
        deadline = threading.Timer(STOP_S, end, [LaneFailed(UNSTOPPED)])
        deadline.daemon = True
        deadline.start()
        await super().stop()
        deadline.cancel()


def faust_credentials(security: Security) -> Any:
    """The security settings as Faust's own clients take them; None for plaintext."""
    options = security.options
    context = options.get("ssl_context")
    if "sasl_mechanism" not in options:
        return faust.SSLCredentials(context) if context else None
    return faust.SASLCredentials(
        username=options["sasl_plain_username"],
        password=options["sasl_plain_password"],
        ssl_context=context,
        mechanism=options["sasl_mechanism"],
    )


def create_app(settings: Settings) -> App:
    """The app of one worker. Missions are read when it starts."""
    running: list[Lanes] = []
    folder = state() / "faust"  # Faust makes this folder and keeps nothing in it
    folder.parent.mkdir(parents=True, exist_ok=True)
    app = App(
        settings.group_on_wire,
        datadir=str(folder),
        broker=f"aiokafka://{settings.bootstrap}",
        store="memory://",
        topic_disable_leader=True,
        topic_partitions=1,
        topic_replication_factor=1,
        broker_session_timeout=settings.session_timeout_ms / 1e3,
        broker_heartbeat_interval=settings.session_timeout_ms / 6e3,
        broker_max_poll_interval=300.0,
        value_serializer="raw",
        broker_credentials=faust_credentials(in_use()),
    )
    alarms = Alarms(lambda: running[0].topic_id if running else "")
    kept = {topics.ALARMS: alarms.take, topics.MODELS: stage_of}
    add_desk(app, settings.bootstrap, settings.namespace, kept, alarms)

    class LaneService(Service):
        """Lanes, metrics and health; the worker exits with the reason when a lane cannot go on."""

        async def on_start(self) -> None:
            try:
                missions = {name: s.load() for name, s in settings.sources.items()}
                if not missions:
                    raise MissionError("No source: give --source NAME=MISSION_FOLDER.")
                metrics = Metrics(CollectorRegistry(), settings.parameter_gauges)
                self.lanes = Lanes(settings, missions, metrics)
                running.append(self.lanes)
                self.server = serve(
                    settings.metrics_host,
                    settings.metrics_port,
                    metrics.registry,
                    self.lanes.health,
                )
                notify("READY=1", "STATUS=waits for a broker")  # /healthz reports its state
                await self.lanes.connect()
            except (MissionError, BrokerError) as error:
                end(error)

        @Service.task
        async def process(self) -> None:
            try:
                await self.lanes.run()
            except LaneFailed as error:
                end(error)
            if not self.lanes.closing:
                end(LaneFailed("The lanes ended without a reason; see the log."))

        async def on_stop(self) -> None:
            notify("STOPPING=1")
            if hasattr(self, "server"):  # else it ended before it had begun
                self.server.shutdown()
                async with asyncio.timeout(10):
                    await self.lanes.close()

    app.first = (LaneService(loop=app.loop, beacon=app.beacon),)
    return app


def end(error: Exception) -> None:
    """Exit at once and print the reason; a supervisor restarts the worker."""
    import os
    import sys

    sys.stderr.write(f"heartline: {error}\n")
    sys.stderr.flush()
    os._exit(1)


settings = from_environment()
use(from_file(settings.kafka))  # `faust -A agents.app worker` has no command line of ours
app = create_app(settings)
