"""Apache Kafka on loopback from its Maven artefacts, without Docker (docs/kafka.md)."""

from __future__ import annotations

import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agents.broker import free_port
from tests.integration.system import wait_until

VERSION = "4.1.1"
CACHE = Path.home() / ".cache" / "heartline" / f"kafka-{VERSION}"
POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
<modelVersion>4.0.0</modelVersion><groupId>local</groupId><artifactId>kafka</artifactId>
<version>1</version><dependencies><dependency><groupId>org.apache.kafka</groupId>
<artifactId>kafka_2.13</artifactId><version>{VERSION}</version></dependency>
</dependencies></project>
"""
PROPERTIES = """process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={logs}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=8
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=8
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=6000
auto.create.topics.enable=false
"""


def libraries() -> Path:
    """Kafka's jars, fetched once through Maven; skips with the reason where they cannot be had."""
    for tool in ("java", "mvn"):
        if shutil.which(tool) is None:
            pytest.skip(f"Apache Kafka: {tool} is not installed (Java 17 and Maven are needed)")
    if not (CACHE / "done").exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        (CACHE / "pom.xml").write_text(POM)
        done = subprocess.run(
            ["mvn", "-q", "-B", "dependency:copy-dependencies", f"-DoutputDirectory={CACHE}/libs"],
            cwd=CACHE, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        if done.returncode:
            pytest.skip(f"Apache Kafka: Maven could not fetch it: {done.stdout[-300:]}")
        (CACHE / "done").touch()
    return CACHE / "libs"


@contextmanager
def kafka(folder: Path) -> Iterator[str]:
    """Bootstrap address of a fresh one-node cluster."""
    jars = f"{libraries()}/*"
    port, controller = free_port(), free_port()
    config = folder / "server.properties"
    logs = folder / "data"
    config.write_text(PROPERTIES.format(port=port, controller=controller, logs=logs))
    cluster = uuid.uuid4().hex[:22]
    log = folder / "kafka.log"
    with log.open("wb") as out:
        subprocess.run(
            ["java", "-cp", jars, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", config],
            check=True, stdout=out, stderr=out, timeout=60,
        )  # fmt: skip
        process = subprocess.Popen(
            ["java", "-Xmx512m", "-cp", jars, "kafka.Kafka", str(config)], stdout=out, stderr=out
        )

    def up() -> bool:
        import socket

        try:
            socket.create_connection(("127.0.0.1", port), 0.3).close()
        except OSError:
            return False
        return True

    try:
        wait_until(up, 60, lambda: f"Kafka did not start:\n{log.read_text()[-2000:]}")
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
