"""`heartline demo`: the whole pipeline on this machine; it ends by itself with a report."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import orjson
from rich.console import Group
from rich.live import Live
from rich.table import Table

from agents.broker.embedded import EmbeddedBroker, end_as_by_interrupt
from agents.ground.replay import Replayed, replay
from agents.host.errors import BrokerError
from agents.host.terminal import Terminal
from agents.readers.tail import follow
from agents.warm import warm_up
from agents.watch import Board
from agents.watch.drawing import whole
from pipeline.chain import Chain
from pipeline.flights.records import pack
from pipeline.flights.run import load_recording
from pipeline.mission.folder import Mission, load_mission
from pipeline.outputs.definitions import named_by
from pipeline.scoring.lead_time import Score, score_alerts
from pipeline.simulate import SYSTEM, TABLES, simulate
from schemas import topics

READY_S = 60.0
STOP_S, INTERRUPTED_S = 15.0, 1.0  # time to stop for the worker; less if interrupted
DRAIN_S = 30.0
DEMO_TOML = Path(__file__).parent.parent / "missions" / "demo"
console = Terminal()


@dataclass(slots=True)
class Seen:
    """What the demo's reader of the output topics saw."""

    alerts: dict[str, dict[str, Any]]
    records: int = 0


@click.command()
@click.option("--seed", default=7, show_default=True, help="Of the simulated flight.")
@click.option("--speed", default=20.0, show_default=True, help="Times flight time.")
@click.option("--metrics-port", default=9308, show_default=True, help="Where /metrics is.")
@click.option("--hold", is_flag=True, help="Stay up after the flight, until interrupted.")
def demo(seed: int, speed: float, metrics_port: int, hold: bool) -> None:
    """Embedded broker, worker, and a simulated launch with faults, replayed at speed."""
    end_as_by_interrupt()
    with tempfile.TemporaryDirectory(prefix="heartline-") as name:
        folder = Path(name)
        console.print("Compiling kernels (a minute or two, the first time) …")
        warm_up()
        console.print(f"Simulating a launch of {SYSTEM}, {len(TABLES)} containers, seed {seed} …")
        flight = simulate(seed)
        packets = folder / "packets.bin"
        packets.write_bytes(flight.packets)
        mission = load_mission(DEMO_TOML)
        log = folder / "worker.log"
        with EmbeddedBroker() as broker:
            worker, granted_s = _start_worker(broker.bootstrap, metrics_port, log), STOP_S
            try:
                _wait_ready(worker, metrics_port, log)
                seen, done = asyncio.run(
                    _fly(mission, packets, broker.bootstrap, speed, metrics_port)
                )
                _report(flight.truth, seen, done, metrics_port)
                if hold:
                    console.print(
                        f"Up until interrupted: broker {broker.bootstrap}, "
                        f"metrics http://127.0.0.1:{metrics_port}/metrics"
                    )
                    worker.wait()
            except KeyboardInterrupt:
                granted_s = INTERRUPTED_S
            finally:
                _stop_worker(worker, granted_s)


def _start_worker(bootstrap: str, port: int, log: Path) -> subprocess.Popen[bytes]:
    command = [
        sys.executable, "-m", "agents", "worker", "--bootstrap", bootstrap,
        "--source", f"demo={DEMO_TOML}", "--metrics-port", str(port),
    ]  # fmt: skip
    with log.open("wb") as out:
        return subprocess.Popen(command, stdout=out, stderr=out, start_new_session=True)


def _wait_ready(worker: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        if worker.poll() is not None:
            raise BrokerError(f"The worker ended at once:\n{log.read_text()[-2000:]}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise BrokerError(f"The worker was not ready within {READY_S:g} s:\n{log.read_text()[-2000:]}")


def _stop_worker(worker: subprocess.Popen[bytes], granted_s: float) -> None:
    if worker.poll() is None:
        os.killpg(worker.pid, signal.SIGTERM)
        try:
            worker.wait(granted_s)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()


async def _fly(
    mission: Mission, packets: Path, bootstrap: str, speed: float, port: int
) -> tuple[Seen, Replayed]:
    """Replay the flight and watch what comes out until the lane has caught up."""
    recording = load_recording(packets, mission, Chain(mission))
    board, seen = Board(bootstrap), Seen({})
    board.known(time.time_ns())  # all there is: what stands comes from the flight's first alert on

    def drawn() -> Group:
        return whole(board, time.time_ns())

    with Live(get_renderable=drawn, console=console, refresh_per_second=4, transient=True):
        reading = asyncio.create_task(_read(bootstrap, board, seen))
        records, done = pack(recording.flight), Replayed()
        await replay(records, "demo", bootstrap, "", speed, 1, done, lambda _: None)
        await _drained(port, done.packets)
        await asyncio.sleep(1.0)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
    return seen, done


async def _read(bootstrap: str, board: Board, seen: Seen) -> None:
    names = (topics.DEFINITIONS, topics.ALERTS, topics.STATISTICS)
    async for topic, record in follow(bootstrap, "", names, True, False):
        value = record.value or b""
        named = named_by(topic, record.headers)
        board.take(topic, record.key, record.value, time.time_ns(), named=named)
        seen.records += 1
        if topic == topics.ALERTS:
            alert = orjson.loads(value)
            seen.alerts[alert["id"]] = alert


async def _drained(port: int, packets: int) -> None:
    """Wait until the worker has counted every packet."""
    deadline = time.monotonic() + DRAIN_S
    while time.monotonic() < deadline:
        if _metric(port, "heartline_packets_total") >= packets:
            return
        await asyncio.sleep(0.2)
    raise BrokerError(f"The worker did not catch up within {DRAIN_S:g} s.")


def _metric(port: int, name: str) -> float:
    """Sum of a metric over its labels."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as response:
        lines = response.read().decode().splitlines()
    return sum(float(x.rsplit(" ", 1)[1]) for x in lines if x.split("{")[0].split(" ")[0] == name)


def _report(truth: dict[str, Any], seen: Seen, done: Replayed, port: int) -> None:
    score: Score = score_alerts(truth, seen.alerts.values())
    samples = _metric(port, "heartline_samples_total")
    console.print(
        f"\n{done.packets} packets, {samples:.0f} samples, {done.flight_s:.0f} s of flight in "
        f"{done.seconds:.1f} s: {samples / done.seconds / 1e6:.2f} M samples/s through Kafka, "
        f"{len(seen.alerts)} changes of alarms"
    )
    table = Table(title="Faults flown (times from lift-off)", pad_edge=False, padding=0)
    for column in ("fault", "onset", "predicted", "red limit", "ahead by", "by"):
        table.add_column(column, justify="left" if column in ("fault", "by") else "right")
    for fault in score.faults:
        table.add_row(*_row(fault))
    console.print(table)
    levels = ", ".join(f"{n} {level}" for level, n in sorted(score.by_level.items()))
    console.print(
        f"Alerts raised: {levels}. False alarms at warning or above: {len(score.false_alarms)}."
    )
    for alert in score.false_alarms:
        console.print(f"  false: {alert['sentence']}")
    console.print(f"Metrics were at http://127.0.0.1:{port}/metrics (--hold keeps them up).")


def _row(fault: Any) -> tuple[str, ...]:
    def at(t: float | None) -> str:
        return "–" if t is None else f"T{t:+.0f} s"

    if not fault.slow:
        first = f"noticed {at(fault.first_s)}" if fault.first_s is not None else "NOT NOTICED"
        return fault.kind, at(fault.onset_s), first, "", "", "abrupt: nothing to predict"
    lead = "MISSED" if fault.lead_s is None else f"{fault.lead_s:.0f} s"
    return (
        fault.kind, at(fault.onset_s), at(fault.predicted_s), at(fault.critical_s), lead,
        fault.predicted_by,
    )  # fmt: skip
