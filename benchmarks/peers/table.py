"""Fills the topics, runs every peer in turn, compares their alerts, and prints the tables."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import orjson
from aiokafka import TopicPartition
from aiokafka.admin import NewTopic

from agents.broker.declared import make
from agents.broker.kafka import administrator, consumer
from benchmarks import goals
from benchmarks.peers.flight import Crossing, Flight, flight, tables
from benchmarks.peers.job import CONTAINERS, LIMIT, WIDTH
from benchmarks.worker import fill, one_a_record
from pipeline.alarms.flapping import CALM_NS, FLAPS, WITHIN_NS
from pipeline.formats.importing import mission_toml
from pipeline.formats.xtce import write_xtce
from schemas import topics

ROOT = Path(__file__).parents[2]
VENV = ROOT / ".venv-peers" / "bin" / "python"
REPEATS, PATIENCE_S = 3, 180.0
LEFT_OUT = (
    "PEERS LEFT OUT: other frameworks are compared when .venv-peers is there; `make peers` makes it"
)
# words, records a second of flight, seconds of flight
SHAPES = (("one packet a record", CONTAINERS + 1, 8000), ("40 packets a record", 2, 36_000))
WORDS = f"""\
 the same job in other frameworks: {CONTAINERS * WIDTH} parameters, an EWMA and a limit each
  Heartline does more in both of its rows: resampling, windows, snapshots and transactions; in the
  first one every model and output too. In all the others decoding and job are one compiled
  function, and the end is at least once. The clock runs from the first tenth of the records
  processed to the last one (Heartline: committed). Medians of {REPEATS} runs in turn."""


@dataclass(frozen=True, slots=True)
class Peer:
    """shares: of each topic's records. own: runs in the project's venv."""

    words: str
    module: str
    how: str
    shares: tuple[float, float] = (0.9, 0.9)  # not all: a loop would wait for more at the end
    own: bool = False

    @property
    def is_lane(self) -> bool:
        return self.module == "heartline"


QUIX = Peer("Quix Streams, state in memory", "quix", "job")
BYTEWAX = Peer("Bytewax", "bytewax_flow", "job")
PATHWAY = Peer("Pathway", "pathway_table", "job")
COMPARED = (
    (QUIX, goals.QUIX_BYTEWAX), (BYTEWAX, goals.QUIX_BYTEWAX), (PATHWAY, goals.PATHWAY),
)  # fmt: skip
LOOP = Peer("aiokafka getmany, nothing done", "aiokafka_loop", "bare")
LANE = Peer("Heartline's lane, all outputs", "heartline", "all", (0.9, 0.4), own=True)
EQUAL = Peer("Heartline's lane, equal work", "heartline", "equal", (0.9, 0.4), own=True)
# what the others do: limits, and one model of a mean and a spread; a window is always computed
EQUAL_WORK = """
[[statistics]]
window_s = 600
pane_s = 600

[outputs]
samples = "off"
statistics = "off"

[[time_to_limit]]
match = "*"
enabled = false

[[flat]]
match = "*"
enabled = false
"""
PEERS = (
    LOOP,
    Peer("confluent consume(5000), nothing done", "confluent_loop", "bare"),
    Peer("the job by hand, aiokafka", "aiokafka_loop", "job"),
    Peer("the job by hand, confluent", "confluent_loop", "job"),
    Peer("Faust agent", "faust_agents", "job", (0.25, 0.2), own=True),
    QUIX,
    Peer("Quix Streams, state in its store", "quix", "store"),
    BYTEWAX,
    PATHWAY,
    LANE,
    EQUAL,
)


class Failed(Exception):  # noqa: N818 - told in the table as it stands
    """A peer gave no figure; the message says why."""


@dataclass(slots=True)
class Shape:
    """One topic. which: of SHAPES. step: records a second of flight."""

    which: int
    bootstrap: str
    folder: Path
    step: int
    flown: Flight
    crossings: list[tuple[Crossing, float, float]]
    version: dict[Peer, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Namespace of its topics."""
        return f"peers{self.which}"

    @property
    def raw(self) -> str:
        return topics.on_wire(topics.RAW, self.name)

    def rate(self, peer: Peer, k: int) -> float:
        """Samples a second. Failed where it broke, was too slow, or found other alerts."""
        seconds = int(peer.shares[self.which] * len(self.flown.time_ns))
        alerts = topics.on_wire(topics.ALERTS, self.name)
        if not peer.is_lane:
            alerts = f"{self.name}.{peer.module}.{peer.how}.{k}"
            asyncio.run(new_topic(self.bootstrap, alerts))
        before = asyncio.run(end_of(self.bootstrap, alerts))
        told = self._run(peer, alerts, f"{peer.module}-{peer.how}-{k}", seconds * self.step)
        self.version[peer] = told["version"]
        if peer.how != "bare":
            self._compare(peer, alerts, before, seconds)
        if not told["records"]:
            raise Failed("too few records to be timed")
        return CONTAINERS * WIDTH * int(told["records"]) / self.step / float(told["seconds"])

    def _run(self, peer: Peer, alerts: str, group: str, records: int) -> dict[str, Any]:
        how = str(self.folder / peer.how) if peer.is_lane else peer.how
        python = sys.executable if peer.own else str(VENV)
        command = [
            python, "-m", f"benchmarks.peers.{peer.module}", self.bootstrap, self.raw, alerts,
            group if peer.is_lane else f"{self.name}-{group}", str(records), how,
        ]  # fmt: skip
        with tempfile.TemporaryDirectory() as there:
            try:
                done = subprocess.run(
                    command, cwd=there, env={**os.environ, "PYTHONPATH": str(ROOT)},
                    capture_output=True, text=True, timeout=PATIENCE_S, check=False,
                )  # fmt: skip
            except subprocess.TimeoutExpired:
                raise Failed(f"did not end within {PATIENCE_S:g} s") from None
        for line in done.stdout.splitlines():
            if line.startswith('{"version"'):
                return orjson.loads(line)  # type: ignore[no-any-return]
        said = (done.stderr.strip() or done.stdout.strip() or "no word").splitlines()[-1]
        raise Failed(f"ended with status {done.returncode}: {said[:160]}")

    def _compare(self, peer: Peer, topic: str, before: int, seconds: int) -> None:
        """Check that the alerts up to the last record's time are exactly those expected."""
        last = int(self.flown.time_ns[seconds - 1])
        every = [c for c, _, _ in self.crossings]
        wanted = {c for c in (told(every) if peer.is_lane else every) if c[1] <= last}
        values = asyncio.run(read(self.bootstrap, topic, before))
        alerts = [orjson.loads(v) for v in values]
        found = {c for c in map(of_lane if peer.is_lane else of_peer, alerts) if c}
        found = {c for c in found if c[1] <= last}
        if found != wanted:
            missing, more = len(wanted - found), len(found - wanted)
            raise Failed(f"ALERTS DIFFER: of {len(wanted)}, {missing} missing, {more} besides")
        if not peer.is_lane:
            figures = {(c, value, mean) for c, value, mean in self.crossings if c[1] <= last}
            if figures - {(of_peer(a), a["value"], a["mean"]) for a in alerts}:
                raise Failed("ALERTS DIFFER: a value or an EWMA")


def told(crossings: list[Crossing]) -> list[Crossing]:
    """Those that Heartline tells. From the FLAPS-th raise within WITHIN_NS on a monitor flaps: it
    says no more until it is calm (docs/alarms.md)."""
    found: list[Crossing] = []
    raises: dict[str, list[int]] = {}
    last: dict[str, int] = {}
    flaps: set[str] = set()
    for crossing in sorted(crossings, key=lambda c: c[1]):
        name, now, state = crossing
        if name in flaps and now - last[name] > CALM_NS:
            flaps.discard(name)
            raises[name] = []
        last[name] = now
        if name in flaps:
            continue
        found.append(crossing)
        if state != "normal":
            mine = raises[name] = [*raises.get(name, []), now][-FLAPS:]
            if len(mine) == FLAPS and now - mine[0] <= WITHIN_NS:
                flaps.add(name)
    return found


def of_peer(alert: dict[str, Any]) -> Crossing:
    return alert["parameter"], alert["time_ns"], alert["state"]


def of_lane(alert: dict[str, Any]) -> Crossing | None:
    """Only of the limit monitor, the others have alerts of their own; and not that it is calm."""
    if alert["monitor"]["kind"] != "limit" or alert["transition"] == "calm":
        return None
    return alert["parameter"].rsplit("/", 1)[-1], alert["generation_ns"], alert["level_after"]


async def new_topic(bootstrap: str, name: str) -> None:
    async with administrator(bootstrap) as admin:
        await make(admin, [NewTopic(name, 1, 1)])


async def end_of(bootstrap: str, topic: str) -> int:
    client = consumer(bootstrap)
    await client.start()
    part = TopicPartition(topic, 0)
    end = (await client.end_offsets([part]))[part]
    await client.stop()
    return int(end)


async def read(bootstrap: str, topic: str, begin: int) -> list[bytes]:
    """Values of committed records from an offset to the end."""
    client = consumer(bootstrap)
    await client.start()
    part, values = TopicPartition(topic, 0), []
    end = (await client.end_offsets([part]))[part]
    client.assign([part])
    client.seek(part, begin)
    while await client.position(part) < end:
        for records in (await client.getmany(timeout_ms=500)).values():
            values += [r.value for r in records]
    await client.stop()
    return values


def peers(bootstrap: str, scale: float) -> Iterator[str]:
    """Lines of both tables. RuntimeError at the end where alerts differed."""
    if not VENV.exists():
        yield LEFT_OUT
        return
    yield WORDS
    if scale < 1:
        yield f"  AT SCALE {scale:g}: to see that it runs; a last batch that waits weighs too much"
    differed: list[str] = []
    for n, (words, step, full) in enumerate(SHAPES):
        flown = flight(max(40, int(full * scale)))
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for how, more in ((LANE.how, ""), (EQUAL.how, EQUAL_WORK)):
                (folder / how).mkdir()
                (folder / how / "x.xml").write_bytes(write_xtce("B", tables()))
                (folder / how / "mission.toml").write_text(mission_toml("bench", "x.xml") + more)
            shape = Shape(n, bootstrap, folder, step, flown, list(flown.crossings()))
            packed = flown.records()
            asyncio.run(fill(bootstrap, one_a_record(packed) if n == 0 else packed, shape.name))
            del packed
            yield (
                f"  {words}: {len(flown.time_ns) * step} records, {len(shape.crossings)} crossings "
                f"of ±{LIMIT:g}"
            )
            yield from table(shape, differed)
    if differed:
        raise RuntimeError(f"alerts differed: {', '.join(differed)}")


def table(shape: Shape, differed: list[str]) -> Iterator[str]:
    rates: dict[Peer, list[float]] = {p: [] for p in PEERS}
    failed: dict[Peer, str] = {}
    for k in range(REPEATS):
        for peer in PEERS:
            if peer in failed:
                continue
            try:
                rates[peer].append(shape.rate(peer, k))
            except Failed as why:
                failed[peer] = str(why)
                if "DIFFER" in str(why):
                    differed.append(peer.words)
    yield f"  {'':52s}M samples/s  × getmany loop  × equal work"
    for peer in PEERS:
        name = f"{peer.words} ({shape.version.get(peer, '?')})"
        if peer in failed:
            yield f"   {name:52s} {failed[peer]}"
            continue
        loop, lane = (_ratio(rates[peer], rates[to]) for to in (LOOP, EQUAL))
        alerts = "" if peer.how == "bare" else "  alerts equal"
        rate = median(rates[peer]) / 1e6
        yield f"   {name:52s}{rate:11.2f}{loop:>15s}{lane:>13s}{alerts}"
    for peer, its in COMPARED:
        times = _ratio(rates[EQUAL], rates[peer]) if peer in rates else "–"
        yield f"   equal work is {times} × {peer.words} ({its[shape.which]})"


def _ratio(rates: list[float], to: list[float]) -> str:
    """Median of the ratios, pair by pair."""
    if not rates or len(to) != len(rates):
        return "–"
    return f"{median(a / b for a, b in zip(rates, to, strict=True)):.2f}"
