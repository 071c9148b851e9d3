"""A lane: one partition of telemetry.raw, its chains, its commits (docs/lane.md).

A partition is taken in this order: fence, barrier, committed offset C, newest snapshot S ≤ C. Then
[S, C) is re-read silently, and outputs are emitted from C on. Work goes to the worker's compute
thread in chunks, so that the event loop keeps the group's heartbeat; the next chunk is computed
while the last one's outputs are handed to the producer and acknowledged.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from concurrent.futures import Executor
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from aiokafka.errors import KafkaError

from agents.host.errors import BrokerError
from agents.lane.chains import Chains, LaneFed
from agents.lane.chunk import LATEST_MS, Chunk
from agents.lane.commit import Commit, CommitLost
from agents.lane.dead_letters import Judge, WrongInput, dead_letters
from agents.lane.metrics import Metrics
from agents.lane.snapshot import Snapshot, SnapshotError, decode_state, encode_state
from agents.lane.waiting import Waiting
from agents.observe.logs import CONTROL
from schemas import topics
from schemas.columns import Output, Reason

log = logging.getLogger("heartline.lane")
# A chunk takes FEED_S: a lane behind grows to it, since a row costs less in a large chunk; one at
# the head has small ones, as they come
CHUNK_BYTES, MOST_CHUNK_BYTES = 512 * 1024, 8 * 1024 * 1024
FEED_S = 0.1
AHEAD, MOST_WAITING = 2, 8  # chunks, or fetches, that wait are enough: no more are fetched
UNCOMMITTED = 32  # chunks; a broker that is this far behind is waited for
COALESCE_S = 0.02  # least time between two commits, however urgent


class SnapshotStore(Protocol):
    async def close(self) -> None: ...

    def newest_first(self, at_most: int) -> AsyncGenerator[Snapshot, None]: ...

    async def write(self, offset: int, content: bytes) -> None: ...


@dataclass(slots=True)
class Timing:
    commit_s: float
    snapshot_s: float


@dataclass(slots=True)
class _Done:
    """A chunk whose outputs were handed to the producer."""

    next_offset: int
    appended: float  # broker's time stamp of the chunk's last record, unix s
    records: int


class Lane:
    def __init__(
        self,
        partition: int,
        chains: Chains,
        commit: Commit,
        store: SnapshotStore,
        compute: Executor,
        metrics: Metrics,
        timing: Timing,
        on_room: Callable[[], None],
        on_live: Callable[[Lane], None] = lambda _: None,
    ) -> None:
        """on_room: called when it can take records again. on_live: called when it has re-read what
        earlier owners had processed; its outputs are new from then on."""
        self.partition, self.chains = partition, chains
        self.commit, self._store, self._compute = commit, store, compute
        self._stopping = False
        self._open = 0  # chunks begun whose outputs are not handed over
        self._handing: asyncio.Task[None] | None = None
        self.begun = False  # whether it knows where to read
        self._judge = Judge()
        self._chunk_bytes = CHUNK_BYTES
        self._given = time.monotonic()
        self._backlog = -1  # end of the log when the partition was taken, until it is reached
        self._urgent = False  # an alert waits for its commit
        self._metrics, self._timing, self._on_room = metrics, timing, on_room
        self._on_live: Callable[[Lane], None] | None = on_live
        self._waiting = Waiting()
        self.silent_until = 0  # offsets below were published already
        self.next_offset = 0
        self.committed = -1
        self.progress = time.monotonic()  # when it last made progress
        self._last_commit = self._last_snapshot = time.monotonic()
        self._unsaved: list[_Done] = []
        # up to where a state was given to the store, and up to where one is in it
        self._saved_at = self._stored_at = -1
        self._told: set[str] = set()  # unknown sources already logged
        self._commit_task: asyncio.Task[None] | None = None
        self._save_task: asyncio.Task[None] | None = None

    async def recover(self, committed: int, beginning: int, end: int, anew: bool) -> int:
        """Restore the newest snapshot at or below the committed offset; returns where to read.

        SnapshotError if there is none and the log no longer has the records that made the state,
        unless the lane may start without them in the middle of the log (anew).
        """
        restored = await self._restore(committed, beginning)
        if restored is None and beginning > 0 and not anew:
            raise SnapshotError(
                f"no snapshot at or below offset {committed} can be used, and the log begins at "
                f"{beginning}: the state cannot be restored. To start without it, use a new "
                "--group and --start-at"
            )
        start = beginning if restored is None else restored
        self._metrics.begin(self.partition, self.chains)
        self.silent_until, self.next_offset = committed, start
        self.committed, self._backlog = committed, end
        self._metrics.committed.labels(self.partition).set(max(committed, 0))
        self._metrics.processed.labels(self.partition).set(start)
        self._stored(start)
        self._reread()
        self._metrics.restore.labels(self.partition).set(time.monotonic() - self._given)
        self._caught_up()
        if start < committed:
            log.info("partition %d: re-reading %d to %d silently", self.partition, start, committed)
        return start

    async def _restore(self, committed: int, beginning: int) -> int | None:
        """Offset of the newest snapshot that can be used; the others are logged and skipped."""
        async with aclosing(self._store.newest_first(committed)) as every:
            async for snapshot in every:
                if snapshot.offset < beginning:
                    continue  # a zombie may have written an old one late
                why = snapshot.refused
                if not why:
                    try:
                        state = await self._in_thread(decode_state, snapshot.content)
                        self.chains.restore(state)
                    except Exception as error:  # noqa: BLE001 - a stranger may have written it
                        why = f"does not fit: {error or repr(error)}"
                if not why:
                    self._saved_at = snapshot.offset
                    log.info("partition %d: from a snapshot at %d", self.partition, snapshot.offset)
                    return snapshot.offset
                log.warning(
                    "partition %d: the snapshot at offset %d of its input %s; an older one serves, "
                    "or the log is read again", self.partition, snapshot.offset, why,
                )  # fmt: skip
        self.chains.restore({})
        return None

    def _reread(self) -> None:
        """Call on_live once, when the silent re-reading has ended."""
        if self._on_live and self.next_offset >= self.silent_until:
            told, self._on_live = self._on_live, None
            told(self)

    def _caught_up(self) -> None:
        """Report once how long it took to reach the end that the log had when it was taken."""
        if 0 <= self._backlog <= self.next_offset:
            self._backlog = -1
            taken = time.monotonic() - self._given
            self._metrics.recovery.labels(self.partition).set(taken)
            log.info("partition %d: caught up in %.2f s", self.partition, taken)

    async def _in_thread(self, function: Callable[..., Any], *arguments: Any) -> Any:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._compute, function, *arguments)

    @property
    def full(self) -> bool:
        waiting = self._waiting
        return waiting.bytes >= AHEAD * self._chunk_bytes or len(waiting) >= MOST_WAITING

    @property
    def idle(self) -> bool:
        """Whether it knows where to read and has processed all that it was given."""
        return self.begun and not self._open and not self._waiting

    def put(self, fetched: Chunk) -> None:
        """Hand over fetched records."""
        self._waiting.put(fetched)

    async def run(self) -> None:
        """Process chunks until stopped. Any error ends the lane: its owner recovers or leaves."""
        try:
            while not self._stopping:
                if not self._waiting:
                    await self._handed()  # there is nothing to compute meanwhile
                try:
                    async with asyncio.timeout(self._patience):
                        await self._waiting.some()
                except TimeoutError:
                    await self._settle(urgent=True)
                    await self._snapshot_if_due()
                    continue
                if not self._stopping:
                    await self._process(self._next())
            await self._handed()
        finally:  # a commit in flight is not cancelled: `leave` waits for it
            if self._handing:
                self._handing.cancel()
                await asyncio.gather(self._handing, return_exceptions=True)
            self._metrics.forget(self.partition)

    def _next(self) -> Chunk:
        # a chunk is either re-read or new
        chunk = self._waiting.take(self._chunk_bytes, self.silent_until)
        if not self.full:
            self._on_room()
        return chunk

    async def _process(self, chunk: Chunk) -> None:
        """Compute a chunk, while the outputs of the one before it are handed over."""
        self._open += 1
        fed: LaneFed = await self._in_thread(self._feed, chunk)
        # nothing is computed now: the chains may be looked at
        letters = dead_letters(fed.outputs, chunk)
        silent = chunk.first_offset < self.silent_until  # no chunk is both
        self._metrics.dead_letters.inc(0 if silent else len(letters))
        outputs = [] if silent else [*fed.outputs, *letters]
        for source, one in fed.by_source.items():
            chain = self.chains.chains[source]
            self._metrics.observe(self.partition, source, chain, one, silent)
            self._tell_of_controls(source, {} if silent else one.rejected)
        self._metrics.appended(self.partition, _newest_ms(chunk))
        for source, n in fed.unknown.items():
            self._unknown(source, 0 if silent else n)
        await self._handed()
        self._handing = asyncio.create_task(self._hand_over(chunk, outputs, letters))
        await self._snapshot_if_due()

    async def _handed(self) -> None:
        """Wait until the outputs of every chunk so far are handed over; raises what went wrong."""
        if self._handing:
            await self._handing
            self._handing = None

    async def _hand_over(
        self, chunk: Chunk, outputs: Sequence[Output], letters: Sequence[Output]
    ) -> None:
        await self.commit.send(outputs)
        self.next_offset = chunk.next_offset
        self._metrics.processed.labels(self.partition).set(self.next_offset)
        self._metrics.unsaved(self.partition, self.next_offset - self._stored_at)
        self._reread()
        self._open -= 1
        self.progress = time.monotonic()
        self._caught_up()
        self._unsaved.append(_Done(self.next_offset, int(chunk.stamp_ms[-1]) / 1e3, len(chunk)))
        try:
            self._judge.count(len(chunk), letters)
        except WrongInput:  # the dead letters are committed: they show the cause
            await self._commit_all()
            raise
        await self._settle(urgent=any(o.topic == topics.ALERTS for o in outputs))

    def _tell_of_controls(self, source: str, rejected: dict[int, int]) -> None:
        for reason in (Reason.BAD_CONTROL, Reason.UNSIGNED_CONTROL):
            if n := rejected.get(reason):
                log.warning(
                    "partition %d: %d control records of source %s were refused (%s): see "
                    "telemetry.rejects", self.partition, n, source, reason.word, extra=CONTROL,
                )  # fmt: skip

    def _unknown(self, source: str, records: int) -> None:
        self._metrics.unknown_source(source, records)
        if source not in self._told:
            self._told.add(source)
            log.warning(
                "partition %d: records of source %r are rejected: no mission is given for it "
                "(--source NAME=FOLDER)",
                self.partition,
                source,
            )

    def _feed(self, chunk: Chunk) -> LaneFed:
        begun = time.monotonic()
        with self._metrics.compute.time():
            fed = self.chains.feed(chunk)
        self._adapt(chunk, time.monotonic() - begun)
        return fed

    def _adapt(self, chunk: Chunk, took: float) -> None:
        """Choose the size of chunks by the time that the last one took. Outputs do not depend on
        it (law 1)."""
        whole = chunk.work[-1] >= self._chunk_bytes // 2
        if whole and took < FEED_S / 2:
            self._chunk_bytes = min(2 * self._chunk_bytes, MOST_CHUNK_BYTES)
        elif took > 2 * FEED_S:
            self._chunk_bytes = max(self._chunk_bytes // 2, CHUNK_BYTES)

    @property
    def _patience(self) -> float:
        """Seconds from one commit to the next."""
        return COALESCE_S if self._urgent else self._timing.commit_s

    async def _settle(self, urgent: bool) -> None:
        """Commit in the background when it is time; one commit at a time, the rest coalesce."""
        self._urgent = bool(self._unsaved) and (self._urgent or urgent)
        if self._commit_task and self._commit_task.done():
            self._commit_task.result()  # raises what went wrong
            self._commit_task = None
        now = time.monotonic()
        due = now - self._last_commit >= self._patience
        behind = len(self._unsaved) > UNCOMMITTED
        if behind:
            await self._finish_commit()  # the broker is slower than we are: wait for it
        if self._commit_task is None and self._unsaved and due:
            self._begin_commit()

    async def _snapshot_if_due(self) -> None:
        """Store the state now and then: when the outputs of all that is computed are handed over,
        and before more is computed."""
        saving = self._save_task and not self._save_task.done()
        if time.monotonic() - self._last_snapshot < self._timing.snapshot_s or saving:
            return
        await self._handed()
        if self.next_offset:
            await self._snapshot()

    def _begin_commit(self) -> None:
        """Seal what was handed over until now, and commit it in a task of its own."""
        done, self._unsaved = self._unsaved, []
        self._last_commit, self._urgent = time.monotonic(), False
        if done and done[-1].next_offset > self.silent_until:  # else re-reading: nothing is new
            offset = done[-1].next_offset
            sealed = self.commit.commit(offset)
            self._commit_task = asyncio.create_task(self._end_commit(sealed, offset, done))

    async def _end_commit(
        self, sealed: Coroutine[None, None, None], offset: int, done: list[_Done]
    ) -> None:
        await sealed
        self.committed = offset
        self._metrics.committed.labels(self.partition).set(offset)
        now = time.time()
        for one in done:
            self._metrics.latency.observe(max(0.0, now - one.appended))

    async def _snapshot(self) -> None:
        """Store the state at exactly the committed offset: every output before it is safe."""
        await self._finish_commit()
        if self.next_offset < self.silent_until or self.next_offset == self._saved_at:
            self._last_snapshot = time.monotonic()
            return
        await self._commit_all()
        content = await self._in_thread(lambda: encode_state(self.chains.snapshot()))
        self._saved_at, self._last_snapshot = self.next_offset, time.monotonic()
        self._save_task = asyncio.create_task(self._save(self.next_offset, content))

    def _stored(self, offset: int) -> None:
        """The state up to an offset can be restored."""
        self._stored_at = offset
        self._metrics.stored(self.partition, self.next_offset - offset)

    async def _save(self, offset: int, content: bytes) -> None:
        """Write a snapshot in the background; if that fails, the previous one remains in use."""
        try:
            await self._store.write(offset, content)
            self._stored(offset)
        except (BrokerError, KafkaError, TimeoutError, OSError) as error:
            log.warning(
                "partition %d: snapshot at %d not stored: %r", self.partition, offset, error
            )

    def stop(self) -> None:
        """End after the chunk at hand."""
        self._stopping = True
        self._waiting.close()

    async def leave(self, save: bool) -> None:
        """Finish: commit what was processed, save the state there. The caller limits the time.

        CommitLost if a chunk was cut off: the state is then ahead of the offset, and some of the
        chunk's outputs may be in the transaction.
        """
        if self._open:
            raise CommitLost("it was stopped in the middle of a chunk")
        await self._commit_all()
        if save and self.committed >= 0:
            await self._snapshot()
            if self._save_task:
                await self._save_task

    async def _commit_all(self) -> None:
        """Commit what was handed over."""
        await self._finish_commit()
        self._begin_commit()
        await self._finish_commit()

    async def close(self) -> None:
        """Close its clients, whether or not its work was finished."""
        if self._save_task:
            self._save_task.cancel()
            await asyncio.gather(self._save_task, return_exceptions=True)
        await self.commit.close()
        await self._store.close()

    async def _finish_commit(self) -> None:
        """Wait for the commit in flight. Being cancelled here does not cancel the commit."""
        if self._commit_task:
            await asyncio.shield(self._commit_task)
            self._commit_task = None


def _newest_ms(chunk: Chunk) -> dict[str, int]:
    """Stamp of the newest record of each source."""
    stamps = np.minimum(chunk.stamp_ms, LATEST_MS)
    return {source: int(stamps[places[-1]]) for source, places in chunk.by_source().items()}
