"""Taking a partition: fence, barrier, offset, guard, snapshot, in no other order (docs/lane.md)."""

from __future__ import annotations

import asyncio
import logging

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalGenerationError, UnknownMemberIdError

from agents.lane.lane import Lane
from agents.settings import Settings
from schemas import topics

log = logging.getLogger("heartline.taking")
RECOVER_S = 120.0  # deadline of finding and restoring a snapshot
STEP_S = 15.0  # deadline of every request on the way
LOST_MEMBERSHIP = (CommitFailedError, IllegalGenerationError, UnknownMemberIdError)


class LaneFailed(Exception):  # noqa: N818 - its message is shown to users
    """A lane cannot go on; the worker ends with this message."""


class Taking:
    """exactly_once: whether the end offsets that the broker reports are reliable."""

    def __init__(self, client: AIOKafkaConsumer, settings: Settings, exactly_once: bool) -> None:
        self._client, self._settings, self._exactly_once = client, settings, exactly_once
        self._anew = False  # whether --start-at says where to begin
        self._state_topic = topics.on_wire(topics.STATE, settings.namespace)

    async def take(self, lane: Lane, partition: TopicPartition) -> int | None:
        """Where to read from; None if the partition is no longer ours."""
        await lane.commit.open()
        committed, beginning, end = await self._committed(partition)
        if not await self._guard(partition, committed):
            return None
        async with asyncio.timeout(RECOVER_S):
            return await lane.recover(committed, beginning, end, self._anew)

    async def _committed(self, partition: TopicPartition) -> tuple[int, int, int]:
        """(next offset to process, log's first offset, its end). LaneFailed if they do not fit."""
        async with asyncio.timeout(STEP_S):
            committed = await self._client.committed(partition)
            beginning = (await self._client.beginning_offsets([partition]))[partition]
            end = (await self._client.end_offsets([partition]))[partition]
        if committed is None:
            committed = await self._first(partition, beginning, end)
        # the embedded broker reports a partition's end as the base offset of its last batch
        if committed < beginning or (self._exactly_once and committed > end):
            raise LaneFailed(
                f"Partition {partition.partition} holds offsets {beginning} to {end}, but "
                f"{committed} is the next to process: records were deleted unread, or the topic "
                "was made anew. Start with another --group and --start-at to accept the gap."
            )
        return committed, beginning, end

    async def _first(self, partition: TopicPartition, beginning: int, end: int) -> int:
        """Where a group without a committed offset begins."""
        where = self._settings.start_at
        self._anew = bool(where)
        if where in ("beginning", "end"):
            return beginning if where == "beginning" else end
        if where:
            return int(where)
        state = TopicPartition(self._state_topic, partition.partition)
        async with asyncio.timeout(STEP_S):
            written = (await self._client.end_offsets([state]))[state]
        if written or beginning:
            raise LaneFailed(
                f"Partition {partition.partition} has been processed before, but "
                f"{self._settings.lanes_group} has no committed offset (they expire when a group "
                "is empty for long): say --start-at beginning, end or an offset."
            )
        return beginning

    async def _guard(self, partition: TopicPartition, committed: int) -> bool:
        """Commit the committed offset again: refused if the group has reassigned the partition.

        Offsets in a transaction are not checked against the group's generation. Without this, a
        worker that was frozen before its fence would fence the rightful owner, and rewind it.
        """
        try:
            async with asyncio.timeout(STEP_S):
                await self._client.commit({partition: committed})
        except LOST_MEMBERSHIP as error:
            log.warning("partition %d is another's by now: %r", partition.partition, error)
            return False
        return True
