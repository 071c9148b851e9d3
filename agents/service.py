"""The lanes of one worker: a service inside the Faust app, on a plain aiokafka `getmany` loop.

Faust is the frame (lifecycle, command line, low-rate agents); its agents acknowledge a message
that raised and commit past in-flight ones, so the lanes' records never pass through them. The
lanes' group is their own (`<group>-lanes`).
"""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import (
    ConsumerStoppedError,
    GroupAuthorizationFailedError,
    KafkaError,
    MessageSizeTooLargeError,
    NoOffsetForPartitionError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)

from agents.chains import Chains
from agents.commit import AtLeastOnce, Commit, CommitLost, Transactional
from agents.dead_letters import WrongInput
from agents.declared import ensure_topics
from agents.kafka import (
    BrokerError,
    consumer,
    discard,
    exactly_once_capable,
    patiently,
    producer,
    start,
    stop,
)
from agents.lane import Lane, Timing
from agents.metrics import Metrics
from agents.settings import Settings
from agents.snapshot import SnapshotError
from agents.stable import Stable
from agents.state_store import KafkaSnapshots
from agents.taking import LaneFailed, Taking
from agents.warm import warm_up
from pipeline.mission import Mission
from schemas import topics

log = logging.getLogger("heartline.service")
LEAVE_S = 3.0  # a lane leaves within this, its commit finished or dropped
CHUNK_S = 1.5  # of that, a chunk may take to its end
SAVE_S = 8.0  # a worker that stops also stores its state: the drain of an upgrade
STALLED_S = 30.0  # a lane that stands still this long while its log grows is stalled
FETCH_MS = 200
PROBE_S = 5.0  # how often the broker is asked whether it is there
UNHEARD_S = 20.0  # a worker that has not heard from it for this long is not healthy
AGAIN_S = 0.5  # between two tries to take a partition
STEP_S = 5.0
# what a broker refuses for what it is: trying again changes nothing
REFUSED = (
    GroupAuthorizationFailedError,
    MessageSizeTooLargeError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)
MOST_REFUSED = 3
TRANSACTION_MS = 15_000  # a lane that is cut off holds readers back no longer than this


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
        self._aside: list[asyncio.Task[None]] = []  # what looks at the broker now and then
        self._compute = ThreadPoolExecutor(1, "compute")
        self.ready = asyncio.Event()
        self._waits_for = "a broker"  # while it is not ready
        self._consumer: AIOKafkaConsumer | None = None
        self._producer: AIOKafkaProducer | None = None  # where there are no transactions
        self.exactly_once = False
        sys.setswitchinterval(0.0005)  # a transaction beside a busy thread: 21 → 11 ms

    async def connect(self) -> None:
        """Topics made, kernels compiled, clients started. BrokerError where no broker answers."""
        s = self._settings
        made = partial(ensure_topics, s.bootstrap, s.namespace, s.partitions)
        await patiently(made, s.bootstrap)
        loop = asyncio.get_running_loop()
        self._waits_for = "its kernels, which take minutes to compile the first time"
        taken = await loop.run_in_executor(self._compute, warm_up)
        log.info("kernels ready in %.1f s", taken)
        self._waits_for = "a broker"
        gc.collect()
        gc.freeze()  # 400,000 objects of libraries: to collect among them took 300 ms each time
        capable = await patiently(partial(exactly_once_capable, s.bootstrap), s.bootstrap)
        if s.guarantee == "exactly-once" and not capable:
            raise BrokerError(
                f"{s.bootstrap} has no transactions: exactly once cannot be had there."
            )
        self.exactly_once = capable and s.guarantee != "at-least-once"
        if not self.exactly_once:
            log.warning("at least once: outputs may be repeated after a crash (docs/lane.md)")
        self._metrics.exactly_once.set(self.exactly_once)
        if not self.exactly_once:
            self._producer = await start(producer(s.bootstrap), s.bootstrap)
        client = consumer(
            s.bootstrap, group_id=s.lanes_group,
            session_timeout_ms=s.session_timeout_ms,
            heartbeat_interval_ms=s.session_timeout_ms // 6,
            rebalance_timeout_ms=s.session_timeout_ms,
        )  # fmt: skip
        self._consumer = await start(client, s.bootstrap)
        client.subscribe([self._topic], listener=self)
        self._waits_for = "a partition"
        self.heard = time.monotonic()
        self._aside.append(asyncio.create_task(self._probe(client)))
        if self.exactly_once:
            stable = Stable(s.bootstrap, s.namespace, self._metrics)
            self._aside.append(asyncio.create_task(stable.run()))

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
                if task.done() and task.cancelled():
                    raise LaneFailed(f"Lane {partition} was ended by a client that was cut off.")
                if task.done() and task.exception():
                    raise _told(partition, task.exception())
            await self._watch()
            try:
                fetched = await client.getmany(timeout_ms=FETCH_MS)
            except ConsumerStoppedError:
                return  # `close` was faster
            except NoOffsetForPartitionError:
                continue  # a partition just taken, whose lane has not said yet where to read
            for partition, records in fetched.items():
                lane = self._lanes.get(partition.partition)
                if lane and lane.begun and records:
                    lane.put(records)
                    if lane.full:
                        client.pause(partition)
                        self._paused.add(partition)
            self._measure()

    async def _watch(self) -> None:
        """A lane that stands still while its log grows, with a broker there, ends the worker."""
        now, lanes = time.monotonic(), list(self._lanes.items())
        unheard = now - self.heard > UNHEARD_S  # nobody gets on without a broker: wait, and say so
        for number, lane in lanes:
            if unheard or not self.behind(number):
                lane.progress = now  # its time begins when there is a broker, and something to do
        for number, lane in lanes:
            if lane.idle and self._stalled(number) and await self._at_end(number):
                lane.progress = time.monotonic()
            if lane.begun and (stalled := self._stalled(number)):
                raise LaneFailed(f"Stopped: {stalled}. The next owner goes on from its commit.")

    async def _at_end(self, number: int) -> bool:
        """Whether all there is was fetched: a log may end with the mark of somebody's transaction,
        which nobody is given."""
        assert self._consumer
        part = TopicPartition(self._topic, number)
        try:
            async with asyncio.timeout(STEP_S):
                position = await self._consumer.position(part)
        except (KafkaError, TimeoutError):
            return False
        return bool(position >= (self._consumer.highwater(part) or 0))

    def _stalled(self, number: int) -> str:
        behind, idle = self.behind(number), time.monotonic() - self._lanes[number].progress
        if behind and idle > STALLED_S:
            return f"lane {number} stands still for {idle:.0f} s with {behind} records waiting"
        return ""

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
            return False, f"not ready: waits for {self._waits_for}"
        unheard = time.monotonic() - self.heard
        if unheard > UNHEARD_S:
            return (
                False,
                f"no broker has answered at {self._settings.bootstrap} for {unheard:.0f} s",
            )
        for number in list(self._lanes):
            if stalled := self._stalled(number):
                return False, stalled
        promise = "exactly once" if self.exactly_once else "at least once"
        return True, f"{len(self._lanes)} lanes, {promise}"

    # --- rebalance: signals only; the lanes' own tasks do the work -------------------------------

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Leave within LEAVE_S; what was not committed is done again by the next owner."""
        leaving = [p.partition for p in revoked if p.partition in self._lanes]
        await asyncio.gather(*(self._leave(number) for number in leaving))

    async def _leave(self, number: int) -> None:
        task, lane = self._tasks.pop(number), self._lanes.pop(number)
        try:
            async with asyncio.timeout(SAVE_S if self.closing else LEAVE_S):
                lane.stop()
                await asyncio.wait({task}, timeout=CHUNK_S)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                await lane.leave(save=self.closing)
        except (TimeoutError, CommitLost, KafkaError) as error:
            log.warning(
                "lane %d left without its last commit (%r): the next owner repeats %d records",
                lane.partition, error, lane.next_offset - lane.committed,
            )  # fmt: skip
        await lane.close()

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        client = self._consumer
        assert client
        if self.closing:
            return  # they would fence those that are being left
        for partition in assigned:
            client.pause(partition)
            client.seek(partition, 0)  # a place, until the lane knows the right one
            lane = self._new_lane(partition)
            self._lanes[partition.partition] = lane
            task = asyncio.create_task(self._work(lane, partition))
            self._tasks[partition.partition] = task

    def _new_lane(self, partition: TopicPartition) -> Lane:
        s, number = self._settings, partition.partition
        chains = Chains(self._missions, number)
        return Lane(
            number,
            chains,
            self._new_commit(partition),
            KafkaSnapshots(
                s.bootstrap,
                self._state_topic,
                number,
                self._snapshot_producer,
                chains.fingerprint,
                s.other_state,
            ),
            self._compute,
            self._metrics,
            Timing(s.commit_ms / 1e3, s.snapshot_s),
            lambda: self._resume(partition),
        )

    def _snapshot_producer(self) -> AIOKafkaProducer:
        return producer(self._settings.bootstrap, enable_idempotence=self.exactly_once)

    def _new_commit(self, partition: TopicPartition) -> Commit:
        s = self._settings
        if not self.exactly_once:
            assert self._consumer
            assert self._producer
            return AtLeastOnce(self._consumer, self._producer, partition, s.namespace)
        name = f"{s.group_on_wire}/{partition.topic}/{partition.partition}"

        def make() -> AIOKafkaProducer:
            return producer(
                s.bootstrap, transactional_id=name, transaction_timeout_ms=TRANSACTION_MS
            )

        return Transactional(make, partition, s.lanes_group, s.namespace)

    async def _work(self, lane: Lane, partition: TopicPartition) -> None:
        """Recover, then process until told to stop; what the broker breaks is recovered from."""
        refused = 0
        while True:
            try:
                if not await self._take(lane, partition):
                    return  # the group is about to say so itself
                await lane.run()
                return  # it was told to stop
            except (CommitLost, BrokerError, KafkaError, TimeoutError, OSError) as error:
                refused = refused + 1 if isinstance(error.__cause__, REFUSED) else 0
                if refused >= MOST_REFUSED:
                    raise LaneFailed(f"Partition {lane.partition}: {error}, every time.") from error
                log.warning("lane %d recovers: %s", lane.partition, error or repr(error))
                self._metrics.recoveries.labels(lane.partition).inc()
            finally:
                lane.begun = False
            assert self._consumer
            self._consumer.pause(partition)
            await lane.close()
            await asyncio.sleep(AGAIN_S)
            if partition.partition not in self._lanes:
                return  # it is being left
            lane = self._lanes[partition.partition] = self._new_lane(partition)

    async def _take(self, lane: Lane, partition: TopicPartition) -> bool:
        client = self._consumer
        assert client
        begin = await Taking(client, self._settings, self.exactly_once).take(lane, partition)
        if begin is None:
            return False
        client.seek(partition, begin)
        lane.begun = True
        lane.progress = time.monotonic()
        client.resume(partition)
        self.ready.set()
        log.info("lane %d: from offset %d", lane.partition, begin)
        return True

    async def close(self) -> None:
        """Leave the group with everything committed."""
        self.closing = True
        for aside in self._aside:
            aside.cancel()
        await asyncio.gather(*self._aside, return_exceptions=True)
        await asyncio.gather(*(self._leave(number) for number in list(self._lanes)))
        if self._consumer:
            await stop(self._consumer)
        if self._producer:
            await discard(self._producer, abort=False)
        self._compute.shutdown(wait=False, cancel_futures=True)


def _told(partition: int, error: BaseException | None) -> LaneFailed:
    if isinstance(error, LaneFailed):
        return error
    if isinstance(error, SnapshotError | WrongInput):
        return LaneFailed(f"Partition {partition}: {error}.")
    log.error("lane %d ended", partition, exc_info=error)
    return LaneFailed(f"Lane {partition} ended by an error: {error!r}.")
