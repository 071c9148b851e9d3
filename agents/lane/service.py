"""The lanes of one worker: a service inside the Faust app, on a plain aiokafka `getmany` loop.

Faust provides lifecycle, command line and low-rate agents. Its agents acknowledge a message whose
processing raised, and commit past in-flight ones, so the lanes' records never pass through them.
The lanes have a consumer group of their own (`<group>-lanes`).
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
from pathlib import Path
from typing import Any

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

from agents.broker.declared import ensure_topics
from agents.broker.kafka import (
    consumer,
    discard,
    exactly_once_capable,
    patiently,
    producer,
    start,
    stop,
)
from agents.broker.security import all_loopback
from agents.broker.topic_ids import topic_ids
from agents.host.addresses import hosts_of
from agents.host.errors import BrokerError
from agents.host.keys import seal_key
from agents.host.places import state
from agents.host.plain import plain
from agents.lane.authority import Authority, read_keys
from agents.lane.chains import Chains
from agents.lane.chunk import Chunk
from agents.lane.commit import AtLeastOnce, Commit, CommitLost, Transactional
from agents.lane.dead_letters import WrongInput
from agents.lane.fetch import columnar
from agents.lane.lane import MOST_CHUNK_BYTES, Lane, Timing
from agents.lane.metrics import Metrics
from agents.lane.snapshot import Marks, SnapshotError
from agents.lane.stable import Stable
from agents.lane.state_store import KafkaSnapshots
from agents.lane.takeover import LaneFailed, Taking
from agents.observe.logs import BROKER
from agents.settings import Settings
from agents.states.ghosts import Ghosts
from agents.warm import warm_up
from pipeline.mission.folder import Mission
from schemas import topics

log = logging.getLogger("heartline.service")
LEAVE_S = 3.0  # a lane leaves within this, its commit finished or dropped
CHUNK_S = 1.5  # part of that in which the chunk at hand may finish
SAVE_S = 8.0  # when the worker stops, which also stores its state (upgrade)
STALLED_S = 30.0  # a lane that stands still this long while its log grows is stalled
FETCH_MS = 200
PROBE_S = 2.0  # how often the broker is asked whether it is there
UNHEARD_S = 20.0  # without an answer from it for this long, a worker is not healthy
AGAIN_S = 0.5  # between two tries to take a partition
GC = (50_000, 20, 20)  # thresholds of Python's garbage collector
STEP_S = 5.0
KERNELS = "its kernels, which take minutes to compile the first time"
# permanent refusals by a broker: retrying does not help
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
        metrics.health = self.health
        self._topic = topics.on_wire(topics.RAW, settings.namespace)
        self._state_topic = topics.on_wire(topics.STATE, settings.namespace)
        self._lanes: dict[int, Lane] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._paused: set[TopicPartition] = set()
        self.closing = False
        self.clean = True  # no lane has left without its last commit
        self.heard = time.monotonic()  # when a broker last answered
        self._seal, self._authority = _seal(settings), authority(settings)
        self._topic_id: str | None = None  # of telemetry.raw, as it was when its lanes were taken
        self._gone = ""  # why that topic can no longer be used; empty: it can
        self._aside: list[asyncio.Task[None]] = []  # background tasks on the broker
        self._compute = ThreadPoolExecutor(1, "compute")
        self.ready = asyncio.Event()
        self._waits_for = f"a broker at {settings.bootstrap}"  # while it is not ready
        self._consumer: AIOKafkaConsumer | None = None
        self._producer: AIOKafkaProducer | None = None  # where there are no transactions
        self._columnar = False  # whether the consumer yields chunks
        self.exactly_once = False
        sys.setswitchinterval(0.0005)  # a transaction beside a busy thread: 21 → 11 ms

    async def connect(self) -> None:
        """Topics made, kernels compiled, clients started. BrokerError where no broker answers."""
        s = self._settings
        made = partial(ensure_topics, s.bootstrap, s.namespace, s.partitions)
        await patiently(made, s.bootstrap)
        self.heard = time.monotonic()
        loop = asyncio.get_running_loop()
        self._waits_for, self.heard = KERNELS, time.monotonic()
        taken = await loop.run_in_executor(self._compute, warm_up)
        log.info("kernels ready in %.1f s", taken)
        self._waits_for = f"a broker at {s.bootstrap}"
        gc.collect()
        gc.freeze()  # exempts 400,000 library objects, which took 300 ms in each collection
        gc.set_threshold(*GC)  # alerts are many small objects, and none of them is in a circle
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
            self._producer = await patiently(
                lambda: start(producer(s.bootstrap), s.bootstrap), s.bootstrap
            )
        make = partial(
            consumer,
            s.bootstrap,
            group_id=s.lanes_group,
            session_timeout_ms=s.session_timeout_ms,
            heartbeat_interval_ms=s.session_timeout_ms // 6,
            rebalance_timeout_ms=s.session_timeout_ms,
            max_partition_fetch_bytes=MOST_CHUNK_BYTES,
        )
        client = await patiently(lambda: start(make(), s.bootstrap), s.bootstrap)
        self._consumer, self._columnar = client, columnar(client)
        client.subscribe([self._topic], listener=self)
        self._waits_for = "a partition"
        self.heard = time.monotonic()
        self._aside.append(asyncio.create_task(self._probe(client)))
        if self.exactly_once:
            stable = Stable(s.bootstrap, s.namespace, self._metrics)
            self._aside.append(asyncio.create_task(stable.run()))

    async def _probe(self, client: AIOKafkaConsumer) -> None:
        """Ask for the topic regularly: a fetch merely returns nothing if the broker is gone or the
        topic was deleted."""
        while True:
            try:
                async with asyncio.timeout(STEP_S):
                    found = await topic_ids(client, self._topic)
                self.heard = time.monotonic()
                self._look(found.get(self._topic))
            except (KafkaError, TimeoutError, OSError) as error:
                log.warning(
                    "no broker answers at %s: %r", self._settings.bootstrap, error, extra=BROKER
                )
            await asyncio.sleep(PROBE_S)

    def _look(self, found: str | None) -> None:
        """Check that the topic is still the one whose partitions the lanes took."""
        was, self._gone = self._gone, ""
        if found is None:
            self._gone = (
                f"{self._topic} is not there any more: it was deleted under this worker, or its "
                "broker forgot it (the embedded one keeps nothing); start the worker anew"
            )
        elif self._topic_id is not None and found != self._topic_id:
            self._gone = (
                f"{self._topic} was deleted and made anew under this worker: stop it, and start "
                "one of another --group and --namespace"
            )
        if self._gone and not was:
            log.error("%s", self._gone)

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
                continue  # the lane of a partition just taken has not set its offset yet
            for partition, records in fetched.items():
                lane = self._lanes.get(partition.partition)
                if lane and lane.begun and records:
                    for chunk in self._chunks(partition.partition, records):
                        lane.put(chunk)
                    if lane.full:
                        client.pause(partition)
                        self._paused.add(partition)
            await self._measure()

    def _chunks(self, partition: int, fetched: list[Any]) -> list[Chunk]:
        """What a fetch gave of one partition: chunks, or the client's own records."""
        return fetched if self._columnar else [Chunk.of(partition, fetched)]

    async def _watch(self) -> None:
        """End the worker if a lane stands still while its log grows and a broker answers."""
        now, lanes = time.monotonic(), list(self._lanes.items())
        unheard = now - self.heard > UNHEARD_S  # no lane can go on without a broker: wait
        for number, lane in lanes:
            if unheard or not self.behind(number):
                lane.progress = now  # counts from when a broker answers and records wait
        for number, lane in lanes:
            if lane.idle and self._stalled(number) and await self._at_end(number):
                lane.progress = time.monotonic()
            if lane.begun and (stalled := self._stalled(number)):
                raise LaneFailed(f"Stopped: {stalled}. The next owner goes on from its commit.")

    async def _at_end(self, number: int) -> bool:
        """Whether every record was fetched: a log may end with a transaction marker, which no
        consumer receives."""
        assert self._consumer
        part = TopicPartition(self._topic, number)
        try:
            async with asyncio.timeout(STEP_S):
                position = await self._consumer.position(part)
        except (KafkaError, TimeoutError):
            return False
        return bool(position >= (self._consumer.highwater(part) or 0))

    def _stalled(self, number: int) -> str:
        if behind := self.behind(number):
            idle = time.monotonic() - self._lanes[number].progress
            if idle > STALLED_S:
                return f"lane {number} stands still for {idle:.0f} s with {behind} records waiting"
        return ""

    def _resume(self, partition: TopicPartition) -> None:
        lane = self._lanes.get(partition.partition)
        if self._consumer and partition in self._paused and lane and not lane.full:
            self._paused.discard(partition)
            if partition in self._consumer.assignment():
                self._consumer.resume(partition)

    async def _measure(self) -> None:
        self._metrics.lanes.set(len(self._lanes))
        for number, lane in list(self._lanes.items()):
            behind = self.behind(number)
            if behind is not None:
                at_end = behind and lane.idle and await self._at_end(number)
                self._metrics.lag(number, 0 if at_end else behind)

    def behind(self, number: int) -> int | None:
        """Records of a partition that its lane has not processed; None while it is not known."""
        assert self._consumer
        partition, lane = TopicPartition(self._topic, number), self._lanes.get(number)
        if lane is None or partition not in self._consumer.assignment():
            return None  # it may have left while somebody waited
        high = self._consumer.highwater(partition)
        return None if high is None else max(0, high - lane.next_offset)

    @property
    def topic_id(self) -> str:
        """Id of telemetry.raw when its lanes were taken; empty if not known."""
        return self._topic_id or ""

    def health(self) -> tuple[bool, str]:
        """(healthy, why). Not healthy, e.g., if a lane stands still while its partition grows."""
        unheard = time.monotonic() - self.heard
        if not self.ready.is_set():
            return False, f"not ready: waits for {self._waits_for}, for {unheard:.0f} s by now"
        if self._gone:
            return False, self._gone
        if unheard > UNHEARD_S:
            return (
                False,
                f"no broker has answered at {self._settings.bootstrap} for {unheard:.0f} s",
            )
        for number in list(self._lanes):
            if stalled := self._stalled(number):
                return False, stalled
        promise = "exactly once" if self.exactly_once else "at least once"
        lanes = f"{len(self._lanes)} lanes" if self._lanes else "stands by without a partition"
        told = f"{lanes}, {promise}; a broker answered {unheard:.0f} s ago"
        told += self._heard_of()
        begun = sum(lane.begun for lane in list(self._lanes.values()))
        if begun < len(self._lanes):
            told += f"; {len(self._lanes) - begun} of them are being taken"
        return True, told

    def _heard_of(self) -> str:
        """Ages of the newest records, oldest first: a worker is healthy even without its ingest."""
        newest = sorted((at, source) for source, at in self._metrics.newest().items())
        if not newest:
            return "; no record read yet"
        now = time.time()
        told = [f"{plain(source, 40)} {max(0.0, now - at):.0f} s ago" for at, source in newest[:3]]
        more = f" and of {len(newest) - 3} more" if len(newest) > 3 else ""
        return f"; newest record of {', '.join(told)}{more}"

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
            self.clean = False
            log.warning(
                "lane %d left without its last commit (%r): the next owner repeats %d records",
                lane.partition,
                error,
                lane.next_offset - lane.committed,
            )
        await lane.close()

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        client = self._consumer
        assert client
        if self.closing:
            return  # new lanes would fence those that are leaving
        for partition in assigned:
            client.pause(partition)
            client.seek(partition, 0)  # a placeholder until the lane knows its offset
            lane = self._new_lane(partition)
            self._lanes[partition.partition] = lane
            task = asyncio.create_task(self._work(lane, partition))
            self._tasks[partition.partition] = task
        if not self._lanes:
            self.ready.set()  # others have all partitions: it stands by for one of them to end

    def _new_lane(self, partition: TopicPartition) -> Lane:
        s, number = self._settings, partition.partition
        chains = Chains(self._missions, number, self._authority.vouch)

        def marks() -> Marks:
            place = f"{partition.topic}-{number}"
            return Marks(place, chains.fingerprint, self.topic_id, self._seal)

        return Lane(
            number,
            chains,
            self._new_commit(partition),
            KafkaSnapshots(
                s.bootstrap,
                self._state_topic,
                number,
                self._snapshot_producer,
                marks,
                s.other_state,
            ),
            self._compute,
            self._metrics,
            Timing(s.commit_ms / 1e3, s.snapshot_s),
            lambda: self._resume(partition),
            self._live,
        )

    def _live(self, lane: Lane) -> None:
        """A lane has ended its silent re-reading: its outputs are new from here on."""
        standing = {
            s.key(source) for source, chain in lane.chains.chains.items() for s in chain.standing()
        }
        s = self._settings
        gone = Ghosts(
            s.bootstrap, s.namespace, lane.partition, lane.silent_until, self.topic_id, standing
        )
        sources = frozenset(lane.chains.chains)
        self._aside.append(asyncio.create_task(gone.clear(sources)))

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
        """Recover, then process until stopped; after a failure of the broker, recover again."""
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
                log.warning(
                    "lane %d recovers: %s", lane.partition, error or repr(error), extra=BROKER
                )
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
        async with asyncio.timeout(STEP_S):
            found = await topic_ids(client, self._topic)
        self._look(found.get(self._topic))
        if self._gone:
            return False  # /healthz says so, until somebody decides what to do
        self._topic_id = found[self._topic]
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


def _seal(settings: Settings) -> bytes:
    """The key that seals snapshots: on a remote broker, anyone with write access may have written
    what we read. Empty (no seal) on loopback, unless the settings name a key."""
    if settings.seal_key:
        return seal_key(Path(settings.seal_key), make=False)
    if all_loopback(settings.bootstrap):
        return b""
    return seal_key(state() / "seal.key", make=True)


def authority(settings: Settings) -> Authority:
    """Whose control records are accepted on this deployment's telemetry.raw."""
    c, raw = settings.control, topics.on_wire(topics.RAW, settings.namespace)
    here = all_loopback(settings.bootstrap) and not c.keys
    named = {name.strip("[]") for name in c.unsigned}
    unsigned = here or named.issuperset(hosts_of(settings.bootstrap))
    return Authority(raw, read_keys(c.keys), read_keys(c.gates), unsigned)


def _told(partition: int, error: BaseException | None) -> LaneFailed:
    if isinstance(error, LaneFailed):
        return error
    if isinstance(error, SnapshotError | WrongInput):
        return LaneFailed(f"Partition {partition}: {error}.")
    log.error("lane %d ended", partition, exc_info=error)
    return LaneFailed(f"Lane {partition} ended by an error: {error!r}.")
