"""Every alert of Prometheus on its fault, on real parts: `make faults`, some 18 minutes.

The rules that ship, their times as they are. Two Kafkas, workers, ingests, desks, a writer of tables
with its PostgreSQL, one Alertmanager. First all is well and nothing may fire. Then every fault is
injected, each into a part of its own; what fires must be what the fault should raise, and what is
well must stay silent.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import count, cycle
from pathlib import Path

from agents.broker.apache import Cluster
from agents.broker.embedded import free_port
from agents.broker.kafka import append, producer, start
from agents.warm import warm_up
from benchmarks.chain import records, tables
from pipeline.formats.importing import mission_toml
from pipeline.formats.xtce import write_xtce
from schemas import topics
from schemas.records import PACKETS_HEADERS, encode_packets, with_time_offset
from tests.integration.postgres import Writer, postgres
from tests.integration.shift import Alertmanager, Desk, Ground, Pager, Process
from tests.integration.system import Worker, wait_until, worker
from tests.integration.watched import ask, prometheus_of

WELL_S = 200  # longer than most rules look back
MOST_S = 24 * 60
INGESTED = ("well", "gone", "lost", "away")  # sources that come by an ingest; the others directly
SHARE, TURN_S = 0.08, 0.5  # of each half second a starved process runs
# who has which fault; what may fire for it besides, since it is a fault too
EXPECTED: dict[str, tuple[str, str]] = {
    "HeartlineTargetAbsent": ("gone", "an ingest is killed"),
    "HeartlineUnhealthy": ("away", "the worker's broker is stopped"),
    "HeartlineRestarts": ("stalled", "a lane that stands still, and a supervisor"),
    "HeartlineNoLane": ("pair", "the second worker of one partition, as a job of its own"),
    "HeartlineLaneStalled": ("stalled", "somebody's transaction hangs on telemetry.raw"),
    "HeartlineBehind": ("starved", "the worker runs a twelfth of the time"),
    "HeartlineLagGrows": ("starved", "the same"),
    "HeartlineSlow": ("starved", "the same"),
    "HeartlineSnapshotOld": ("input", "--snapshot-s of a day"),
    "HeartlineHeldBack": ("input", "somebody's transaction hangs on telemetry.statistics"),
    "HeartlineRecovers": ("pair", "a stranger takes the lane's transactional.id, four times"),
    "HeartlineSourceSilent": ("silent", "its producer ends"),
    "HeartlineSourceLost": ("lost", "its ingest receives no packet any more"),
    "HeartlineRefusals": ("damaged", "packets whose length lies"),
    "HeartlineUnknownSource": ("stranger", "a record of a source that has no mission"),
    "HeartlineDeadLetters": ("input", "a record that is none"),
    "HeartlineClockChanged": ("clock", "the clock on board is set back by an hour"),
    "HeartlineLinkDown": ("away", "its broker is stopped"),
    "HeartlineSpoolFills": ("away", "the same, and 1 MB of spool"),
    "HeartlineInputLost": ("away", "the same"),
    "HeartlineDeskStands": ("away", "the desk's broker is stopped"),
    "HeartlineNobodyIsTold": ("input", "the desk's Alertmanager is killed"),
    "HeartlineDeskRefuses": ("input", "a foreign record on telemetry.alarms"),
    "HeartlineTableStands": ("table", "PostgreSQL is stopped"),
}
ALSO = {
    # records that cannot be read are late
    ("HeartlineBehind", "stalled"), ("HeartlineUnhealthy", "stalled"),
    ("HeartlineLagGrows", "stalled"),
    # a process that runs now and then is scraped now and then, commits so, and cannot hurry
    ("HeartlineTargetAbsent", "starved"), ("HeartlineUnhealthy", "starved"),
    ("HeartlineHeldBack", "starved"), ("HeartlineRecovers", "starved"),
    # of the ingest that was killed nothing comes any more, nor of a broker that is stopped
    ("HeartlineSourceSilent", "gone"), ("HeartlineSourceSilent", "away"),
    ("HeartlineSourceLost", "away"), ("HeartlineRecovers", "away"),
}  # fmt: skip


@dataclass
class Site:
    """What runs. stack: ends all of it. targets: job to (who, port) of what is scraped."""

    folder: Path
    stack: ExitStack
    kafka: Cluster
    other: Cluster
    targets: dict[str, list[tuple[str, int]]]

    def scraped(self, job: str, who: str, port: int) -> None:
        """By Prometheus, from now on."""
        self.targets.setdefault(job, []).append((who, port))
        told = [
            {"targets": [f"127.0.0.1:{p}"], "labels": {"job": job, "who": w}}
            for job, every in self.targets.items() for w, p in every
        ]  # fmt: skip
        fresh = self.folder / "targets.json.new"
        fresh.write_text(json.dumps(told))
        fresh.replace(self.folder / "targets.json")

    def ground(self, source: str, namespace: str = "") -> Ground:
        return Ground(self.kafka.bootstrap, self.folder, ["A"], namespace=namespace, source=source)

    def worker(
        self, who: str, sources: Mapping[str, str], *more: str, job: str = "heartline",
        cluster: Cluster | None = None,
    ) -> Worker:  # fmt: skip
        folder = self.folder / who
        folder.mkdir(exist_ok=True)
        space = () if who == "well" else ("--namespace", who)
        bootstrap = (cluster or self.kafka).bootstrap
        one: Worker = self.stack.enter_context(
            worker(bootstrap, dict(sources), folder, *space, *more, ready=False)
        )
        self.scraped(job, who, one.port)
        return one

    def ingest(self, source: str, bootstrap: str, namespace: str) -> tuple[Process, int]:
        """The process, and where it takes datagrams."""
        listens, port, folder = free_port(), free_port(), self.folder / f"ingest-{source}"
        folder.mkdir()
        mission = self.folder / f"mission-{source}"
        process = Process(
            [sys.executable, "-m", "agents", "ingest", f"udp://127.0.0.1:{listens}", "--mission",
             str(mission), "--source", source, "--bootstrap", bootstrap, "--namespace", namespace,
             "--spool", str(folder / "spool"), "--spool-bytes", str(1 << 20),
             "--metrics-port", str(port)],
            folder / "log", f"http://127.0.0.1:{port}/healthz",
        )  # fmt: skip
        self.stack.enter_context(process.running())
        self.scraped("heartline-ingest", source, port)
        return process, listens

    def desk(self, who: str, bootstrap: str, alertmanager: str, namespace: str) -> Desk:
        folder = self.folder / f"desk-{who}"
        folder.mkdir()
        desk = Desk(bootstrap, folder, {}, alertmanager, "--namespace", namespace)
        self.stack.enter_context(desk.running())
        self.scraped("heartline-desk", who, desk.metrics_port)
        return desk


def main() -> int:
    warm_up()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o755)
        one, two = (_cluster(folder / name, stack) for name in ("one", "two"))
        site = Site(folder, stack, one, two, {})
        inject = build(site)
        port = stack.enter_context(prometheus_of(folder, CONFIG))
        wait_until(lambda: _all_up(port, site.targets), 120, lambda: "not every part is scraped")
        time.sleep(WELL_S)
        parts = {f"127.0.0.1:{p}": who for every in site.targets.values() for who, p in every}
        early = firing(port, parts)
        _say(f"after {WELL_S} s, all well: {sorted(early) or 'nothing fires'}")
        begun = time.monotonic()
        later = inject()
        return report(early, watch(port, parts, begun, later))


def _cluster(folder: Path, stack: ExitStack) -> Cluster:
    folder.mkdir()
    one = Cluster(folder)
    one.make(1)
    one.start()
    stack.callback(one.stop)
    return one


def build(site: Site) -> Callable[[], dict[float, Callable[[], None]]]:
    """Start all parts, well; returns what injects the faults at once, and says which come later,
    by seconds."""
    enter, one, two = site.stack.enter_context, site.kafka.bootstrap, site.other.bootstrap
    pager = enter(Pager().listening())
    alertmanager = Alertmanager(site.folder, pager)
    enter(alertmanager.running())
    grounds = {
        source: site.ground(source, space)
        for source, space in (
            ("well", ""), ("gone", ""), ("damaged", "input"), ("clock", "input"), ("silent", "input"),
            ("lost", "input"), ("stalled", "stalled"), ("pair", "pair"), ("away", "away"),
        )
    }  # fmt: skip
    missions = {source: str(g.mission) for source, g in grounds.items()}
    heavy = _heavy(site.folder)
    site.worker("well", {"well": missions["well"], "gone": missions["gone"]})
    inputs = {s: missions[s] for s in ("damaged", "clock", "silent", "lost")}
    site.worker("input", inputs, "--snapshot-s", "86400")
    enter(_supervised(site.worker("stalled", {"stalled": missions["stalled"]})))
    site.worker("away", {"away": missions["away"]}, cluster=site.other)
    starved = site.worker("starved", {"starved": str(heavy)})
    site.worker("pair", {"pair": missions["pair"]}, job="heartline-pair")
    site.desk("well", one, alertmanager.url, "")
    flying = {source: enter(ExitStack()) for source in grounds if source not in INGESTED}
    for source, flight in flying.items():
        flight.enter_context(grounds[source].flying())
    ingests, faulty = {}, threading.Event()
    for source in INGESTED:
        bootstrap = two if source == "away" else one
        ingests[source], port = site.ingest(source, bootstrap, grounds[source].namespace)
        enter(_datagrams(grounds[source], port, faulty))
    site.desk("away", two, alertmanager.url, "away")
    (site.folder / "second").mkdir()
    second = Alertmanager(site.folder / "second", pager)
    enter(second.running())
    site.desk("input", one, second.url, "input")
    database = enter(postgres(site.folder))
    table = Writer(one, site.folder, database.url)
    enter(table.running())
    site.scraped("heartline-table", "table", int(table.ready.rsplit(":", 1)[1].split("/")[0]))

    def inject() -> dict[float, Callable[[], None]]:
        ingests["gone"].kill()
        second.kill()
        os.killpg(starved.process.pid, signal.SIGCONT)
        enter(_starved(starved.process.pid))
        enter(_blast(one, "starved", "starved"))
        enter(_hanging(one, "stalled.telemetry.raw"))
        enter(_hanging(one, "input.telemetry.statistics"))
        enter(_damage(grounds["damaged"]))
        site.worker("pair", {"pair": missions["pair"]}, job="heartline-pair-2")
        grounds["clock"].off_ns = -3600 * 10**9
        flying["silent"].close()
        faulty.set()
        asyncio.run(append(one, "input.telemetry.raw", b"?", b"stranger", PACKETS_HEADERS))
        asyncio.run(append(one, "input.telemetry.raw", b"?", b"clock", [("type", b"none")]))
        asyncio.run(append(one, "input.telemetry.alarms", b"{}", b"?"))
        database.stop()
        [node] = site.other.nodes
        site.other.signal(node, signal.SIGSTOP)
        site.stack.callback(site.other.signal, node, signal.SIGCONT)
        take = partial(_take_id, one, "pair.heartline/pair.telemetry.raw/0")
        return {15.0 * n: take for n in range(1, 5)}

    return inject


@contextmanager
def _supervised(one: Worker) -> Iterator[None]:
    """Started again where it ends, as systemd and Compose do."""
    over = threading.Event()

    def keep() -> None:
        while not over.wait(1):
            if one.process.poll() is not None:
                with one.log.open("ab") as out:
                    one.process = subprocess.Popen(
                        one.process.args, stdout=out, stderr=out, start_new_session=True
                    )

    with _thread(keep, over):
        yield
    if one.process.poll() is None:
        one.kill()


# --- parts that go wrong -------------------------------------------------------------------------


@contextmanager
def _datagrams(ground: Ground, port: int, faulty: threading.Event) -> Iterator[None]:
    """Ten packets a second; to `lost` none any more, and to `away` many, once faults are there."""
    over = threading.Event()

    def send() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            while not over.wait(0.1):
                if ground.source == "lost" and faulty.is_set():
                    continue
                for _ in range(200 if ground.source == "away" and faulty.is_set() else 1):
                    packet = ground._packets(ground.values, time.time_ns())[12:]
                    out.sendto(packet, ("127.0.0.1", port))

    with _thread(send, over):
        yield


@contextmanager
def _starved(group: int) -> Iterator[None]:
    """The process group runs a share of every second."""
    over = threading.Event()

    def turn() -> None:
        while not over.wait(SHARE * TURN_S):
            os.killpg(group, signal.SIGSTOP)
            time.sleep((1 - SHARE) * TURN_S)
            os.killpg(group, signal.SIGCONT)

    with _thread(turn, over):
        yield


@contextmanager
def _thread(target: Callable[[], None], over: threading.Event) -> Iterator[None]:
    thread = threading.Thread(target=target)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _heavy(folder: Path) -> Path:
    """A mission of a thousand parameters."""
    mission = folder / "mission-starved"
    mission.mkdir()
    (mission / "x.xml").write_bytes(write_xtce("B", tables(1000)))
    (mission / "mission.toml").write_text(mission_toml("starved", "x.xml"))
    return mission


@contextmanager
def _blast(bootstrap: str, namespace: str, source: str) -> Iterator[None]:
    """Some four hundred records of a thousand samples a second."""
    given, over = records(tables(1000), 300), threading.Event()

    async def run() -> None:
        client = await start(producer(bootstrap), bootstrap)
        turns = count()
        for n, record in enumerate(cycle(given)):
            if n % len(given) == 0:
                shift = next(turns) * 300 * 10**9
            headers = with_time_offset(record.headers, shift)
            await client.send(
                f"{namespace}.{topics.RAW}", record.value, source.encode(), headers=[*headers]
            )
            if n % 16 == 0:
                await asyncio.sleep(0.02)
            if over.is_set():
                break
        await client.stop()

    with _thread(lambda: asyncio.run(run()), over):
        yield


@contextmanager
def _hanging(bootstrap: str, topic: str) -> Iterator[None]:
    """A transaction that is opened, and never ended."""
    over = threading.Event()

    async def run() -> None:
        client = producer(
            bootstrap, transactional_id=f"stranger-{topic}", transaction_timeout_ms=900_000
        )
        await client.start()
        await client.begin_transaction()
        await client.send_and_wait(topic, b"?", b"?")
        while not over.is_set():
            await asyncio.sleep(0.2)
        with suppress(Exception):
            await client.abort_transaction()
        await client.stop()

    with _thread(lambda: asyncio.run(run()), over):
        yield


@contextmanager
def _damage(ground: Ground) -> Iterator[None]:
    """A packet a second whose length field lies."""
    over = threading.Event()

    async def run() -> None:
        client = await start(producer(ground.bootstrap), ground.bootstrap)
        while not over.is_set():
            value = encode_packets([time.time_ns()], bytes.fromhex("0801c000ffff00"))
            topic = topics.on_wire(topics.RAW, ground.namespace)
            await client.send_and_wait(
                topic, value, ground.source.encode(), headers=[*PACKETS_HEADERS]
            )
            await asyncio.sleep(1)
        await client.stop()

    with _thread(lambda: asyncio.run(run()), over):
        yield


def _take_id(bootstrap: str, name: str) -> None:
    """Begin as another producer of this transactional.id: the lane that has it is fenced."""

    async def take() -> None:
        client = await start(producer(bootstrap, transactional_id=name), bootstrap)
        await client.stop()

    asyncio.run(take())


# --- Prometheus ----------------------------------------------------------------------------------


# every series has the label `who`
CONFIG = """global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [rules.yml]
scrape_configs:
  - job_name: all
    file_sd_configs:
      - {files: [targets.json], refresh_interval: 1s}
"""


def _all_up(port: int, targets: Mapping[str, Sequence[tuple[str, int]]]) -> bool:
    try:
        found = ask(port, "query", query="up == 1")["result"]
    except OSError:
        return False
    return len(found) == sum(len(every) for every in targets.values())


def firing(port: int, parts: Mapping[str, str]) -> set[tuple[str, str]]:
    """(alert, who): of the source or part that it is about, or the job where that is all it has.
    parts: by instance."""
    found = set()
    for alert in ask(port, "alerts")["alerts"]:
        if alert["state"] == "firing":
            labels = alert["labels"]
            who = labels.get("source") or parts.get(labels.get("instance", ""))
            job = labels.get("job", "").removeprefix("heartline-").removesuffix("-2")
            found.add((labels["alertname"], who or job))
    return found


def watch(
    port: int, parts: Mapping[str, str], begun: float, later: dict[float, Callable[[], None]]
) -> dict[tuple[str, str], float]:
    """When each began to fire, seconds after the faults; until all that must have, or MOST_S."""
    seen: dict[tuple[str, str], float] = {}
    wanted = {(alert, who) for alert, (who, _) in EXPECTED.items()}
    while not wanted <= seen.keys() and time.monotonic() - begun < MOST_S:
        now = time.monotonic() - begun
        for at in [at for at in later if at <= now]:
            later.pop(at)()
        for one in firing(port, parts) - seen.keys():
            seen[one] = now
            _say(f"{now:6.0f} s  {one[0]}, {one[1]}")
        time.sleep(1)
    return seen


def report(early: set[tuple[str, str]], seen: dict[tuple[str, str], float]) -> int:
    _say("\n| alert | fault | fires after, s |\n|---|---|---|")
    for alert, (who, fault) in EXPECTED.items():
        at = seen.get((alert, who))
        _say(f"| {alert} | {fault} | {'never' if at is None else f'{at:.0f}'} |")
    meant = {(alert, who) for alert, (who, _) in EXPECTED.items()}
    besides = seen.keys() - meant
    _say(f"\nbesides, since the fault is one too: {sorted(besides & ALSO) or 'nothing'}")
    vain = sorted(besides - ALSO)
    _say(f"in vain: {vain or 'nothing'}")
    return int(bool(early or vain or meant - seen.keys()))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
