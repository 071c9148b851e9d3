"""confluent-kafka by hand: `consume(5000)`, bare or with the job."""

from __future__ import annotations

from confluent_kafka import Consumer, Producer

from benchmarks.peers.job import FETCH_BYTES, LINGER_MS, Asked, Job, asked, fresh


def main(its: Asked) -> None:
    job, state = Job(its.records), fresh()
    consumer = Consumer({
        "bootstrap.servers": its.bootstrap, "group.id": its.group,
        "auto.offset.reset": "earliest", "max.partition.fetch.bytes": FETCH_BYTES,
        "enable.auto.commit": True, "auto.commit.interval.ms": 5000,
    })  # fmt: skip
    producer = Producer({"bootstrap.servers": its.bootstrap, "linger.ms": LINGER_MS, "acks": "all"})
    consumer.subscribe([its.raw])
    while not job.done:
        records = consumer.consume(5000, timeout=0.2)
        for record in records if its.how == "job" else ():
            for alert in job.feed(record.value(), state):
                producer.produce(its.alerts, alert, record.key())
        producer.poll(0)
        job.clock.passed(len(records))
    producer.flush()
    job.clock.tell("confluent-kafka")
    consumer.close()


if __name__ == "__main__":
    main(asked())
