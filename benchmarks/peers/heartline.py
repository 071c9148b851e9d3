"""Heartline's lane, as `heartline worker` runs it."""

from __future__ import annotations

import asyncio

from prometheus_client import CollectorRegistry

from agents.lane.metrics import Metrics
from agents.lane.service import Lanes
from agents.settings import Settings, SourceSettings
from benchmarks.peers.job import Asked, Clock, asked
from schemas import topics


async def main(its: Asked) -> None:
    """its.how: the mission folder. A record is processed when it is committed."""
    source = SourceSettings(mission=its.how)
    settings = Settings(
        bootstrap=its.bootstrap, namespace=its.raw.removesuffix(f".{topics.RAW}"), group=its.group,
        sources={"bench": source}, guarantee="exactly-once", start_at="beginning",
    )  # fmt: skip
    lanes = Lanes(settings, {"bench": source.load()}, Metrics(CollectorRegistry(), 100))
    await lanes.connect()
    task = asyncio.create_task(lanes.run())
    await lanes.ready.wait()
    lane = lanes._lanes[0]
    clock = Clock(its.records)
    while not clock.done:
        clock.passed(max(lane.committed, 0) - clock.records)
        await asyncio.sleep(0.002)
        if task.done():
            task.result()
    clock.tell("heartline")
    await lanes.close()
    await task


if __name__ == "__main__":
    asyncio.run(main(asked()))
