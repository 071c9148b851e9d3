"""Apache Kafka on loopback without Docker: its own artefacts through Maven (docs/kafka.md).

For laptops and tests: a KRaft cluster of one or three brokers, each of them broker and controller.
They are separate processes, which outlive the command that starts them; their configuration, PIDs
and data are kept in files below one folder.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from agents.broker.embedded import free_port
from agents.host.errors import BrokerError
from agents.host.hashes import difference, locked
from agents.host.places import cache, state
from agents.host.process import begun, is_the_one, send

VERSION = "4.1.1"
CACHE, FOLDER = cache() / f"kafka-{VERSION}", state() / "kafka"
LOCK = Path(__file__).with_name(f"kafka-{VERSION}.sha256")  # hash of every file that Maven fetches
START_S, STOP_S, FETCH_S = 60.0, 20.0, 600.0
POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>local</groupId><artifactId>kafka</artifactId><version>1</version>
<dependencies><dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId>
<version>{VERSION}</version></dependency></dependencies></project>
"""
PROPERTIES = """process.roles=broker,controller
node.id={node}
controller.quorum.voters={voters}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
default.replication.factor={replicas}
min.insync.replicas={in_sync}
offsets.topic.replication.factor={replicas}
offsets.topic.num.partitions=8
offsets.retention.minutes=525600
transaction.state.log.replication.factor={replicas}
transaction.state.log.min.isr={in_sync}
transaction.state.log.num.partitions=8
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=6000
auto.create.topics.enable=false
"""


@dataclass(slots=True)
class Node:
    """One broker on its port, and as a controller on another."""

    node: int
    port: int
    controller: int
    pid: int = 0
    begun: int = 0  # when that process began (agents/host/process.py); 0: not known
    config: str = "kafka.Kafka"  # what its command line names: its server.properties

    @property
    def alive(self) -> bool:
        """Whether the process that was started still runs, and not another with its PID."""
        return is_the_one(self.pid, self.begun, self.config)

    @property
    def listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 0.3).close()
        except OSError:
            return False
        return True


def jars() -> str:
    """Class path of Kafka, from KAFKA_HOME or fetched once through Maven. BrokerError says why not.

    Files from Maven are checked each time; those in the operator's KAFKA_HOME are not.
    """
    _need("java", "Apache Kafka needs Java 17 or later")
    home = os.environ.get("KAFKA_HOME")
    if home:
        if not (Path(home) / "libs").is_dir():
            raise BrokerError(f"KAFKA_HOME={home}: there is no folder libs in it.")
        return f"{home}/libs/*"
    done = CACHE / "done"
    if not done.exists():
        _need("mvn", "fetching Apache Kafka needs Maven (or an unpacked Kafka, as KAFKA_HOME)")
        CACHE.mkdir(parents=True, exist_ok=True)
        (CACHE / "pom.xml").write_text(POM)
        command = [
            "mvn", "-q", "-B", "dependency:copy-dependencies", f"-DoutputDirectory={CACHE}/libs"
        ]  # fmt: skip
        ran = subprocess.run(
            command, cwd=CACHE, capture_output=True, text=True, timeout=FETCH_S, check=False
        )
        if ran.returncode:
            raise BrokerError(f"Maven could not fetch Apache Kafka {VERSION}: {ran.stdout[-400:]}")
    _refuse_others()
    if not done.exists():
        done.touch()
    return f"{CACHE}/libs/*"


def _refuse_others() -> None:
    wrong = difference(CACHE / "libs", locked(LOCK))
    if wrong:
        raise BrokerError(
            f"{wrong} ({LOCK.name}): Kafka was not started. Delete {CACHE} and start again. If it "
            "happens again, Maven's mirror or proxy serves other files: set KAFKA_HOME to an "
            "unpacked Kafka."
        )


def _need(tool: str, why: str) -> None:
    if shutil.which(tool) is None:
        raise BrokerError(f"{tool} is not installed: {why}.")


class Cluster:
    """A cluster whose files stand below `folder`: cluster.json, and a folder for each broker."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self.folder = folder
        self.nodes: list[Node] = []
        self._children: list[subprocess.Popen[bytes]] = []  # those that this process started
        if self._file.exists():
            self.nodes = self._read()

    @property
    def _file(self) -> Path:
        return self.folder / "cluster.json"

    @property
    def bootstrap(self) -> str:
        return ",".join(f"127.0.0.1:{n.port}" for n in self.nodes)

    def log(self, node: int) -> Path:
        return self.folder / f"broker-{node}" / "kafka.log"

    def make(self, brokers: int, port: int = 0, more: Callable[[Node], str] = lambda _: "") -> None:
        """Configure and format a new cluster. port: of the first broker; 0: any that are free.

        more: extra lines of server.properties; a later line replaces an earlier one.
        """
        classes = jars()
        ports = [port + i if port else free_port() for i in range(brokers)]
        self.nodes = [Node(i + 1, p, free_port()) for i, p in enumerate(ports)]
        voters = ",".join(f"{n.node}@127.0.0.1:{n.controller}" for n in self.nodes)
        cluster = uuid.uuid4().hex[:22]
        for n in self.nodes:
            config = self._config(n)
            config.parent.mkdir(parents=True, exist_ok=True)
            config.write_text(
                PROPERTIES.format(
                    node=n.node, voters=voters, port=n.port, controller=n.controller,
                    data=config.parent / "data",
                    replicas=min(3, brokers), in_sync=2 if brokers > 2 else 1,
                )
                + more(n)
            )  # fmt: skip
            with self.log(n.node).open("ab") as out:
                subprocess.run(
                    ["java", "-cp", classes, "kafka.tools.StorageTool", "format", "-t", cluster,
                     "-c", str(config)],
                    check=True, stdout=out, stderr=out, timeout=START_S,
                )  # fmt: skip
        self._save()

    def _config(self, node: Node) -> Path:
        return self.folder / f"broker-{node.node}" / "server.properties"

    def _read(self) -> list[Node]:
        try:
            return [Node(**n) for n in json.loads(self._file.read_text())]
        except (OSError, ValueError, TypeError) as error:
            raise BrokerError(f"{self._file} cannot be read: {error}.") from None

    def _save(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._file.write_text(json.dumps([asdict(n) for n in self.nodes]))

    def start(self) -> None:
        """Start brokers that do not run; wait until all listen. BrokerError says which fails."""
        for node in self.nodes:
            self.start_one(node)
        for node in self.nodes:
            self.wait(node)

    def start_one(self, node: Node) -> None:
        if node.alive:
            return
        with self.log(node.node).open("ab") as out:
            config = str(self._config(node).resolve())
            process = subprocess.Popen(
                ["java", "-Xmx512m", "-cp", jars(), "kafka.Kafka", config],
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        self._children.append(process)
        node.pid, node.begun, node.config = process.pid, begun(process.pid), config
        self._save()

    def wait(self, node: Node) -> None:
        deadline = time.monotonic() + START_S
        while not node.listens:
            if not node.alive or time.monotonic() > deadline:
                tail = self.log(node.node).read_text(errors="replace")[-600:]
                raise BrokerError(f"Broker {node.node} did not start:\n{tail}")
            time.sleep(0.05)

    def signal(self, node: Node, number: signal.Signals) -> None:
        send(node.pid, node.begun, node.config, number)

    def stop(self) -> None:
        """Stop every broker cleanly; kill those that still run after STOP_S."""
        for node in self.nodes:
            self.signal(node, signal.SIGCONT)
            self.signal(node, signal.SIGTERM)
        deadline = time.monotonic() + STOP_S
        while any(n.alive for n in self.nodes) and time.monotonic() < deadline:
            time.sleep(0.05)
        for node in self.nodes:
            self.signal(node, signal.SIGKILL)
            node.pid = 0
        for child in self._children:
            if child.poll() is None:
                child.kill()  # certainly ours, even if that could not be checked
            child.wait()
        self._save()

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.nodes = []
