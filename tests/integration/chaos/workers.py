"""Workers that start in a moment: forked from a process in which every kernel is compiled.

They run `agents.lane.service.Lanes` as the Faust service does; the frame around it, and its low-rate
agents, are left out.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from prometheus_client import CollectorRegistry

from agents.host.errors import BrokerError
from agents.lane.metrics import Metrics
from agents.lane.service import Lanes
from agents.settings import Settings
from pipeline.mission.folder import Mission
from tests.integration.chaos.points import Armed, Fault, arm

NO_CLUSTER = 3  # status of a worker that found no cluster as it started, said so and ended


@dataclass
class ChaosWorker:
    """A worker process, and what it told."""

    pid: int
    fault: Fault | None
    told: Path
    log: Path
    status: int | None = field(default=None)

    @property
    def fired(self) -> bool:
        return self.told.exists()

    @property
    def alive(self) -> bool:
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status is None

    def signal(self, number: signal.Signals) -> None:
        if self.alive:
            os.kill(self.pid, number)

    def end(self, seconds: float = 20.0) -> int:
        """Stop it cleanly; its exit code."""
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        deadline = time.monotonic() + seconds
        while self.alive:
            if time.monotonic() > deadline:
                self.signal(signal.SIGKILL)
                os.waitpid(self.pid, 0)
                self.status = -9
                break
            time.sleep(0.02)
        assert self.status is not None
        return self.status

    def text(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""


def fork_worker(
    settings: Settings, missions: dict[str, Mission], folder: Path, name: str,
    fault: Fault | None = None, prepare: Callable[[], None] | None = None,
) -> ChaosWorker:  # fmt: skip
    told, log = folder / f"{name}.fired", folder / f"{name}.log"
    sys.stdout.flush()
    held = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # until it can hear it
    pid = os.fork()
    if pid == 0:
        _child(settings, missions, log, Armed(fault, told), prepare)
    signal.pthread_sigmask(signal.SIG_SETMASK, held)
    return ChaosWorker(pid, fault, told, log)


def _child(
    settings: Settings, missions: dict[str, Mission], log: Path, armed: Armed,
    prepare: Callable[[], None] | None,
) -> None:  # fmt: skip
    """Never returns, and runs nothing of the process that it came from."""
    code = 1
    try:
        os.setsid()
        sys.stdout = sys.stderr = log.open("a", buffering=1)
        logging.basicConfig(
            level=logging.WARNING,
            force=True,
            stream=sys.stderr,
            format="%(asctime)s %(name)s %(message)s",
        )
        logging.getLogger("heartline").setLevel(logging.INFO)
        arm(armed)
        if prepare:
            prepare()
        code = asyncio.run(_work(settings, missions))
    except BaseException:
        logging.exception("worker")
    finally:
        logging.shutdown()
        os._exit(code)


async def _work(settings: Settings, missions: dict[str, Mission]) -> int:
    lanes = Lanes(settings, missions, Metrics(CollectorRegistry(), 0))
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    try:
        await lanes.connect()
    except BrokerError as error:
        logging.error("%s", error)
        return NO_CLUSTER
    running = asyncio.create_task(lanes.run())
    waiting = asyncio.create_task(ended.wait())
    await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    code = 0
    if running.done() and running.exception():
        logging.error("%s", running.exception(), exc_info=running.exception())
        code = 1
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(10):
            await lanes.close()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return code
