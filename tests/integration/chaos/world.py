"""All of a run that talks to Kafka, in a process of its own: input, a reader, proxies, the check.

The process that forks workers stays free of threads and event loops, and commands this one.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

from aiokafka import AIOKafkaProducer, TopicPartition

from agents.broker.declared import ensure_topics
from agents.broker.kafka import consumer, producer, start
from pipeline.flights.records import FlightRecord
from pipeline.mission.folder import Mission
from schemas import topics
from schemas.control import Control, encode_control
from schemas.records import CONTROL_HEADERS, TICK_HEADERS, encode_tick
from tests.integration.chaos.checker import Reader, Seen, aggregates, look, violations
from tests.integration.chaos.proxy import Proxy

CAUGHT_UP_S = 120.0
STORED_S = 30.0
GROUP = "heartline-lanes"
CONTROLS: tuple[tuple[str, tuple[tuple[str, tuple[float, float]], ...]], ...] = (
    ("limits", (("warning", (20.0, 60.0)), ("critical", (10.0, 90.0)))), ("inhibit", ()),
    ("enable", ()), ("acknowledge", ()), ("limits", (("severe", (0.0, 118.0)),)),
)  # fmt: skip
Future = asyncio.Future[object]


@dataclass(frozen=True)
class Place:
    """bootstrap: of the brokers themselves. proxies: (port, broker's port) that workers go by."""

    bootstrap: str
    namespace: str
    proxies: tuple[tuple[int, int], ...] = ()


@dataclass
class Verdict:
    """violations: what was promised and not kept; empty where all was."""

    violations: list[str] = field(default_factory=list)
    records_in: int = 0
    records_out: int = 0
    longest_gap_s: float = 0.0
    seen: Seen | None = None


class World:
    """Commands the process. records: input of each source, the nth on partition n."""

    def __init__(
        self, place: Place, missions: dict[str, Mission], records: Sequence[list[FlightRecord]],
        rate: float, keep: bool = False,
    ) -> None:  # fmt: skip
        context = multiprocessing.get_context("fork")
        self._pipe, there = context.Pipe()
        self._process = context.Process(
            target=_run, args=(there, place, missions, list(records), rate, keep), daemon=True
        )
        self._process.start()
        there.close()  # so that its end is seen here
        assert self._pipe.recv() == "ready"

    def do(self, command: str, *arguments: float) -> None:
        """sever, mend or slow, of the workers' network; or wait until all state is stored once."""
        self._pipe.send((command, arguments))
        assert self._pipe.recv() == "done"

    def kill(self) -> None:
        self._process.kill()
        self._process.join()

    def finish(self) -> Verdict:
        """End the input, wait until it is worked off, and look."""
        self._pipe.send(("finish", ()))
        verdict: Verdict = self._pipe.recv()
        self._process.join(20)
        return verdict


def _run(
    pipe: Connection, place: Place, missions: dict[str, Mission],
    records: list[list[FlightRecord]], rate: float, keep: bool,
) -> None:  # fmt: skip
    asyncio.run(_World(pipe, place, missions, records, rate, keep).run())


class _World:
    def __init__(
        self, pipe: Connection, place: Place, missions: dict[str, Mission],
        records: list[list[FlightRecord]], rate: float, keep: bool,
    ) -> None:  # fmt: skip
        self._pipe, self._place, self._missions = pipe, place, missions
        self._records, self._rate, self._keep = records, rate, keep
        self._proxies = [Proxy(*ports) for ports in place.proxies]
        self._stop = asyncio.Event()
        self._sent = 0

    async def run(self) -> None:
        place = self._place
        for proxy in self._proxies:
            await proxy.start()
        await ensure_topics(place.bootstrap, place.namespace, len(self._records))
        reader = Reader(place.bootstrap, place.namespace)
        stop_reading = asyncio.Event()
        reading = asyncio.create_task(reader.run(stop_reading))
        writing = asyncio.create_task(self._write())
        self._pipe.send("ready")
        while (command := await asyncio.to_thread(self._pipe.recv))[0] != "finish":
            if command[0] == "stored":
                await self._stored()
            else:
                self._network(*command)
            self._pipe.send("done")
        self._stop.set()
        await writing
        verdict = Verdict()
        if not await self._caught_up():
            verdict.violations.append(f"not caught up within {CAUGHT_UP_S:g} s")
        stop_reading.set()
        await reading
        seen = await look(place.bootstrap, place.namespace)
        verdict.records_in = sum(map(len, seen.raw.values()))
        verdict.records_out = sum(map(len, seen.outputs.values()))
        verdict.longest_gap_s = reader.longest_gap
        if verdict.records_in != self._sent:
            verdict.violations.append(f"input: {self._sent} sent, {verdict.records_in} there")
        if not verdict.records_out:
            verdict.violations.append("a comparison of nothing")
        verdict.violations += violations(seen, self._missions) + reader.changed(seen)
        verdict.violations += aggregates(seen, self._missions)
        if self._keep:
            verdict.seen = seen
        for proxy in self._proxies:
            await proxy.close()
        self._pipe.send(verdict)

    def _network(self, command: str, arguments: tuple[float, ...]) -> None:
        for proxy in self._proxies:
            if command == "sever":
                proxy.sever()
            elif command == "slow":
                proxy.delay_s = arguments[0]
            else:
                proxy.mend()

    async def _write(self) -> None:
        """Every source's next record each 1/rate s; all of them acknowledged at the end."""
        client = producer(
            self._place.bootstrap, enable_idempotence=True, request_timeout_ms=120_000, linger_ms=0
        )
        await start(client, self._place.bootstrap)
        raw = topics.on_wire(topics.RAW, self._place.namespace)
        sources, pending = list(self._missions), []
        began = time.monotonic()
        for i in range(max(map(len, self._records))):
            if self._stop.is_set():
                break
            for number, records in enumerate(self._records):
                if i < len(records):
                    one = records[i]
                    pending.append(
                        await client.send(
                            raw, one.value, sources[number].encode(), partition=number,
                            headers=list(one.headers),
                        )
                    )  # fmt: skip
            pending += await self._odd(client, raw, i)
            if i % 200 > 150:  # a burst: more than one record in a chunk
                continue
            await asyncio.sleep(max(0.0, began + (i + 1) / self._rate - time.monotonic()))
        for number, records in enumerate(self._records):  # a tick closes the last frames
            tick = encode_tick(records[min(i, len(records) - 1)].due_ns + 2_000_000_000)
            headers, key = list(TICK_HEADERS), sources[number].encode()
            pending.append(await client.send(raw, tick, key, partition=number, headers=headers))
        await asyncio.gather(*pending)
        self._sent = len(pending)
        await client.stop()

    async def _odd(self, client: AIOKafkaProducer, raw: str, i: int) -> list[Future]:
        """What cannot be read, what nobody knows, and what an operator says."""
        source = next(iter(self._missions)).encode()
        if i % 50 == 49:
            return [await client.send(raw, b"garbage", source, partition=0)]
        if i % 70 == 69:
            last = len(self._records) - 1
            return [await client.send(raw, b"whose?", b"nobody", partition=last)]
        if i % 30 == 29:
            what, more = CONTROLS[i // 30 % len(CONTROLS)]
            one = Control(what, "/HL1/PC", "Ada", "chaos", i, ranges=dict(more))
            headers = list(CONTROL_HEADERS)
            return [
                await client.send(raw, encode_control(one), source, partition=0, headers=headers)
            ]
        return []

    async def _stored(self) -> None:
        """Wait until something of every lane's state stands on its topic."""
        state = topics.on_wire(topics.STATE, self._place.namespace)
        parts = [TopicPartition(state, n) for n in range(len(self._records))]
        client = consumer(self._place.bootstrap)
        await client.start()
        try:
            async with asyncio.timeout(STORED_S):
                while not all((await client.end_offsets(parts)).values()):
                    await asyncio.sleep(0.1)
        finally:
            await client.stop()

    async def _caught_up(self) -> bool:
        """Whether the group has committed the end of every partition."""
        place = self._place
        raw = topics.on_wire(topics.RAW, place.namespace)
        parts = [TopicPartition(raw, n) for n in range(len(self._records))]
        client = consumer(place.bootstrap, group_id=f"{place.namespace}.{GROUP}")
        await client.start()
        client.assign(parts)
        try:
            deadline = time.monotonic() + CAUGHT_UP_S
            while time.monotonic() < deadline:
                ends = await client.end_offsets(parts)
                done = [await client.committed(p) or 0 for p in parts]
                if all(ends[p] == d for p, d in zip(parts, done, strict=True)):
                    return True
                await asyncio.sleep(0.2)
            return False
        finally:
            await client.stop()
