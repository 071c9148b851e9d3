"""A flight that is watched: a worker of two sources, a desk, Alertmanager, an ingest, Prometheus."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from agents.broker.embedded import free_port
from agents.broker.kafka import append
from pipeline.chain import Chain
from pipeline.flights.run import load_recording
from pipeline.formats.importing import import_flight
from pipeline.formats.series import Options
from pipeline.mission.folder import Mission, load_mission
from pipeline.simulate import simulate
from schemas import topics
from schemas.control import Control, ModelStage, encode_control
from schemas.records import CONTROL_HEADERS
from tests.conftest import PROJECT
from tests.integration.shift import Alertmanager, Desk, Pager
from tests.integration.system import Worker, send, wait_until, worker
from tests.laws.gated_cases import artefact_of

DEMO = PROJECT / "missions" / "demo"
OURS = PROJECT / "deploy" / "prometheus"
FOLDER = PROJECT / "deploy" / "grafana" / "dashboards"
BOARDS = sorted(p for p in FOLDER.glob("*.json") if p.stem != "alerts")  # that one asks PostgreSQL
CHOSEN = {"window": "60s", "__rate_interval": "15s", "source": ".*"}  # as Grafana sets them


def queries() -> list[tuple[str, str]]:
    """(panel or annotation, expression) with the dashboards' variables as Grafana sets them."""
    found = []
    for path in BOARDS:
        board = json.loads(path.read_text())
        asked = [(a["name"], a["expr"]) for a in board["annotations"]["list"]]
        for panel in board["panels"]:
            asked += [(panel["title"], target["expr"]) for target in panel.get("targets", ())]
        found += [(f"{path.stem}: {name}", filled(query, path.stem)) for name, query in asked]
    return found


def filled(query: str, board: str, **chosen: str) -> str:
    """A query of a board with its variables as Grafana sets them. chosen: others than those."""
    every = CHOSEN | {"parameter": "TP_VIB_BRG" if board == "parameter" else ".*"} | chosen
    for name, value in every.items():
        query = query.replace(f"${name}", value)
    return query


def ask(port: int, path: str, **parameters: str) -> Any:
    url = f"http://127.0.0.1:{port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
    with urllib.request.urlopen(url, timeout=10) as response:
        return json.loads(response.read())["data"]


def prometheus(
    folder: Path, worker_port: int, ingest_port: int, desk_port: int, alertmanager: str
) -> AbstractContextManager[int]:
    """With the configuration that ships, but for where its targets are. Yields its port."""
    config = (OURS / "prometheus.yml").read_text().replace("worker:", "127.0.0.1:")
    config = config.replace("9308", str(worker_port)).replace("desk:9311", f"127.0.0.1:{desk_port}")
    config = config.replace("alertmanager:9093", alertmanager.removeprefix("http://"))
    config = re.sub(
        r"dns_sd_configs:\n +- .names: .ingest.*",
        f'static_configs: [{{targets: ["127.0.0.1:{ingest_port}"]}}]',
        config,
    )
    return prometheus_of(folder, config)


@contextmanager
def prometheus_of(folder: Path, config: str) -> Iterator[int]:
    """With this configuration, and the rules that ship beside it. Yields its port."""
    port = free_port()
    (folder / "rules.yml").write_bytes((OURS / "rules.yml").read_bytes())
    (folder / "prometheus.yml").write_text(config)
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            ["prometheus", f"--config.file={folder}/prometheus.yml",
             f"--storage.tsdb.path={folder}/tsdb", f"--web.listen-address=127.0.0.1:{port}"],
            stdout=log, stderr=log,
        )  # fmt: skip
        try:
            yield port
        finally:
            process.terminate()
            process.wait(20)


def fresh_mission(folder: Path) -> tuple[Path, list[bytes]]:
    """As `heartline import` makes it of a table of two sensors, with nothing set by hand; and packets
    of the next minutes, ten a second."""
    folder.mkdir()
    time_s = time.time() + np.arange(3000) / 10
    rng = np.random.default_rng(1)
    values = np.column_stack([20 + np.cumsum(rng.normal(0, 0.01, 3000)), rng.normal(3, 0.2, 3000)])
    rows = (f"{t:.3f},{a:.4f},{b:.4f}" for t, (a, b) in zip(time_s, values, strict=True))
    (folder / "table.csv").write_text("\n".join(("time,T,P", *rows)) + "\n")
    made = import_flight([folder / "table.csv"], "second", Options())
    (folder / "xtce.xml").write_bytes(made.xtce)
    (folder / "mission.toml").write_text(made.mission_toml)
    (folder / "packets.bin").write_bytes(made.packets)
    mission = load_mission(folder)
    flight = load_recording(folder / "packets.bin", mission, Chain(mission)).flight
    ends = flight.start + flight.length
    return folder, [
        flight.data[a:b].tobytes() for a, b in zip(flight.start, ends, strict=True)
    ]  # fmt: skip


@contextmanager
def ingest(bootstrap: str, folder: Path, mission: Path, packets: Sequence[bytes]) -> Iterator[int]:
    """An ingest of the source `second`, which receives one packet after the other. Yields the port
    of its metrics."""
    listens, port, done = free_port(), free_port(), threading.Event()

    def fly() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            for packet in packets:
                out.sendto(packet, ("127.0.0.1", listens))
                if done.wait(0.1):
                    return

    with (folder / "ingest.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "agents", "ingest", f"udp://127.0.0.1:{listens}",
             "--mission", str(mission), "--source", "second", "--bootstrap", bootstrap,
             "--spool", str(folder / "spool"), "--metrics-port", str(port)],
            stdout=log, stderr=log,
        )  # fmt: skip
        flying = threading.Thread(target=fly)
        flying.start()
        try:
            yield port
        finally:
            done.set()
            flying.join()
            process.terminate()
            process.wait(20)


def put_to_work(bootstrap: str, mission: Mission) -> None:
    """A trained model of the source `demo`, active from here on."""
    names = tuple(f"/HL1/{name}" for name in ("LOX_T", "HE_P", "BATT_V"))
    artefact = artefact_of(mission, "residual", "tanks-quiet", names, threshold=12.0)
    model = ModelStage(artefact.name, "active", artefact)
    value = encode_control(Control("model", "", "Ada", "for this flight", 7, "", model=model))
    asyncio.run(append(bootstrap, topics.RAW, value, b"demo", CONTROL_HEADERS))


@dataclass
class Watched:
    """The parts, and when the flight began and ended, unix time."""

    port: int  # Prometheus'
    worker: Worker
    desk: Desk
    pager: Pager
    begun: float
    ended: float

    def series(self, query: str) -> Any:
        """Of the whole flight, a value a second."""
        span = {"start": str(self.begun), "end": str(self.ended), "step": "1"}
        return ask(self.port, "query_range", query=query, **span)["result"]


@contextmanager
def watched(bootstrap: str, folder: Path, mission: Mission) -> Iterator[Watched]:
    """The demo's flight around its faults, at eleven times its pace, to its end."""
    packets = folder / "packets.bin"
    packets.write_bytes(simulate(7, start=-60.0, end=375.0).packets)
    flight = load_recording(packets, mission, Chain(mission)).flight
    fresh, second = fresh_mission(folder / "fresh")
    sources, pager = {"demo": str(DEMO), "second": str(fresh)}, Pager()
    alertmanager = Alertmanager(folder, pager)
    desk = Desk(bootstrap, folder, sources, alertmanager.url)
    with (
        pager.listening(),
        alertmanager.running(),
        worker(bootstrap, sources, folder) as one,
        desk.running(),
        ingest(bootstrap, folder, fresh, second) as other,
        prometheus(folder, one.port, other, desk.metrics_port, alertmanager.url) as port,
    ):
        begun = time.time()
        put_to_work(bootstrap, mission)
        send(flight, "demo", bootstrap, 11.0)
        wait_until(
            lambda: one.total("heartline_packets_total") >= len(flight.start), 60, one.text, one
        )
        time.sleep(3)  # three scrapes more
        yield Watched(port, one, desk, pager, begun, time.time())
