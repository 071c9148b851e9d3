"""Where a worker may be stopped: before and after each step of the lane's protocol.

A worker under test runs the product's own code; its methods are wrapped here, in its process.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiokafka.consumer.group_coordinator import GroupCoordinator

from agents.lane.commit import Transactional
from agents.lane.lane import Lane
from agents.lane.state_store import KafkaSnapshots
from agents.lane.takeover import Taking
from schemas import topics
from schemas.columns import Output

STEPS = ("fence", "barrier", "committed", "guard", "restore", "begin", "produce", "offsets", "end", "block",
         "trailer")  # fmt: skip
POINTS = tuple(f"{when} {step}" for step in STEPS for when in ("before", "after"))
OVERSIZE = 2 * 1024 * 1024  # more than telemetry.alerts takes


@dataclass(frozen=True)
class Fault:
    """action: kill, stop, pause, reject, drop or repeat; it happens the nth time at the point."""

    action: str
    point: str
    nth: int = 1


class Armed:
    """Counts how often each point was passed; does the fault once, and says so in a file."""

    def __init__(self, fault: Fault | None, told: Path) -> None:
        self.fault, self.told = fault, told
        self.passed = 0
        self.fired = False

    def due(self, point: str) -> bool:
        if self.fault is None or self.fired or point != self.fault.point:
            return False
        self.passed += 1
        return self.passed == self.fault.nth

    def tell(self) -> None:
        self.fired = True
        with self.told.open("w") as file:
            file.write("fired")
            file.flush()
            os.fsync(file.fileno())

    async def at(self, point: str) -> None:
        if not self.due(point):
            return
        assert self.fault
        self.tell()
        if self.fault.action == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif self.fault.action == "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        elif self.fault.action == "pause":
            await asyncio.sleep(3.0)


def arm(armed: Armed) -> None:
    """Wrap every step of the lane."""
    for owner, name, step in (
        (Transactional, "_fence", "fence"), (Transactional, "_barrier", "barrier"),
        (Taking, "_committed", "committed"),
        (Taking, "_guard", "guard"), (Lane, "recover", "restore"),
        (Transactional, "_begin", "begin"), (Transactional, "_offsets", "offsets"),
        (Transactional, "_end", "end"),
    ):  # fmt: skip
        setattr(owner, name, _around(getattr(owner, name), armed, lambda *_, s=step: s))
    block = _around(KafkaSnapshots._send, armed, _block)
    KafkaSnapshots._send = block  # type: ignore[method-assign]
    Transactional._produce = _producing(armed)  # type: ignore[method-assign]


def _block(_: Any, block: Any) -> str:
    return "trailer" if "sha256" in block.header else "block"


def _around(original: Any, armed: Armed, step_of: Callable[..., str]) -> Any:
    async def wrapped(self: Any, *arguments: Any) -> Any:
        step = step_of(self, *arguments)
        await armed.at(f"before {step}")
        result = await original(self, *arguments)
        await armed.at(f"after {step}")
        return result

    return wrapped


def _producing(armed: Armed) -> Any:
    original = Transactional._produce

    async def produce(self: Transactional, outputs: list[Output]) -> Any:
        await armed.at("before produce")
        given = list(outputs)
        fault = armed.fault
        if fault and fault.action in ("drop", "repeat", "reject") and armed.due("at produce"):
            armed.tell()
            if fault.action == "drop":
                del given[0]
            elif fault.action == "repeat":
                given.insert(0, given[0])
            else:
                given.append(Output(topics.ALERTS, "oversize", b"", bytes(OVERSIZE)))
        sent = await original(self, given)
        await armed.at("after produce")
        return sent

    return produce


def with_early_offset() -> None:
    """The committed offset is fetched before the fence: against the order of docs/lane.md."""
    take = Taking.take

    async def early(self: Taking, lane: Lane, partition: Any) -> int | None:
        found = await self._committed(partition)

        async def known(_: Any) -> tuple[int, int, int]:
            return found

        self._committed = known  # type: ignore[method-assign]
        try:
            return await take(self, lane, partition)
        finally:
            del self._committed

    Taking.take = early  # type: ignore[method-assign]


def deaf(seconds: float, told: Path) -> None:
    """Once it was stopped, a worker does not hear for a while that its group has gone on.

    What a race decides otherwise: whether the heartbeat or the lane goes on first after SIGCONT.
    """
    heartbeat = GroupCoordinator._do_heartbeat
    woke: list[float] = []

    async def pretend(self: GroupCoordinator) -> bool:
        if told.exists():
            woke.append(time.monotonic())
            if time.monotonic() - woke[0] < seconds:
                return True
        return bool(await heartbeat(self))

    GroupCoordinator._do_heartbeat = pretend  # type: ignore[method-assign]


def without_guard() -> None:
    """What the guard is there for is seen without it."""

    async def always(*_: Any) -> bool:
        return True

    Taking._guard = always  # type: ignore[method-assign]
