"""The Faust app: `faust -A agents.app worker` and `heartline worker` run the same."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
from collections.abc import Iterable
from typing import Any

import faust
from faust.app.base import BootStrategy
from mode import Service
from prometheus_client import CollectorRegistry

from agents.broker.security import Security, from_file, in_use, use
from agents.host.errors import BrokerError
from agents.host.places import state
from agents.lane.metrics import Metrics
from agents.lane.service import Lanes
from agents.lane.takeover import LaneFailed
from agents.observe.http import serve
from agents.observe.notify import notify
from agents.settings import Settings, from_environment
from agents.states.alarms import Alarms
from agents.states.keep import keep_states
from agents.states.models_topic import stage_of
from pipeline.errors import MissionError
from schemas import topics

log = logging.getLogger("heartline")
STOP_S = 15.0
FAUST_S = 3.0  # for which the lanes wait for Faust's own clients to stop, and once more at the end
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


class LaneService(Service):
    """Lanes, metrics and health; the worker exits with the reason when a lane cannot go on."""

    def __init__(self, settings: Settings, running: list[Lanes], **of_faust: Any) -> None:
        self._settings, self._running = settings, running
        self.left = asyncio.Event()  # what could be committed is
        super().__init__(**of_faust)

    @property
    def clean(self) -> bool:
        """Whether every lane has left with everything committed."""
        return not hasattr(self, "lanes") or self.lanes.clean

    async def on_start(self) -> None:
        try:
            missions = {name: s.load() for name, s in self._settings.sources.items()}
            if not missions:
                raise MissionError("No source: give --source NAME=MISSION_FOLDER.")
            metrics = Metrics(CollectorRegistry(), self._settings.parameter_gauges)
            self.lanes = Lanes(self._settings, missions, metrics)
            self._running.append(self.lanes)
            self.server = serve(
                self._settings.metrics_host,
                self._settings.metrics_port,
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
        self.left.set()


class App(faust.App):
    BootStrategy = LanesFirst
    first: tuple[LaneService, ...] = ()

    async def stop(self) -> None:
        """Stop within STOP_S: Faust's own clients would wait for ever for a broker that is gone.

        One that is told to stop while it joins its group waits for that first, up to a minute. The
        lanes do not wait for it: they hold the group that matters, and what is to be committed.
        """
        loop = asyncio.get_running_loop()
        deadline = threading.Timer(STOP_S, _give_up, [loop])
        deadline.daemon = True
        deadline.start()
        stopping = asyncio.ensure_future(super().stop())
        await asyncio.wait({stopping}, timeout=FAUST_S)
        for lanes in self.first:
            await lanes.stop()
            await lanes.left.wait()
        await asyncio.wait({stopping}, timeout=FAUST_S)
        if not stopping.done() and all(lanes.clean for lanes in self.first):
            log.warning("the lanes left, everything is committed; a client of Faust's did not stop")
            leave(0)
        await stopping
        deadline.cancel()


def _give_up(loop: asyncio.AbstractEventLoop) -> None:
    told = ""
    try:  # from another thread than the loop's: it may fail, and the worker ends all the same
        told = waits(loop)
    finally:
        end(LaneFailed(f"{UNSTOPPED}{told}"))


def waits(loop: asyncio.AbstractEventLoop) -> str:
    """What each task of a loop waits for, a line each, to be read by whoever mends it."""
    told = ["", "It waited for:"]
    for task in asyncio.all_tasks(loop):
        chain: list[str] = []
        at: Any = task.get_coro()
        while at is not None:  # down to the innermost coroutine that waits
            if frame := getattr(at, "cr_frame", None):
                chain.append(f"{frame.f_code.co_name}:{frame.f_lineno}")
            at = getattr(at, "cr_await", None)
        told.append(f"  {task.get_name()}: {' > '.join(chain)}")
    return "\n".join(told)


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
    keep_states(app, settings.bootstrap, settings.namespace, kept, alarms)

    app.first = (LaneService(settings, running, loop=app.loop, beacon=app.beacon),)
    return app


def end(error: Exception) -> None:
    """Exit at once and print the reason; a supervisor restarts the worker."""
    sys.stderr.write(f"heartline: {error}\n")
    leave(1)


def leave(status: int) -> None:
    """Exit at once, whatever threads still wait."""
    logging.shutdown()
    sys.stderr.flush()
    os._exit(status)


settings = from_environment()
use(from_file(settings.kafka))  # `faust -A agents.app worker` has no command line of ours
app = create_app(settings)
