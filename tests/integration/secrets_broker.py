"""An Apache Kafka with a listener of each kind, their certificates and their users."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from agents.broker.apache import Cluster, Node, jars
from agents.broker.embedded import free_port
from agents.host.errors import BrokerError

USER, PASSWORD = "ops", "r1ght"
PLAIN = (
    f'org.apache.kafka.common.security.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
)
SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
# each listener's protocol; those of MOVED have themselves called by a name of no certificate
KINDS = {
    "PASSWORD": "SASL_PLAINTEXT", "TLS": "SSL", "BOTH": "SASL_SSL", "MUTUAL": "SSL", "MOVED": "SSL",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Secured:
    """ports: of each of KINDS, and of PLAINTEXT; folder: ca.pem, other.pem, client.pem."""

    ports: dict[str, int]
    folder: Path

    def at(self, kind: str, host: str = "localhost") -> str:
        return f"{host}:{self.ports[kind]}"


def openssl(folder: Path, *arguments: str) -> None:
    done = subprocess.run(
        ["openssl", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def self_signed(folder: Path, name: str, *more: str) -> None:
    """NAME.pem and NAME.key; both in NAME.both, as Kafka takes them."""
    openssl(
        folder, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}",
        "-keyout", f"{name}.key", "-out", f"{name}.pem", *more,
    )  # fmt: skip
    both = [(folder / f"{name}.{end}").read_text() for end in ("key", "pem")]
    (folder / f"{name}.both").write_text("".join(both))
    (folder / f"{name}.key").chmod(0o600)


def properties(node: Node, ports: dict[str, int], folder: Path) -> str:
    listeners = ",".join(f"{k}://127.0.0.1:{p}" for k, p in ports.items())
    called = {
        kind: "127.0.0.1" if kind in ("PLAINTEXT", "MOVED") else "localhost" for kind in ports
    }
    advertised = ",".join(f"{kind}://{called[kind]}:{p}" for kind, p in ports.items())
    kinds = ",".join(f"{k}:{v}" for k, v in KINDS.items())
    return f"""listeners={listeners},CONTROLLER://127.0.0.1:{node.controller}
advertised.listeners={advertised}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,{kinds}
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512
listener.name.password.sasl.enabled.mechanisms=PLAIN
listener.name.password.plain.sasl.jaas.config={PLAIN}
listener.name.both.sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.both.scram-sha-512.sasl.jaas.config={SCRAM}
ssl.keystore.type=PEM
ssl.keystore.location={folder}/ca.both
ssl.truststore.type=PEM
ssl.truststore.location={folder}/client.pem
listener.name.mutual.ssl.client.auth=required
"""


@contextmanager
def secured(folder: Path) -> Iterator[Secured]:
    """Skips with the reason where Kafka cannot be had."""
    try:
        classes = jars()
    except BrokerError as error:
        pytest.skip(f"Apache Kafka: {error}")
    self_signed(folder, "ca", "-addext", "subjectAltName=DNS:localhost")
    self_signed(folder, "other")
    self_signed(folder, "client")
    ports = {kind: free_port() for kind in KINDS}
    one = Cluster(folder / "kafka")

    def more(node: Node) -> str:
        ports["PLAINTEXT"] = node.port
        return properties(node, ports, folder)

    one.make(1, more=more)
    try:
        one.start()
        subprocess.run(
            ["java", "-cp", classes, "kafka.admin.ConfigCommand", "--bootstrap-server", one.bootstrap,
             "--alter", "--add-config", f"SCRAM-SHA-512=[password={PASSWORD}]",
             "--entity-type", "users", "--entity-name", USER],
            check=True, capture_output=True, timeout=60,
        )  # fmt: skip
        yield Secured(ports, folder)
    finally:
        one.stop()
