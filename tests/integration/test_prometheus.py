"""Every query of the dashboard returns data that changes, from a real Prometheus."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from agents.broker.embedded import free_port
from pipeline.chain import Chain
from pipeline.flights.run import load_recording
from pipeline.mission.folder import Mission
from pipeline.simulate import simulate
from tests.conftest import PROJECT
from tests.integration.system import send, wait_until, worker

DASHBOARD = PROJECT / "deploy" / "grafana" / "dashboards" / "flight.json"


def queries() -> list[tuple[str, str]]:
    """(panel, expression) with the dashboard's variables as Grafana sets them."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    return [
        (p["title"], t["expr"].replace("$source", ".*").replace("$parameter", ".*"))
        for p in panels
        for t in p["targets"]
    ]


def test_no_query_makes_up_data() -> None:
    for title, query in queries():
        assert "vector(" not in query, title
        assert " or " not in query, title


def ask(port: int, path: str, **parameters: str) -> Any:
    url = f"http://127.0.0.1:{port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
    with urllib.request.urlopen(url, timeout=10) as response:
        return json.loads(response.read())["data"]


@pytest.mark.broker
def test_dashboard(broker: str, demo_mission: Mission, tmp_path: Path) -> None:
    if shutil.which("prometheus") is None:
        pytest.skip("Prometheus is not installed (Debian's package `prometheus`)")
    packets = tmp_path / "packets.bin"
    packets.write_bytes(simulate(7, start=-60.0, end=375.0).packets)
    flight = load_recording(packets, demo_mission, Chain(demo_mission)).flight
    port = free_port()
    with worker(broker, {"demo": str(PROJECT / "missions" / "demo")}, tmp_path) as one:
        ours = PROJECT / "deploy" / "prometheus"
        config = (ours / "prometheus.yml").read_text()
        (tmp_path / "rules.yml").write_bytes((ours / "rules.yml").read_bytes())
        (tmp_path / "prometheus.yml").write_text(
            config.replace("worker:9308", f"127.0.0.1:{one.port}")
        )
        with (tmp_path / "prometheus.log").open("wb") as log:
            prometheus = subprocess.Popen(
                ["prometheus", f"--config.file={tmp_path}/prometheus.yml",
                 f"--storage.tsdb.path={tmp_path}/tsdb", f"--web.listen-address=127.0.0.1:{port}"],
                stdout=log, stderr=log,
            )  # fmt: skip
        try:
            begun = time.time()
            flying = threading.Thread(target=send, args=(flight, "demo", broker, 11.0))
            flying.start()
            flying.join()
            wait_until(
                lambda: one.total("heartline_packets_total") >= len(flight.start), 60, one.text, one
            )
            time.sleep(3)  # three scrapes more
            still = []
            for title, query in queries():
                data = ask(
                    port,
                    "query_range",
                    query=query,
                    start=str(begun),
                    end=str(time.time()),
                    step="1",
                )["result"]
                values = [{v for _, v in series["values"] if v != "NaN"} for series in data]
                if not any(len(v) > 1 for v in values):
                    still.append(f"{title}: {query} → {len(data)} series, none changes")
            assert not still, "\n".join(still)
            groups = ask(port, "rules")["groups"]
            rules = [rule for group in groups for rule in group["rules"]]
            assert len(rules) > 20
            assert [(r["name"], r["lastError"]) for r in rules if r["health"] != "ok"] == []
            alerts = ask(port, "alerts")["alerts"]
            assert [a for a in alerts if a["state"] == "firing"] == []
        finally:
            prometheus.terminate()
            prometheus.wait(20)
