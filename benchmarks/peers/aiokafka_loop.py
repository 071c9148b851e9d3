"""aiokafka by hand: `getmany`, bare or with the job."""

from __future__ import annotations

import asyncio

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from benchmarks.peers.job import FETCH_BYTES, LINGER_MS, Asked, Job, asked, fresh


async def main(its: Asked) -> None:
    job, state = Job(its.records), fresh()
    consumer = AIOKafkaConsumer(
        its.raw, bootstrap_servers=its.bootstrap, group_id=its.group,
        auto_offset_reset="earliest", max_partition_fetch_bytes=FETCH_BYTES,
        enable_auto_commit=True, auto_commit_interval_ms=5000,
    )  # fmt: skip
    producer = AIOKafkaProducer(bootstrap_servers=its.bootstrap, linger_ms=LINGER_MS, acks="all")
    await consumer.start()
    await producer.start()
    while not job.done:
        for records in (await consumer.getmany(timeout_ms=200)).values():
            for record in records if its.how == "job" else ():
                for alert in job.feed(record.value, state):
                    await producer.send(its.alerts, alert, record.key)
            job.clock.passed(len(records))
    await producer.stop()  # flushes
    job.clock.tell("aiokafka")
    await consumer.stop()


if __name__ == "__main__":
    asyncio.run(main(asked()))
