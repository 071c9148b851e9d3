"""One seeded run: what is done to workers, brokers and network while input flows."""

from __future__ import annotations

import random
import signal
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import agents.lane.snapshot
from agents.broker.apache import Cluster, Node
from agents.host.errors import BrokerError
from agents.settings import Settings
from pipeline.flights.records import FlightRecord
from pipeline.mission.folder import Mission
from tests.integration.chaos.points import POINTS, Fault
from tests.integration.chaos.workers import NO_CLUSTER, ChaosWorker, fork_worker
from tests.integration.chaos.world import Place, Verdict, World

SESSION_MS = 1200
STARTS = 3  # of a broker, until the run gives up
FIRES_S = 20.0  # a fault that has not happened by then does not count
RATE = 25.0  # records a second and source
OFTEN = ("begin", "produce", "offsets", "end")  # steps of every commit
NETWORK = ("network cut", "network slow")
ROTATION = ("worker added", "worker removed")
BROKER = ("broker kill", "broker stop", "broker end")
OUTAGE = {"brokers two down": (2, 12.0), "brokers all down": (3, 60.0)}  # below min ISR; a minute


def deck(brokers: int) -> list[str]:
    """Every fault there is, once."""
    worker = [f"{action} {point}" for action in ("kill", "stop") for point in POINTS]
    broker = (
        [f"{what} {n}" for what in BROKER for n in range(1, brokers + 1)] if brokers > 1 else []
    )
    return [*worker, "reject at produce", "pause before restore", "pause after restore", *ROTATION,
            *NETWORK, *broker, *(OUTAGE if brokers > 1 else ())]  # fmt: skip


@dataclass
class Outcome:
    seed: int
    verdict: Verdict
    fired: Counter[str] = field(default_factory=Counter)
    missed: list[str] = field(default_factory=list)
    restores: int = 0


class Scenario:
    """The workers of one run. missions: by source; the nth source is on partition n."""

    def __init__(
        self, cluster: Cluster, place: Place, missions: dict[str, Mission],
        records: Sequence[list[FlightRecord]], folder: Path, seed: int,
    ) -> None:  # fmt: skip
        self._cluster, self._place, self._missions = cluster, place, missions
        self._records, self._folder = records, folder
        self._rnd = random.Random(seed)
        self.outcome = Outcome(seed, Verdict())
        self._workers: list[ChaosWorker] = []
        self._made = 0
        ports = [p for p, _ in place.proxies]
        bootstrap = ",".join(f"127.0.0.1:{p}" for p in ports) if ports else place.bootstrap
        self._settings = Settings(
            bootstrap=bootstrap, namespace=place.namespace, partitions=len(missions), commit_ms=50,
            snapshot_s=0.5, session_timeout_ms=SESSION_MS,
        )  # fmt: skip

    def run(self, faults: Sequence[str]) -> Outcome:
        world = World(self._place, self._missions, self._records, RATE)
        try:
            self._start()
            world.do("stored")  # something to restore
            for fault in faults:
                self._do(fault, world)
            self._plain()
            self.outcome.verdict = world.finish()
            self.outcome.restores = self._restores()
            hurt = any(name.split(" ")[0] in ("kill", "stop") for name in self.outcome.fired)
            if hurt and not self.outcome.restores:
                self.outcome.verdict.violations.append("no lane ever went on from a snapshot")
        finally:
            for worker in self._workers:
                worker.end(8)
            world.kill()
        outage = any(name in OUTAGE for name in self.outcome.fired)
        for worker in self._workers:
            killed = worker.fault and worker.fault.action == "kill" and worker.fired
            gave_up = outage and worker.status == NO_CLUSTER  # `_plain` starts it again
            if worker.status != 0 and not killed and not gave_up:
                told = f"a worker ended by itself ({worker.status}): {worker.text()[-300:]}"
                self.outcome.verdict.violations.append(told)
        return self.outcome

    def _start(self, fault: Fault | None = None) -> ChaosWorker:
        self._made += 1
        made = fork_worker(
            self._settings,
            self._missions,
            self._folder,
            f"w{self._made}",
            fault,
            small_blocks,
        )
        self._workers.append(made)
        return made

    def _plain(self) -> None:
        """At least one worker that nothing is the matter with."""
        if not any(w.alive and (w.fault is None or w.fired) for w in self._workers):
            self._start()

    def _restores(self) -> int:
        return sum(w.text().count("from a snapshot") for w in self._workers)

    def _do(self, fault: str, world: World) -> None:
        if fault in NETWORK:
            self._network(fault, world)
        elif fault in ROTATION:
            self._rotate(fault)
        elif fault in OUTAGE:
            self._outage(fault)
        elif fault.startswith("broker"):
            self._broker(fault)
        else:
            self._worker(fault)

    def _worker(self, name: str) -> None:
        """An armed worker beside the others, or alone."""
        action, point = name.split(" ", 1)
        often = point.split(" ", 1)[1] in OFTEN or action == "reject"
        fault = Fault(action, point, self._rnd.randint(1, 30) if often else 1)
        alone = self._rnd.random() < 0.5
        others = list(self._workers) if alone else []
        armed = self._start(fault)
        for worker in others:
            worker.end()
        deadline = time.monotonic() + FIRES_S
        while not armed.fired and time.monotonic() < deadline and armed.alive:
            time.sleep(0.02)
        if not armed.fired:
            self.outcome.missed.append(f"{name} ({'alone' if alone else 'beside'})")
            armed.end()
            self._plain()
            return
        self.outcome.fired[name] += 1
        if action == "pause":
            self._start()
        elif action == "stop":
            self._plain_beside(armed)
            time.sleep(2.5 * SESSION_MS / 1e3)  # its session is long over
            armed.signal(signal.SIGCONT)
            time.sleep(1.0)
        self._plain_beside(armed)

    def _plain_beside(self, armed: ChaosWorker) -> None:
        if not any(w.alive and w is not armed for w in self._workers):
            self._start()

    def _rotate(self, fault: str) -> None:
        if fault == "worker added":
            self._start()
        else:
            living = [w for w in self._workers if w.alive]
            self._start()
            if living:
                living[0].end()
        time.sleep(1.0)
        self.outcome.fired[fault] += 1

    def _network(self, fault: str, world: World) -> None:
        if not self._place.proxies:
            return
        world.do("sever" if fault == "network cut" else "slow", 0.05)
        time.sleep(1.5 * SESSION_MS / 1e3)
        world.do("mend")
        time.sleep(1.0)
        self.outcome.fired[fault] += 1
        self._plain()

    def _broker(self, fault: str) -> None:
        what, number = fault.removeprefix("broker ").split()
        node = self._cluster.nodes[int(number) - 1]
        if what == "stop":
            self._cluster.signal(node, signal.SIGSTOP)
            time.sleep(self._rnd.uniform(3.0, 8.0))
            self._cluster.signal(node, signal.SIGCONT)
        else:
            self._cluster.signal(node, signal.SIGKILL if what == "kill" else signal.SIGTERM)
            time.sleep(self._rnd.uniform(1.0, 4.0))
            self._again(node)
            self._cluster.wait(node)
        time.sleep(1.0)
        self.outcome.fired[fault] += 1
        self._plain()

    def _again(self, node: Node) -> None:
        while node.alive:
            time.sleep(0.05)
        self._cluster.start_one(node)

    def _up(self, node: Node) -> None:
        """Wait for a broker. One that gives up because it found no quorum is started again, as a
        supervisor would; it is the cluster's trouble, not the worker's."""
        for again in reversed(range(STARTS)):
            try:
                self._cluster.wait(node)
                break
            except BrokerError:
                if not again:
                    raise
            self._cluster.signal(node, signal.SIGKILL)
            self._again(node)

    def _outage(self, fault: str) -> None:
        """Several brokers at once: nothing can be written, and everybody has to wait."""
        n, seconds = OUTAGE[fault]
        down = self._rnd.sample(self._cluster.nodes, n)
        for node in down:
            self._cluster.signal(node, signal.SIGKILL)
        time.sleep(seconds)
        for node in down:
            self._again(node)
        for node in down:
            self._up(node)
        time.sleep(2.0)
        self.outcome.fired[fault] += 1
        self._plain()


def small_blocks() -> None:
    """Snapshots of several blocks each, so that one may be cut between two of them."""
    agents.lane.snapshot.BLOCK_BYTES = 100_000  # type: ignore[misc]


def choose(seed: int, brokers: int, n: int) -> list[str]:
    """n faults of the deck, by the seed; a run of seeds goes through the whole deck evenly."""
    cards = deck(brokers)
    order = random.Random(seed // len(cards)).sample(cards, len(cards))
    mine = [order[(seed * n + i) % len(cards)] for i in range(n)]
    return random.Random(seed).sample(mine, n)
