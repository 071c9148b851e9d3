"""Bytewax: a dataflow of one worker; its source ends where the topic does."""

from __future__ import annotations

from collections.abc import Iterable

from bytewax import operators as op
from bytewax.connectors.kafka import KafkaSinkMessage, KafkaSourceMessage
from bytewax.connectors.kafka import operators as kop
from bytewax.dataflow import Dataflow
from bytewax.testing import run_main

from benchmarks.peers.job import FETCH_BYTES, LINGER_MS, Asked, Job, State, asked, fresh


def build(its: Asked, job: Job) -> Dataflow:
    def watch(state: State | None, message: KafkaSourceMessage) -> tuple[State, Iterable[bytes]]:
        state = state or fresh()
        found = job.feed(message.value, state)
        job.clock.passed(1)
        return state, found

    flow = Dataflow("peers")
    brokers = [its.bootstrap]
    raw = kop.input(
        "raw", flow, brokers=brokers, topics=[its.raw], tail=False, batch_size=5000,
        add_config={"max.partition.fetch.bytes": str(FETCH_BYTES)},
    )  # fmt: skip
    keyed = op.key_on("source", raw.oks, lambda message: message.key.decode())
    alerts = op.stateful_flat_map("watch", keyed, watch)
    made = op.map("made", alerts, lambda a: KafkaSinkMessage(a[0].encode(), a[1]))
    kop.output(
        "alerts", made, brokers=brokers, topic=its.alerts,
        add_config={"linger.ms": str(LINGER_MS), "acks": "all"},
    )  # fmt: skip
    return flow


def main(its: Asked) -> None:
    job = Job(its.records)
    run_main(build(its, job))
    job.clock.tell("bytewax")


if __name__ == "__main__":
    main(asked())
