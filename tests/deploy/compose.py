"""`make compose-test`: the stack as it is shipped, and a flight through it whose worker is killed.

Grafana apart, all of docker-compose.yml: Kafka, a worker, the desk, Prometheus and Alertmanager in
containers, and a replay.
What stands on the topics afterwards must be, byte for byte, what the chain gives in this process.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agents.broker.security import from_file, use
from pipeline.chain import Chain
from pipeline.flights.run import load_recording
from pipeline.mission.folder import load_mission
from pipeline.simulate import simulate
from schemas import topics
from tests.conftest import PROJECT
from tests.deploy.engine import Engine, engine, missing, told
from tests.deploy.images import base_images
from tests.integration.system import collect, committed_all, end_of, expected, same, wait_until

IMAGE = "heartline:local"
MOST_MB = 800
WARM_S = 30  # kernels that are in the image take a few seconds, others a minute
SERVICES = ("kafka", "worker", "desk", "prometheus", "alertmanager")
SEED, START, END, SPEED = 7, -60, 300, 6
STRANGER = bytes([0x08, 101, 0xC0, 0, 0, 0, 0])  # a packet cut short: a reject
BOOTSTRAP = "kafka:9092"
METRICS, PROMETHEUS, ALERTMANAGER = 9308, "http://127.0.0.1:9090", "http://127.0.0.1:9093"
KILLS = 2
HEALTHY_S, CAUGHT_UP_S = 180.0, 120.0
ALONE = ("run", "--rm", "--read-only", "--tmpfs", "/tmp", "--network", "none")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--folder", type=Path, help="keep engine and images here, for the next time"
    )
    kept = parser.parse_args().folder
    if reason := missing():
        sys.stderr.write(f"compose-test: no engine can be had: {reason}.\n")
        return 1
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="heartline-compose-") as name:
        folder = Path(name)
        if kept:
            kept.mkdir(parents=True, exist_ok=True)
        with engine((kept or folder).absolute()) as docker:
            base_images(docker, folder)
            image(docker)
            with stack(docker):
                fly(docker, folder)
    told(f"nothing was lost, in {time.monotonic() - begun:.0f} s")
    return 0


def image(docker: Engine) -> None:
    """Built, small enough, nobody's root, and at once at work with a root that is read-only."""
    docker.docker("build", "--network", "host", "--tag", IMAGE, str(PROJECT))
    size = int(docker.docker("image", "inspect", "--format", "{{.Size}}", IMAGE)) / 1e6
    assert size <= MOST_MB, f"the image has {size:.0f} MB, more than {MOST_MB}"
    user = docker.docker("image", "inspect", "--format", "{{.Config.User}}", IMAGE)
    assert user not in ("", "root", "0"), f"the image runs as {user!r}"
    python = (*ALONE, "--entrypoint", "python3", IMAGE)
    warm = docker.docker(*python, "-m", "agents.warm")
    took = re.search(r"in (\d+) s", warm)
    assert took, warm
    assert int(took[1]) < WARM_S, f"kernels were compiled anew: {warm}"
    tools = "import importlib.util as u; print([t for t in ('pip', 'pytest', 'mypy') if u.find_spec(t)])"
    assert docker.docker(*python, "-c", tools) == "[]", "tools of developers are in the image"
    docker.docker(*ALONE, IMAGE, "check", "missions/demo")
    told(f"image: {size:.0f} MB, kernels ready in {took[1]} s with a read-only root")


@contextmanager
def stack(docker: Engine) -> Iterator[None]:
    """Up, and healthy; thrown away afterwards, volumes too."""
    try:
        docker.compose("up", "--detach", *SERVICES)
        healthy(docker, "worker")
        healthy(docker, "desk")
        told("Kafka, worker, desk, Prometheus and Alertmanager are up")
        yield
    except BaseException:
        sys.stderr.write(
            docker.compose("logs", "--no-color", "--tail", "40", "kafka", "worker", "desk")
        )
        raise
    finally:
        docker.compose("down", "--volumes", "--remove-orphans")


def healthy(docker: Engine, service: str) -> None:
    wait_until(
        lambda: docker.inspect(service, ".State.Health.Status") == "healthy",
        HEALTHY_S,
        lambda: f"{service} is not healthy",
    )


def fly(docker: Engine, folder: Path) -> None:
    use(from_file(PROJECT / "deploy" / "kafka.toml"))
    want, packets = outputs(folder)
    emitted = (topics.ALERTS, topics.STATISTICS, topics.SAMPLES, topics.REJECTS)
    assert all(want[t] for t in emitted), "a comparison of nothing"
    log = folder / "replay.log"
    with log.open("wb") as out:
        flight = subprocess.Popen(
            docker.compose_command("run", "--rm", "-T", "replay", replayed()),
            env=docker.environment, cwd=PROJECT, stdout=out, stderr=out,
        )  # fmt: skip
    with named("kafka", docker):
        for n in range(KILLS):
            kill_at_work(docker)
            told(f"worker killed and at work again ({n + 1} of {KILLS})")
        status, said = flight.wait(), log.read_text(errors="replace")
        assert status == 0, said
        assert f"{packets} packets in" in said, f"the replay sent not all {packets}: {said}"
        wait_until(lambda: committed_all(BOOTSTRAP), CAUGHT_UP_S, lambda: "the worker lags behind")
        told(f"{packets} packets, outputs the same: {once(want)}")
        seen_by_prometheus()
        told_to_alertmanager(docker)
        outlive_their_containers(docker, want)


def outputs(folder: Path) -> tuple[dict[str, dict[str, bytes]], int]:
    """What `heartline run` gives for the flight, and how many packets it has."""
    path = folder / "packets.bin"
    path.write_bytes(simulate(SEED, start=START, end=END).packets + STRANGER)
    mission = load_mission(PROJECT / "missions" / "demo")
    flight = load_recording(path, mission, Chain(mission)).flight
    return expected(flight, mission, "demo"), len(flight.start)


def replayed() -> str:
    """The replay service's command at the flight's own times: outputs are named by them."""
    octal = "".join(f"\\{byte:03o}" for byte in STRANGER)
    return (
        f"heartline simulate --out /tmp/flight --seed {SEED} --start {START} --end {END} && "
        f"printf '{octal}' >> /tmp/flight/packets.bin && "
        "heartline replay /tmp/flight/packets.bin --mission missions/demo --namespace '' "
        f"--bootstrap {BOOTSTRAP} --speed {SPEED}"
    )


@contextmanager
def named(host: str, docker: Engine) -> Iterator[None]:
    """A service's name is known to this process as it is to the containers."""
    real: Callable[..., Any] = socket.getaddrinfo

    def look_up(name: Any, *more: Any, **options: Any) -> Any:
        return real(docker.address(host) if name == host else name, *more, **options)

    socket.getaddrinfo = look_up
    try:
        yield
    finally:
        socket.getaddrinfo = real


def kill_at_work(docker: Engine) -> None:
    """SIGKILL from without, as of a machine out of memory, and wait for the worker's return.

    `docker kill` counts as told to stop: nothing is restarted after it.
    """
    done = packets_done(docker)
    wait_until(lambda: packets_done(docker) > done + 20_000, HEALTHY_S, lambda: "nothing flies")
    before = restarts(docker)
    os.kill(int(docker.inspect("worker", ".State.Pid")), signal.SIGKILL)
    wait_until(lambda: restarts(docker) > before, HEALTHY_S, lambda: "it was not restarted")
    wait_until(lambda: packets_done(docker) > 0, HEALTHY_S, lambda: "it is not at work again")


def restarts(docker: Engine) -> int:
    return int(docker.inspect("worker", ".RestartCount"))


def packets_done(docker: Engine) -> float:
    """Of the worker, since its start; 0 while nobody answers."""
    try:
        text = get(f"http://{docker.address('worker')}:{METRICS}/metrics")
    except OSError:
        return 0.0
    return sum(
        float(n) for n in re.findall(r"^heartline_packets_total\S* (\S+)", text, re.MULTILINE)
    )


def seen_by_prometheus() -> None:
    for query in ('up{job="heartline"}', "sum(heartline_packets_total)"):
        asked = urllib.parse.urlencode({"query": query})
        answer = json.loads(get(f"{PROMETHEUS}/api/v1/query?{asked}"))["data"]["result"]
        assert answer, f"Prometheus has no {query}"
        assert float(answer[0]["value"][1]) > 0, f"Prometheus: {query} is {answer}"
    told("Prometheus has the worker's metrics")


def told_to_alertmanager(docker: Engine) -> None:
    """What the desk noticed of the flight stands in Alertmanager, and the command line has it."""
    wait_until(
        lambda: bool(json.loads(get(f"{ALERTMANAGER}/api/v2/alerts?filter=desk=heartline"))),
        CAUGHT_UP_S, lambda: "Alertmanager has no incident",
    )  # fmt: skip
    alarms = ("exec", "-T", "desk", "heartline", "alarms")
    listed = docker.compose(*alarms, "incidents", "--all", "--bootstrap", BOOTSTRAP)
    assert "turbopump" in listed, listed
    told(f"the desk has told Alertmanager: {listed.splitlines()[-1]}")


def outlive_their_containers(docker: Engine, want: dict[str, dict[str, bytes]]) -> None:
    """Kafka's log and the worker's state: new containers go on where the old ones were."""
    before = asyncio.run(end_of(BOOTSTRAP, topics.RAW))
    docker.compose("up", "--detach", "--force-recreate", "kafka", "worker")
    healthy(docker, "worker")
    assert asyncio.run(end_of(BOOTSTRAP, topics.RAW)) == before > 0, "Kafka's log was lost"
    once(want)
    told("log and state outlive their containers")


def once(want: dict[str, dict[str, bytes]]) -> str:
    """All of it is on the topics, and no record twice. What there is, for people."""
    got = asyncio.run(collect(BOOTSTRAP))
    same(got, want)
    repeats = sum(c.repeats for c in got.values())
    assert not repeats, f"{repeats} outputs stand twice, exactly once was promised"
    return ", ".join(f"{len(c.by_id)} {t.removeprefix('telemetry.')}" for t, c in got.items())


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as response:
        return str(response.read().decode())


if __name__ == "__main__":
    sys.exit(main())
