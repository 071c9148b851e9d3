"""Every query of the dashboards returns data, from a real Prometheus; no rule fires in vain."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from agents.broker.embedded import free_port
from pipeline.chain import Chain
from pipeline.flights.run import load_recording
from pipeline.mission.folder import Mission
from pipeline.simulate import simulate
from tests.conftest import PROJECT
from tests.integration.shift import Alertmanager, Desk, Pager
from tests.integration.system import send, wait_until, worker

DEMO = PROJECT / "missions" / "demo"
BOARDS = sorted((PROJECT / "deploy" / "grafana" / "dashboards").glob("*.json"))
CHOSEN = {"window": "60s", "__rate_interval": "15s", "source": ".*"}  # as Grafana sets them
# what moves while a flight is flown and an ingest receives, if anything is measured at all
MOVES = ("Flight time", "Time to limit", "Packets a second", "Samples a second", "Received a second",
         "Room to the nearer red limit", "Rates of change, per second", "Alerts in the last minute",
         "Latency, append to acknowledged outputs",
         "Records published a second")  # fmt: skip


def queries() -> list[tuple[str, str]]:
    """(panel, expression) with the dashboards' variables as Grafana sets them."""
    found = []
    for path in BOARDS:
        chosen = CHOSEN | {"parameter": "TP_VIB_BRG" if path.stem == "parameter" else ".*"}
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel.get("targets", ()):
                expression = target["expr"]
                for name, value in chosen.items():
                    expression = expression.replace(f"${name}", value)
                found.append((f"{path.stem}: {panel['title']}", expression))
    return found


def test_no_query_makes_up_data() -> None:
    for title, query in queries():
        assert "vector(" not in query, title
        assert " or " not in query, title


def ask(port: int, path: str, **parameters: str) -> Any:
    url = f"http://127.0.0.1:{port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
    with urllib.request.urlopen(url, timeout=10) as response:
        return json.loads(response.read())["data"]


@contextmanager
def prometheus(
    folder: Path, worker_port: int, ingest_port: int, desk_port: int, alertmanager: str
) -> Iterator[int]:
    """With the configuration that ships, but for where its targets are. Yields its port."""
    ours, port = PROJECT / "deploy" / "prometheus", free_port()
    config = (ours / "prometheus.yml").read_text().replace("worker:", "127.0.0.1:")
    config = config.replace("9308", str(worker_port)).replace("desk:9311", f"127.0.0.1:{desk_port}")
    config = config.replace("alertmanager:9093", alertmanager.removeprefix("http://"))
    config = re.sub(
        r"dns_sd_configs:\n +- .*",
        f'static_configs: [{{targets: ["127.0.0.1:{ingest_port}"]}}]',
        config,
    )
    (folder / "rules.yml").write_bytes((ours / "rules.yml").read_bytes())
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


@contextmanager
def ingest(bootstrap: str, folder: Path, packets: Sequence[bytes]) -> Iterator[int]:
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
             "--mission", str(DEMO), "--source", "second", "--bootstrap", bootstrap,
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


@pytest.mark.broker
def test_every_panel_has_data_and_no_rule_fires(
    broker: str, demo_mission: Mission, tmp_path: Path
) -> None:
    if shutil.which("prometheus") is None:
        pytest.skip("Prometheus is not installed (Debian's package `prometheus`)")
    packets = tmp_path / "packets.bin"
    packets.write_bytes(simulate(7, start=-60.0, end=375.0).packets)
    flight = load_recording(packets, demo_mission, Chain(demo_mission)).flight
    data, ends = flight.data, flight.start + flight.length
    second = [data[a:b].tobytes() for a, b in zip(flight.start[:2000], ends[:2000], strict=True)]
    sources, pager = {"demo": str(DEMO), "second": str(DEMO)}, Pager()
    alertmanager = Alertmanager(tmp_path, pager)
    desk = Desk(broker, tmp_path, sources, alertmanager.url)
    with (
        pager.listening(),
        alertmanager.running(),
        worker(broker, sources, tmp_path) as one,
        desk.running(),
        ingest(broker, tmp_path, second) as other,
        prometheus(tmp_path, one.port, other, desk.metrics_port, alertmanager.url) as port,
    ):
        begun = time.time()
        send(flight, "demo", broker, 11.0)
        wait_until(
            lambda: one.total("heartline_packets_total") >= len(flight.start), 60, one.text, one
        )
        time.sleep(3)  # three scrapes more
        asked = partial(ask, port, "query_range", start=str(begun), end=str(time.time()), step="1")
        still = []
        for title, query in queries():
            every = asked(query=query)["result"]
            values = [{v for _, v in series["values"] if v != "NaN"} for series in every]
            least = 2 if title.split(": ", maxsplit=1)[1] in MOVES else 1
            if not any(len(v) >= least for v in values):
                still.append(f"{title}: {query} → {len(every)} series, {values[:3]}")
        assert not still, "\n".join(still)
        of_room = dict(queries())["flight: Room to the nearer red limit"]
        for series in asked(query=of_room)["result"]:
            _room_is_right(asked, series)
        rules = [rule for group in ask(port, "rules")["groups"] for rule in group["rules"]]
        assert len(rules) > 20
        assert [(r["name"], r["lastError"]) for r in rules if r["health"] != "ok"] == []
        assert [a for a in ask(port, "alerts")["alerts"] if a["state"] == "firing"] == []
        assert ask(port, "alertmanagers")["activeAlertmanagers"]
        # the faults of the flight were told, a notification an incident and no storm of them
        firing = [
            (number, levels) for _, status, number, levels in pager.told if status == "firing"
        ]
        assert {number for number, _ in firing} <= {*desk.incidents()} | {*desk.incidents("false")}
        assert "turbopump" in {
            i["group"] for i in (desk.incidents() | desk.incidents("false")).values()
        }
        assert len(firing) == len({*firing}) > 0, firing


def _room_is_right(asked: Any, series: Any) -> None:
    """The query's figure at its last time, against the same from the numbers that it is made of."""
    name = f'source="{series["metric"]["source"]}",parameter="{series["metric"]["parameter"]}"'
    when, room = series["values"][-1]

    def value(metric: str) -> float:
        [found] = asked(query=metric)["result"]
        return float(dict(found["values"])[when])

    low, high = (
        value(f'heartline_parameter_limit{{{name},level="critical",side="{side}"}}')
        for side in ("low", "high")
    )
    ends = (
        value(f'heartline_parameter{{{name},window="60s",figure="{figure}"}}')
        for figure in ("min", "max")
    )
    nearest = min(min(x - low, high - x) for x in ends)
    assert float(room) == pytest.approx(100 * nearest / ((high - low) / 2), abs=1e-6), name
