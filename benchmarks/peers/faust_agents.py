"""Faust: an agent that takes the records in batches. Runs in the project's venv."""

from __future__ import annotations

import os
import signal
from typing import Any

import faust

from benchmarks.peers.job import FETCH_BYTES, LINGER_MS, Asked, Job, asked, fresh


def build(its: Asked) -> faust.App:
    app = faust.App(
        its.group, broker=f"aiokafka://{its.bootstrap}", value_serializer="raw",
        topic_disable_leader=True, topic_partitions=1, topic_replication_factor=1,
        web_enabled=False, store="memory://", consumer_max_fetch_size=FETCH_BYTES,
        stream_buffer_maxsize=16384, stream_wait_empty=False, producer_linger=LINGER_MS / 1e3,
    )  # fmt: skip
    raw = app.topic(its.raw, value_type=bytes, key_type=bytes, key_serializer="raw")
    alerts = app.topic(its.alerts, value_type=bytes, key_type=bytes, key_serializer="raw")
    job, state = Job(its.records), fresh()

    @app.agent(raw)
    async def watch(stream: Any) -> None:
        async for values in stream.take(1000, within=0.1):
            for value in values:
                for alert in job.feed(value, state):
                    await alerts.send(value=alert)
            job.clock.passed(len(values))
            if job.done:
                await app.producer.flush()
                job.clock.tell("faust-streaming")
                os.kill(os.getpid(), signal.SIGTERM)
                return

    return app


if __name__ == "__main__":
    faust.Worker(build(asked()), loglevel="warning").execute_from_commandline()
