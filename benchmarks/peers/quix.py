"""Quix Streams: a streaming dataframe; the state beside it, or in its store."""

from __future__ import annotations

from typing import Any

import numpy as np
from quixstreams import Application, State

from benchmarks.peers import job as shared
from benchmarks.peers.job import CONTAINERS, FETCH_BYTES, LINGER_MS, WIDTH, Asked, Job, asked, fresh


def main(its: Asked) -> None:
    app = Application(
        broker_address=its.bootstrap, consumer_group=its.group, auto_offset_reset="earliest",
        commit_interval=5.0, loglevel="WARNING", auto_create_topics=its.how == "store",
        consumer_extra_config={"max.partition.fetch.bytes": FETCH_BYTES},
        producer_extra_config={"linger.ms": LINGER_MS, "acks": "all"},
    )  # fmt: skip
    raw = app.topic(its.raw, value_deserializer="bytes")
    alerts = app.topic(its.alerts, value_serializer="bytes")
    job, beside = Job(its.records), fresh()

    def watch(value: bytes) -> list[bytes]:
        found = job.feed(value, beside)
        job.clock.passed(1)
        if job.done:
            app.stop()
        return found

    def watch_stored(value: bytes, store: State) -> list[bytes]:
        state = fresh()
        if kept := store.get_bytes("state"):
            state = restored(kept)
        found = job.feed(value, state)
        store.set_bytes("state", state.mean.tobytes() + state.beyond.tobytes())
        job.clock.passed(1)
        if job.done:
            app.stop()
        return found

    rows = app.dataframe(raw)
    if its.how == "store":
        rows = rows.apply(watch_stored, stateful=True, expand=True)
    else:
        rows = rows.apply(watch, expand=True)
    rows.to_topic(alerts)
    app.run()
    job.clock.tell("quixstreams")


def restored(kept: bytes) -> shared.State:
    n, shape = CONTAINERS * WIDTH, (CONTAINERS, WIDTH)
    mean: Any = np.frombuffer(kept, np.float64, n).reshape(shape).copy()
    beyond: Any = np.frombuffer(kept, np.bool_, n, 8 * n).reshape(shape).copy()
    return shared.State(mean, beyond)


if __name__ == "__main__":
    main(asked())
