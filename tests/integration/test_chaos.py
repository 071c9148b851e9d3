"""A short seeded part of the chaos (`make chaos` is the long one), and the checker itself checked."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.broker.apache import Cluster, jars
from agents.host.errors import BrokerError
from agents.settings import Settings
from pipeline.flights.records import FlightRecord
from pipeline.mission.folder import Mission
from tests.integration.chaos.points import Fault, deaf, with_early_offset, without_guard
from tests.integration.chaos.scenario import SESSION_MS, Scenario, choose
from tests.integration.chaos.stage import flights, proxied
from tests.integration.chaos.workers import ChaosWorker, fork_worker
from tests.integration.chaos.world import Place, World

pytestmark = pytest.mark.kafka
Flown = tuple[dict[str, Mission], list[list[FlightRecord]]]


@pytest.fixture(scope="module")
def flown() -> Flown:
    return flights()


@pytest.fixture(scope="module")
def stage(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Cluster, tuple[tuple[int, int], ...]]]:
    try:
        jars()
    except BrokerError as error:
        pytest.skip(f"Apache Kafka: {error}")
    with proxied(tmp_path_factory.mktemp("kafka"), 1) as found:
        yield found


@pytest.mark.parametrize("number", range(2))
def test_seeded_faults(
    number: int, seed: int, flown: Flown, stage: tuple[Cluster, tuple[tuple[int, int], ...]],
    tmp_path: Path,
) -> None:  # fmt: skip
    cluster, ways = stage
    one = seed % 10_000 + number
    place = Place(cluster.bootstrap, f"t{one}", ways)
    outcome = Scenario(cluster, place, *flown, tmp_path, one).run(choose(one, 1, 4))
    assert not outcome.verdict.violations, "\n".join(outcome.verdict.violations)
    assert sum(outcome.fired.values()) >= 2, f"hardly anything happened: {outcome.missed}"


class Duel:
    """One partition and two workers, by a script."""

    def __init__(self, cluster: Cluster, flown: Flown, folder: Path, name: str) -> None:
        missions, records = flown
        self.missions, self.folder = {"s0": missions["s0"]}, folder
        place = Place(cluster.bootstrap, name)
        self.settings = Settings(
            bootstrap=place.bootstrap, namespace=name, commit_ms=50, snapshot_s=0.5,
            session_timeout_ms=SESSION_MS,
        )  # fmt: skip
        self.world = World(place, self.missions, [records[0]], 25.0)
        self.workers: list[ChaosWorker] = []

    def worker(
        self, fault: Fault | None = None, guarded: bool = True, early: bool = False
    ) -> ChaosWorker:
        name = f"w{len(self.workers)}"

        def prepare() -> None:
            if fault and fault.action == "stop":
                deaf(3.0, self.folder / f"{name}.fired")
            if not guarded:
                without_guard()
            if early:
                with_early_offset()

        one = fork_worker(self.settings, self.missions, self.folder, name, fault, prepare)
        self.workers.append(one)
        return one

    def __enter__(self) -> Duel:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers:
            worker.end(5)
        self.world.kill()


def until_fired(worker: ChaosWorker) -> None:
    deadline = time.monotonic() + 30
    while not worker.fired:
        assert worker.alive, worker.text()
        assert time.monotonic() < deadline, f"{worker.fault} did not happen:\n{worker.text()}"
        time.sleep(0.02)


@pytest.mark.parametrize(("action", "says"), [("drop", "lost"), ("repeat", "repeated")])
def test_the_checker_sees_what_is_wrong(
    action: str, says: str, flown: Flown, stage: tuple[Cluster, tuple[tuple[int, int], ...]],
    tmp_path: Path,
) -> None:  # fmt: skip
    """One output dropped on purpose, one sent twice: either fails the run."""
    with Duel(stage[0], flown, tmp_path, f"n{action}") as duel:
        until_fired(duel.worker(Fault(action, "at produce", 5)))
        found = duel.world.finish().violations
    assert f"telemetry.samples: 1 {says}" in " ".join(found) or f": 1 {says}" in found[0], found


@pytest.mark.parametrize(
    ("early", "guarded"), [(False, True), (False, False), (True, True), (True, False)]
)
def test_a_worker_frozen_before_it_fences(
    early: bool, guarded: bool, flown: Flown,
    stage: tuple[Cluster, tuple[tuple[int, int], ...]], tmp_path: Path,
) -> None:  # fmt: skip
    """Its session ends, another takes the partition and goes on; then it wakes up.

    early: the committed offset was fetched before the fence, against the order. Then the guard
    alone stands between the group and its rewinding: without it the run must fail.
    """
    with Duel(stage[0], flown, tmp_path, f"g{int(early)}{int(guarded)}") as duel:
        zombie = duel.worker(Fault("stop", "before fence"), guarded, early)
        until_fired(zombie)
        owner = duel.worker()
        time.sleep(3 * SESSION_MS / 1e3 + 2)  # the zombie's session is over, the owner at work
        assert "from offset" in owner.text(), owner.text()
        zombie.signal(signal.SIGCONT)
        time.sleep(6)
        found = " ".join(duel.world.finish().violations)
    if early and not guarded:
        assert "repeated" in found, f"the checker is blind:\n{zombie.text()}\n{owner.text()}"
    else:
        assert not found, f"{found}\n{zombie.text()}\n{owner.text()}"
