"""How a lane commits: the one part of it that depends on what the broker can do (docs/lane.md).

`Transactional`: outputs and the input offset in one transaction, fenced by a `transactional.id` of
the partition, on Apache Kafka. `AtLeastOnce`: outputs are acknowledged, each one of them, before
the input offset is committed; ids are deterministic, so repeats after a crash are recognised.

In both, a failed send, a missed deadline or a fence ends the strategy (`CommitLost`): its producer
is discarded, and the lane recovers with a new one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import IllegalOperation, KafkaError, MessageSizeTooLargeError
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.producer.message_accumulator import BatchBuilder

from agents.broker.kafka import discard
from schemas import topics
from schemas.columns import Output

DEADLINE_S = 15.0
Future = asyncio.Future[object]
_BY_KEY = DefaultPartitioner()  # as the producer's own


class CommitLost(Exception):  # noqa: N818 - what it means matters more than that it is an error
    """Outputs sent since the last commit may or may not be on the broker: recover to find out."""


class Commit(Protocol):
    """Publishes outputs and commits the input offset."""

    async def open(self) -> None:
        """Get ready to send. Transactional: the previous owner of the partition can no longer
        commit, and what it has committed can be read."""

    async def send(self, outputs: Sequence[Output]) -> None:
        """Hand over the outputs of whole records."""

    def commit(self, offset: int) -> Coroutine[None, None, None]:
        """Commit the outputs handed over until now together with `offset`, the next to process.

        The coroutine ends when both are acknowledged.
        """

    async def close(self) -> None:
        """Release the producer. Transactional: readers never see what was not committed."""


@contextmanager
def _lost(what: str) -> Iterator[None]:
    try:
        yield
    # IllegalOperation is not a KafkaError: raised if the producer is fenced while a send waits
    except (KafkaError, IllegalOperation, TimeoutError, OSError) as error:
        raise CommitLost(f"{what}: {error!r}") from error


class AtLeastOnce:
    """Commit strategy for brokers without transactions."""

    def __init__(
        self,
        consumer: AIOKafkaConsumer,
        producer: AIOKafkaProducer,
        partition: TopicPartition,
        namespace: str,
    ) -> None:
        self._consumer, self._producer, self._partition = consumer, producer, partition
        self._names = {t: topics.on_wire(t, namespace) for t in topics.LANE_OUTPUTS}
        self._sent: list[Future] = []

    async def open(self) -> None:
        """Nothing to do: there is no fence, and the worker owns the producer."""

    async def send(self, outputs: Sequence[Output]) -> None:
        with _lost("outputs were not taken"):
            self._sent += await send_all(self._producer, self._names, outputs)

    def commit(self, offset: int) -> Coroutine[None, None, None]:
        sent, self._sent = self._sent, []
        return self._finish(sent, offset)

    async def _finish(self, sent: list[Future], offset: int) -> None:
        with _lost(f"offset {offset} was not committed"):
            async with asyncio.timeout(DEADLINE_S):
                await asyncio.gather(*sent)
                await self._consumer.commit({self._partition: offset})

    async def close(self) -> None:
        """Nothing to do: the worker owns the producer."""


class Transactional:
    """Commit strategy for Apache Kafka.

    make: makes a producer with the partition's transactional.id. group: of the committed offsets.
    """

    def __init__(
        self,
        make: Callable[[], AIOKafkaProducer],
        partition: TopicPartition,
        group: str,
        namespace: str,
    ) -> None:
        self._make, self._partition, self._group = make, partition, group
        self._names = {t: topics.on_wire(t, namespace) for t in topics.LANE_OUTPUTS}
        self._producer: AIOKafkaProducer | None = None
        self._begun = False
        self._sent: list[Future] = []
        self._ending: asyncio.Event | None = None  # set when the commit on its way has ended
        self._lost = False

    async def open(self) -> None:
        self._producer = self._make()
        with _lost("no transactions could be begun"):
            async with asyncio.timeout(DEADLINE_S):
                await self._fence()
                await self._barrier()

    async def send(self, outputs: Sequence[Output]) -> None:
        """Waits while a commit is in flight: later outputs belong to the next transaction."""
        if not outputs:
            return
        while self._ending:
            await self._ending.wait()
        with self._checked("outputs were not taken"):
            async with asyncio.timeout(DEADLINE_S):
                await self._begin()
                self._sent += await self._produce(outputs)

    def commit(self, offset: int) -> Coroutine[None, None, None]:
        assert self._ending is None, "one commit at a time"
        sent, self._sent = self._sent, []
        ending = self._ending = asyncio.Event()
        return self._finish(sent, offset, ending)

    async def _finish(self, sent: list[Future], offset: int, ending: asyncio.Event) -> None:
        try:
            with self._checked(f"the transaction up to offset {offset} was not committed"):
                async with asyncio.timeout(DEADLINE_S):
                    await self._begin()
                    # aiokafka would commit a transaction in which a send failed: check each send
                    await asyncio.gather(*sent)
                    await self._offsets(offset)
                    await self._end()
        finally:
            self._ending = None
            ending.set()

    @contextmanager
    def _checked(self, what: str) -> Iterator[None]:
        """After a failure this producer does not send or commit anything more."""
        if self._lost:
            raise CommitLost(f"{what}: the transaction before it was lost")
        try:
            with _lost(what):
                yield
        except CommitLost:
            self._lost = True
            raise

    # --- one method per step of the protocol: a test may stop the worker before or after each ---

    @property
    def _client(self) -> AIOKafkaProducer:
        assert self._producer, "open first"
        return self._producer

    async def _fence(self) -> None:
        await self._client.start()

    async def _barrier(self) -> None:
        """Write an offset to the group and abort it: a read after it sees every earlier commit.

        Kafka 4's group coordinator answers from what it knows to be replicated. One that has just
        taken over may know less than was acknowledged (apache/kafka#14120): it has reported that
        there was no offset. Once it acknowledges this write, it knows every commit before it.
        """
        await self._client.begin_transaction()
        await self._client.send_offsets_to_transaction({self._partition: 0}, self._group)
        await self._client.abort_transaction()

    async def _begin(self) -> None:
        if not self._begun:
            await self._client.begin_transaction()
            self._begun = True

    async def _produce(self, outputs: Sequence[Output]) -> list[Future]:
        return await send_all(self._client, self._names, outputs)

    async def _offsets(self, offset: int) -> None:
        await self._client.send_offsets_to_transaction({self._partition: offset}, self._group)

    async def _end(self) -> None:
        await self._client.commit_transaction()
        self._begun = False

    async def close(self) -> None:
        """Abort an open transaction here if that is quick; otherwise the next owner aborts it."""
        producer, self._producer = self._producer, None
        if producer:
            free = self._begun and not self._lost and self._ending is None
            await discard(producer, abort=free)


async def send_all(
    producer: AIOKafkaProducer, names: dict[str, str], outputs: Sequence[Output]
) -> list[Future]:
    """Hand outputs to a producer; each future is done when its outputs are acknowledged.

    They are put into record batches here, a third of the work of handing over each by itself.
    """
    by_topic: dict[str, list[Output]] = {}
    for output in outputs:
        by_topic.setdefault(names[output.topic], []).append(output)
    sent: list[Future] = []
    for topic, some in by_topic.items():
        partitions = sorted(await producer.partitions_for(topic))
        by_partition: dict[int, list[Output]] = {}
        for output in some:
            place = partitions[0]
            if len(partitions) > 1:
                place = _BY_KEY(output.key, partitions, partitions)
            by_partition.setdefault(place, []).append(output)
        for place, mine in by_partition.items():
            sent += await _send_batches(producer, topic, place, mine)
    return sent


async def _send_batches(
    producer: AIOKafkaProducer, topic: str, partition: int, outputs: Sequence[Output]
) -> list[Future]:
    batch, sent = producer.create_batch(), []
    for output in outputs:
        if not _append(batch, output):
            sent.append(await producer.send_batch(batch, topic, partition=partition))
            batch = producer.create_batch()
            _append(batch, output)  # a batch takes its first record, whatever its size
    sent.append(await producer.send_batch(batch, topic, partition=partition))
    return sent


def _append(batch: BatchBuilder, output: Output) -> bool:
    """Whether there was room. MessageSizeTooLargeError: there would be in no batch."""
    if len(output.value) + len(output.key) > topics.MOST_BYTES:
        raise MessageSizeTooLargeError(f"{output.id} has {len(output.value)} bytes")
    headers = [("id", output.id.encode()), *output.headers]
    return bool(
        batch.append(
            timestamp=output.timestamp_ms, key=output.key, value=output.value, headers=headers
        )
    )
