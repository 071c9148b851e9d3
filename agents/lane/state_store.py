"""Snapshots of one lane on its partition of telemetry.state."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from itertools import islice

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from agents.broker.kafka import consumer, discard, start, stop
from agents.host.errors import BrokerError
from agents.lane.snapshot import HEADER, Block, Marks, Snapshot, blocks, newest_first, read_block

READ_S = 30.0
WRITE_S = 15.0  # deadline of one block
TAIL_BLOCKS = 64  # read first; more only if these hold no usable snapshot


class KafkaSnapshots:
    """Written by a producer of its own, outside any commit; read from the partition's end."""

    def __init__(
        self,
        bootstrap: str,
        topic: str,
        partition: int,
        make: Callable[[], AIOKafkaProducer],
        marks: Callable[[], Marks],
        other: str = "refuse",
    ) -> None:
        """marks: returns the lane's marks, known once it has been taken."""
        self._bootstrap, self._make = bootstrap, make
        self._topic, self._partition = topic, partition
        self._marks, self._other = marks, other
        self._producer: AIOKafkaProducer | None = None

    async def write(self, offset: int, content: bytes) -> None:
        """Write all blocks and await each: a trailer never precedes its blocks.

        After a failure the next write uses a new producer: the old one's sequence has a gap.
        """
        first = f"{self._partition}-{offset}-{id(self)}-{len(content)}"
        try:
            if self._producer is None:
                self._producer = await start(self._make(), self._bootstrap)
            for block in blocks(content, offset, self._marks(), first):
                await self._send(block)
        except (BrokerError, KafkaError, TimeoutError, OSError):
            await self.close()
            raise

    async def _send(self, block: Block) -> None:
        assert self._producer
        async with asyncio.timeout(WRITE_S):
            await self._producer.send_and_wait(
                self._topic, block.value, partition=self._partition, headers=block.headers
            )

    async def close(self) -> None:
        made, self._producer = self._producer, None
        if made:
            await discard(made, abort=False)

    async def newest_first(self, at_most: int) -> AsyncGenerator[Snapshot, None]:
        """Complete snapshots with S ≤ at_most, the newest first. SnapshotError as in `snapshot`.

        TimeoutError where the partition's end is not reached within READ_S.
        """
        partition = TopicPartition(self._topic, self._partition)
        reader = await start(consumer(self._bootstrap), self._bootstrap)
        try:
            reader.assign([partition])
            begin = (await reader.beginning_offsets([partition]))[partition]
            end = (await reader.end_offsets([partition]))[partition]
            back, told = TAIL_BLOCKS, 0
            while True:
                first = max(begin, end - back)
                found = await _read(reader, partition, first, end)
                every = newest_first(found, at_most, self._marks(), self._other)
                for one in islice(every, told, None):
                    told += 1
                    yield one
                if first == begin:
                    return
                back *= 4
        finally:
            await stop(reader)


async def _read(
    reader: AIOKafkaConsumer, partition: TopicPartition, first: int, end: int
) -> list[Block]:
    """The blocks from `first` to the end of the partition.

    The embedded broker reports an end that is too low; its fetches report the right one, but
    never for an empty partition.
    """
    reader.seek(partition, first)
    found: list[Block] = []
    empty = 0
    async with asyncio.timeout(READ_S):
        while True:
            got = await reader.getmany(partition, timeout_ms=300)
            records = got.get(partition, [])
            empty = 0 if records else empty + 1
            for r in records:
                header = dict(r.headers).get(HEADER)
                block = None if header is None else read_block(header, r.value or b"")
                if block:
                    found.append(block)
            high = reader.highwater(partition)
            there = await reader.position(partition) >= max(end, high or 0)
            if there and (high is not None or empty >= 2):
                return found
