"""Pathway: a stateful reducer over the records of a source, in order of time within a batch."""

from __future__ import annotations

import os
import threading
from typing import Any

import numpy as np
import pathway as pw

from benchmarks.peers.job import FETCH_BYTES, LINGER_MS, TICK, Asked, Job, State, asked, fresh

SETTLE_S = 2.0  # for the sink to write what it was given last
Kept = tuple[bytes, bytes, tuple[bytes, ...]]


def main(its: Asked) -> None:
    job = Job(its.records)
    shape = fresh().mean.shape

    @pw.reducers.stateful_many  # type: ignore[untyped-decorator]
    def watch(kept: Kept | None, rows: list[tuple[list[Any], int]]) -> Kept:
        """State as Pathway keeps values, and the alerts of this batch."""
        state = fresh()
        if kept:
            mean, beyond = np.frombuffer(kept[0]), np.frombuffer(kept[1], np.bool_)
            state = State(mean.reshape(shape).copy(), beyond.reshape(shape).copy())
        values = [row[0] for row, _ in rows]
        values.sort(key=when)  # a batch comes in no order
        alerts = [alert for value in values for alert in job.feed(value, state)]
        job.clock.passed(len(values))
        return state.mean.tobytes(), state.beyond.tobytes(), tuple(alerts)

    raw = pw.io.kafka.read(
        {
            "bootstrap.servers": its.bootstrap, "group.id": its.group,
            "auto.offset.reset": "earliest", "max.partition.fetch.bytes": str(FETCH_BYTES),
        },
        its.raw, format="raw", autogenerate_key=True, autocommit_duration_ms=100,
    )  # fmt: skip
    kept = raw.groupby(pw.this.key).reduce(pw.this.key, kept=watch(pw.this.data))
    changes = kept.to_stream().filter(pw.this.is_upsert)
    alerts = changes.select(
        alert=pw.apply_with_type(lambda k: k[2], tuple[bytes, ...], pw.this.kept)
    ).flatten(pw.this.alert)
    pw.io.kafka.write(
        alerts,
        {"bootstrap.servers": its.bootstrap, "linger.ms": str(LINGER_MS), "acks": "all"},
        its.alerts,
        format="raw",
    )
    threading.Thread(target=end, args=[job], daemon=True).start()
    pw.run(monitoring_level=pw.MonitoringLevel.NONE)


def when(value: bytes) -> bytes:
    """Reception time of a tick, or of the first packet."""
    return value if len(value) == TICK else value[4:12]


def end(job: Job) -> None:
    """A streaming table has no end: leave once the last record is processed."""
    while not job.done:
        threading.Event().wait(0.1)
    threading.Event().wait(SETTLE_S)
    job.clock.tell("pathway")
    os._exit(0)


if __name__ == "__main__":
    main(asked())
