"""The lanes of one worker: a service inside the Faust app, on a plain aiokafka `getmany` loop.

Faust is the frame (lifecycle, command line, low-rate agents); its agents acknowledge a message
that raised and commit past in-flight ones, so the lanes' records never pass through them. The
lanes' group is their own (`<group>-lanes`).
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import ConsumerStoppedError, KafkaError, NoOffsetForPartitionError

from agents.chains import Chains
from agents.commit import AtLeastOnce
from agents.kafka import consumer, ensure_topics, producer, start
from agents.lane import Lane, Timing
from agents.metrics import Metrics
from agents.settings import Settings
from agents.snapshot import SnapshotError
from agents.state_store import KafkaSnapshots
from agents.warm import warm_up
from pipeline.mission import Mission
from schemas import topics

log = logging.getLogger("heartline.service")
LEAVE_S = 3.0  # a lane leaves within this, its commit finished or dropped
STALLED_S = 30.0  # a lane that stands still this long while its log grows is stalled
FETCH_MS = 200
PROBE_S = 5.0  # how often the broker is asked whether it is there
UNHEARD_S = 20.0  # a worker that has not heard from it for this long is not healthy


class LaneFailed(Exception):  # noqa: N818 - it is told to people as it stands
    """A lane cannot go on; the worker ends with this message."""


class Lanes(ConsumerRebalanceListener):  # type: ignore[misc]
    """Owns the consumer of the lanes' group. `run` returns after `close`."""

    def __init__(self, settings: Settings, missions: dict[str, Mission], metrics: Metrics) -> None:
        self._settings, self._missions, self._metrics = settings, missions, metrics
        self._topic = topics.on_wire(topics.RAW, settings.namespace)
        self._state_topic = topics.on_wire(topics.STATE, settings.namespace)
        self._lanes: dict[int, Lane] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._paused: set[TopicPartition] = set()
        self.closing = False
        self.heard = time.monotonic()  # when a broker last answered
        self._probing: asyncio.Task[None] | None = None
        self._compute = ThreadPoolExecutor(1, "compute")
        self.ready = asyncio.Event()
        self._consumer: AIOKafkaConsumer | None = None
        self._producer: AIOKafkaProducer | None = None
        sys.setswitchinterval(0.0005)  # a transaction beside a busy thread: 21 → 11 ms

    async def connect(self) -> None:
        """Topics made, kernels compiled, clients started. BrokerError where no broker answers."""
        s = self._settings
        await ensure_topics(s.bootstrap, s.namespace, s.partitions)
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._compute, warm_up)
        self._producer = await start(producer(s.bootstrap), s.bootstrap)
        client = consumer(
            s.bootstrap, group_id=f"{s.group_on_wire}-lanes",
            session_timeout_ms=s.session_timeout_ms,
            heartbeat_interval_ms=s.session_timeout_ms // 6,
            rebalance_timeout_ms=s.session_timeout_ms,
        )  # fmt: skip
        self._consumer = await start(client, s.bootstrap)
        client.subscribe([self._topic], listener=self)
        self.heard = time.monotonic()
        self._probing = asyncio.create_task(self._probe(client))

    async def _probe(self, client: AIOKafkaConsumer) -> None:
        """Ask for metadata now and then: a fetch from a broker that is gone is merely empty."""
        silent = False
        while True:
            try:
                async with asyncio.timeout(PROBE_S):
                    await client.topics()
                self.heard, silent = time.monotonic(), False
            except (KafkaError, TimeoutError, OSError) as error:
                if not silent:
                    log.warning("no broker answers at %s: %r", self._settings.bootstrap, error)
                silent = True
            await asyncio.sleep(PROBE_S)

    async def run(self) -> None:
        """Fetch and hand out records. LaneFailed when a lane cannot go on."""
        client = self._consumer
        assert client
        while not self.closing:
            for partition, task in list(self._tasks.items()):
                if task.done() and not task.cancelled() and task.exception():
                    raise _told(partition, task.exception())
            try:
                fetched = await client.getmany(timeout_ms=FETCH_MS)
            except ConsumerStoppedError:
                return  # `close` was faster
            except NoOffsetForPartitionError:
                continue  # a partition just taken, whose lane has not said yet where to read
            for partition, records in fetched.items():
                lane = self._lanes.get(partition.partition)
                if lane and records and records[0].offset >= lane.next_offset:
                    lane.put(records)
                    if lane.full:
                        client.pause(partition)
                        self._paused.add(partition)
            self._measure()

    def _resume(self, partition: TopicPartition) -> None:
        lane = self._lanes.get(partition.partition)
        if self._consumer and partition in self._paused and lane and not lane.full:
            self._paused.discard(partition)
            if partition in self._consumer.assignment():
                self._consumer.resume(partition)

    def _measure(self) -> None:
        self._metrics.lanes.set(len(self._lanes))
        for number in self._lanes:
            behind = self.behind(number)
            if behind is not None:
                self._metrics.consumer_lag.labels(number).set(behind)

    def behind(self, number: int) -> int | None:
        """Records of a partition that its lane has not processed; None while it is not known."""
        assert self._consumer
        partition = TopicPartition(self._topic, number)
        if partition not in self._consumer.assignment():
            return None
        high = self._consumer.highwater(partition)
        return None if high is None else max(0, high - self._lanes[number].next_offset)

    def health(self) -> tuple[bool, str]:
        """(healthy, why): a lane that stands still while its partition grows is not."""
        if not self.ready.is_set():
            return False, "not ready: no partition assigned yet"
        unheard = time.monotonic() - self.heard
        if unheard > UNHEARD_S:
            return (
                False,
                f"no broker has answered at {self._settings.bootstrap} for {unheard:.0f} s",
            )
        for number, lane in list(self._lanes.items()):
            behind, idle = self.behind(number), time.monotonic() - lane.progress
            if behind and idle > STALLED_S:
                return (
                    False,
                    f"lane {number} stands still for {idle:.0f} s with {behind} records waiting",
                )
        return True, f"{len(self._lanes)} lanes"

    # --- rebalance: signals only; the lanes' own tasks do the work -------------------------------

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Leave within LEAVE_S; what was not committed is done again by the next owner."""
        leaving = [self._lanes[p.partition] for p in revoked if p.partition in self._lanes]
        for lane in leaving:
            self._tasks[lane.partition].cancel()
        await asyncio.gather(*(self._leave(lane) for lane in leaving))

    async def _leave(self, lane: Lane) -> None:
        task = self._tasks.pop(lane.partition)
        self._lanes.pop(lane.partition)
        try:
            async with asyncio.timeout(LEAVE_S):
                await asyncio.gather(task, return_exceptions=True)
                await lane.leave()
        except (TimeoutError, KafkaError) as error:
            log.warning(
                "lane %d left without its last commit (%r): the next owner repeats %d records",
                lane.partition, error, lane.next_offset - lane.committed,
            )  # fmt: skip

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        client = self._consumer
        assert client
        for partition in assigned:
            client.pause(partition)
            client.seek(partition, 0)  # a place, until the lane knows the right one
            lane = self._new_lane(partition)
            self._lanes[partition.partition] = lane
            task = asyncio.create_task(self._work(lane, partition))
            self._tasks[partition.partition] = task

    def _new_lane(self, partition: TopicPartition) -> Lane:
        s, number = self._settings, partition.partition
        assert self._consumer
        assert self._producer
        chains = Chains(self._missions, number)
        return Lane(
            number,
            chains,
            AtLeastOnce(self._consumer, self._producer, partition, s.namespace),
            KafkaSnapshots(
                s.bootstrap, self._state_topic, number, self._producer, chains.fingerprint
            ),
            self._compute,
            self._metrics,
            Timing(s.commit_ms / 1e3, s.snapshot_s),
            lambda: self._resume(partition),
        )

    async def _work(self, lane: Lane, partition: TopicPartition) -> None:
        """Recover, then process until cancelled."""
        client = self._consumer
        assert client
        committed = await client.committed(partition)
        beginning = (await client.beginning_offsets([partition]))[partition]
        if committed is not None and committed < beginning:
            raise LaneFailed(
                f"Partition {lane.partition} begins at offset {beginning}, but {committed} is the "
                "next to process: records were deleted unread. Start with another --group to "
                "accept the gap."
            )
        begin = await lane.recover(committed, beginning)
        client.seek(partition, begin)
        client.resume(partition)
        self.ready.set()
        log.info("lane %d: from offset %d", lane.partition, begin)
        await lane.run()

    async def close(self) -> None:
        """Leave the group with everything committed."""
        self.closing = True
        if self._probing:
            self._probing.cancel()
            await asyncio.gather(self._probing, return_exceptions=True)
        leaving = list(self._lanes.values())
        for lane in leaving:
            self._tasks[lane.partition].cancel()
        await asyncio.gather(*(self._leave(lane) for lane in leaving))
        for client in (self._consumer, self._producer):
            if client:
                try:
                    async with asyncio.timeout(LEAVE_S):
                        await client.stop()
                except (TimeoutError, KafkaError) as error:
                    log.warning("client did not stop cleanly: %r", error)
        self._compute.shutdown(wait=False, cancel_futures=True)


def _told(partition: int, error: BaseException | None) -> LaneFailed:
    if isinstance(error, LaneFailed):
        return error
    if isinstance(error, SnapshotError):
        return LaneFailed(f"Partition {partition}: {error}.")
    log.error("lane %d ended", partition, exc_info=error)
    return LaneFailed(f"Lane {partition} ended by an error: {error!r}.")
