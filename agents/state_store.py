"""Snapshots of one lane on its partition of telemetry.state."""

from __future__ import annotations

import asyncio

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from agents.kafka import consumer
from agents.snapshot import HEADER, Block, blocks, newest

READ_S = 30.0
WRITE_S = 15.0  # deadline of one block
TAIL_BLOCKS = 64  # read at first; further back only where no whole snapshot stands in them


class KafkaSnapshots:
    """Written by a producer of its own, outside any commit; read from the partition's end."""

    def __init__(
        self,
        bootstrap: str,
        topic: str,
        partition: int,
        producer: AIOKafkaProducer,
        fingerprint: str,
        other: str = "refuse",
    ) -> None:
        self._bootstrap, self._producer = bootstrap, producer
        self._topic, self._partition = topic, partition
        self._fingerprint, self._other = fingerprint, other

    async def write(self, offset: int, content: bytes) -> None:
        """Write all blocks and await them: a trailer never stands before its blocks."""
        first = f"{self._partition}-{offset}-{id(self)}-{len(content)}"
        for block in blocks(content, offset, self._fingerprint, first):
            await self._send(block)

    async def _send(self, block: Block) -> None:
        async with asyncio.timeout(WRITE_S):
            await self._producer.send_and_wait(
                self._topic, block.value, partition=self._partition, headers=block.headers
            )

    async def newest(self, at_most: int) -> tuple[int, bytes] | None:
        """(S, content) of the newest whole snapshot with S ≤ at_most. SnapshotError: see there."""
        partition = TopicPartition(self._topic, self._partition)
        reader = consumer(self._bootstrap)
        await reader.start()
        try:
            reader.assign([partition])
            begin = (await reader.beginning_offsets([partition]))[partition]
            end = (await reader.end_offsets([partition]))[partition]
            back = TAIL_BLOCKS
            while True:
                start = max(begin, end - back)
                found = await _read(reader, partition, start)
                chosen = newest(found, at_most, self._fingerprint, self._other)
                if chosen or start == begin:
                    return chosen
                back *= 4
        finally:
            await reader.stop()


async def _read(reader: AIOKafkaConsumer, partition: TopicPartition, start: int) -> list[Block]:
    """The blocks from `start` to the end of the partition, as the broker's fetches tell it."""
    reader.seek(partition, start)
    found: list[Block] = []
    async with asyncio.timeout(READ_S):
        empty = 0
        while empty < 2:  # a partition that holds nothing never tells its end
            got = await reader.getmany(partition, timeout_ms=300)
            records = got.get(partition, [])
            for r in records:
                header = dict(r.headers).get(HEADER)
                if header is not None:
                    found.append(Block(orjson.loads(header), r.value))
            high = reader.highwater(partition)
            if high is not None and await reader.position(partition) >= high:
                break
            empty = 0 if records else empty + 1
    return found
