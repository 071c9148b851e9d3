"""A shift on real parts: a mission whose values a test sends, a desk, an Alertmanager, a pager."""

from __future__ import annotations

import asyncio
import http.server
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.broker.declared import ensure_topics
from agents.broker.embedded import free_port
from agents.broker.kafka import producer, start
from pipeline.formats.importing import mission_toml
from pipeline.formats.spec import Column, Recorded, Table, packets_of
from pipeline.formats.xtce import write_xtce
from schemas import topics
from schemas.mission import AlarmRanges
from schemas.records import PACKETS_HEADERS, TICK_HEADERS, encode_packets, encode_tick
from tests.conftest import PROJECT
from tests.integration.system import wait_until
from tests.unit.desk.shift import Shift

INF = float("inf")
GOOD, WARNING, CRITICAL = 0.0, 70.0, 90.0
QUIET = "".join(
    f'[[{f}]]\nmatch = "*"\nenabled = false\n' for f in ("residual", "time_to_limit", "flat")
)
SOURCE = "veh"


@dataclass
class Ground:
    """Sends packets of one container, each with a value of every parameter, at the time of now."""

    bootstrap: str
    folder: Path
    names: Sequence[str]
    more: str = ""  # of mission.toml
    namespace: str = ""
    source: str = SOURCE
    off_ns: int = 0  # of the clock on board
    count: int = 0
    values: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        alarm = AlarmRanges((-INF, -60.0, -INF, -80.0, -INF), (INF, 60.0, INF, 80.0, INF), 1)
        self.table = Table("C", 1, tuple(Column(n, "f4", "V", alarm=alarm) for n in self.names))
        self.mission = self.folder / f"mission-{self.source}"
        self.mission.mkdir(exist_ok=True)
        (self.mission / "x.xml").write_bytes(write_xtce("V", [self.table]))
        text = mission_toml(self.source, "x.xml") + self.more + QUIET
        (self.mission / "mission.toml").write_text(text)
        self.values = dict.fromkeys(self.names, GOOD)

    def desk(self, alertmanager: str = "", *more: str) -> Desk:
        sources = {self.source: str(self.mission)}
        return Desk(self.bootstrap, self.folder, sources, alertmanager, *more)

    def send(self, **values: float) -> None:
        """Packets have these values from now on."""
        for value in values.values():
            assert isinstance(value, float)
        self.values = self.values | values
        self._sent.clear()
        assert self._sent.wait(10), "no packet was sent"

    @contextmanager
    def flying(self) -> Iterator[Ground]:
        """Packets come all the time, four a second."""
        over, self._sent = threading.Event(), threading.Event()
        thread = threading.Thread(target=lambda: asyncio.run(self._fly(over)))
        thread.start()
        try:
            yield self
        finally:
            over.set()
            thread.join()

    async def _fly(self, over: threading.Event) -> None:
        client = producer(self.bootstrap)
        await client.start()
        try:
            while not over.is_set():
                values, now = self.values, time.time_ns()
                raw = topics.on_wire(topics.RAW, self.namespace)
                records = ((self._packets(values, now), PACKETS_HEADERS),
                           (encode_tick(now + 1), TICK_HEADERS))  # fmt: skip
                for value, headers in records:
                    await client.send_and_wait(raw, value, self.source.encode(), headers=[*headers])
                if values is self.values:
                    self._sent.set()
                await asyncio.sleep(0.25)
        finally:
            await client.stop()

    def _packets(self, values: Mapping[str, float], now: int) -> bytes:
        columns = {n: np.array([v], np.float32) for n, v in values.items()}
        recorded = Recorded(
            self.table, np.array([now + self.off_ns]), columns, np.array([self.count])
        )
        self.count += 1
        return encode_packets([now], packets_of(recorded, np.array([0])).tobytes())


@dataclass
class Process:
    """A service of ours or of others, which can be killed and started again as it was."""

    command: Sequence[str]
    log: Path
    ready: str  # an address that answers 200
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.launch()
        wait_until(self.is_ready, 60, self.text)

    def launch(self) -> None:
        """Start it, well or not."""
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                self.command, stdout=out, stderr=out, start_new_session=True
            )

    def is_ready(self) -> bool:
        assert self.process
        assert self.process.poll() is None, self.text()
        try:
            with urllib.request.urlopen(self.ready, timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def kill(self) -> None:
        assert self.process
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        assert self.process
        self.process.terminate()
        return self.process.wait(20)

    def text(self) -> str:
        return self.log.read_text(errors="replace")[-4000:]

    @contextmanager
    def running(self) -> Iterator[Process]:
        self.start()
        try:
            yield self
        finally:
            if self.process and self.process.poll() is None:
                self.kill()


class Desk(Process):
    """`heartline desk`."""

    def __init__(
        self, bootstrap: str, folder: Path, sources: Mapping[str, str], alertmanager: str = "",
        *more: str,
    ) -> None:  # fmt: skip
        self.port, self.metrics_port = free_port(), free_port()
        told = ("--alertmanager", alertmanager) if alertmanager else ()
        options = [x for name, where in sources.items() for x in ("--source", f"{name}={where}")]
        super().__init__(
            [sys.executable, "-m", "agents", "desk", "--bootstrap", bootstrap, *options,
             "--port", str(self.port), "--metrics-port", str(self.metrics_port), "--loglevel", "info", *told, *more],
            folder / "desk.log", f"http://127.0.0.1:{self.port}/healthz",
        )  # fmt: skip

    def ask(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """A GET, or a POST of a body."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/api/v1/{path}")
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.loads(answer.read())

    def do(self, what: str, *keys: str, **more: Any) -> Any:
        who = {"what": what, "why": f"to {what}", "who": "ana"}
        return self.ask("deeds", who | ({"alarms": [*keys]} if keys else {}) | more)

    def statuses(self) -> dict[str, str]:
        """By name, of what is not normal."""
        return {alarm["name"]: alarm["status"] for alarm in self.ask("alarms")["alarms"]}

    def incidents(self, state: str = "true") -> dict[str, Any]:
        return {i["incident"]: i for i in self.ask(f"incidents?open={state}")["incidents"]}


ROUTES = PROJECT / "deploy" / "alertmanager" / "alertmanager.yml"


def routes(pager: str) -> str:
    """Those that ship, but quicker, and with receivers that tell a pager."""
    text = re.sub(r"(group_wait|group_interval): \S+", r"\1: 1s", ROUTES.read_text())
    return re.sub(
        r"- name: (shift|chief)", rf'- {{name: \1, webhook_configs: [{{url: "{pager}/\1"}}]}}', text
    )


class Alertmanager(Process):
    """Debian's, with a file of routes that sends everything to a pager."""

    def __init__(self, folder: Path, pager: Pager) -> None:
        if shutil.which("prometheus-alertmanager") is None:
            pytest.skip("Alertmanager is not installed (Debian's `prometheus-alertmanager`)")
        self.url = f"http://127.0.0.1:{free_port()}"
        config = folder / "alertmanager.yml"
        config.write_text(routes(pager.url))
        super().__init__(
            ["prometheus-alertmanager", f"--config.file={config}",
             f"--storage.path={folder / 'alertmanager'}", "--cluster.listen-address=",
             f"--web.listen-address={self.url.removeprefix('http://')}"],
            folder / "alertmanager.log", f"{self.url}/-/ready",
        )  # fmt: skip

    def incidents(self) -> set[str]:
        """Those that fire."""
        with urllib.request.urlopen(f"{self.url}/api/v2/alerts?active=true", timeout=5) as answer:
            return {alert["labels"]["incident"] for alert in json.loads(answer.read())}

    def silences(self) -> list[tuple[str, str, str]]:
        """(incident, who, why) of those in force."""
        with urllib.request.urlopen(f"{self.url}/api/v2/silences", timeout=5) as answer:
            found = json.loads(answer.read())
        return [
            (next(m["value"] for m in s["matchers"] if m["name"] == "incident"),
             s["createdBy"], s["comment"])
            for s in found if s["status"]["state"] == "active"
        ]  # fmt: skip


class Pager:
    """Receives what Alertmanager sends. told: (receiver, status, incident, severities firing)."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, str, tuple[str, ...]]] = []
        self.texts: list[dict[str, str]] = []
        pager = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                firing = [a for a in body["alerts"] if a["status"] == "firing"]
                levels = tuple(sorted(a["labels"]["severity"] for a in firing))
                number = body["groupLabels"].get("incident", "")
                pager.told.append((self.path[1:], body["status"], number, levels))
                pager.texts.append((firing or body["alerts"])[0]["annotations"])
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @contextmanager
    def listening(self) -> Iterator[Pager]:
        thread = threading.Thread(target=self._server.serve_forever)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()


def stand(bootstrap: str) -> Shift:
    """Alarms on telemetry.alarms, as a worker would have them."""
    shift = Shift()
    for name, level in (("A", "warning"), ("B", "critical"), ("C", "watch"), ("D", "warning")):
        shift.alarm(name, level)
    shift.alarm("D", "normal")

    async def write() -> None:
        await ensure_topics(bootstrap, "", 1)
        client = await start(producer(bootstrap), bootstrap)
        for key, value in shift.states:
            await client.send_and_wait(topics.ALARMS, value, key)
        await client.stop()

    asyncio.run(write())
    return shift
