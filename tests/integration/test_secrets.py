"""TLS and passwords before a real broker: let in, or told in one sentence why not."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from agents.broker.embedded import free_port
from agents.broker.kafka import administrator
from agents.broker.security import from_file, use
from agents.cli import main
from agents.host.errors import BrokerError
from tests.integration.secrets_broker import PASSWORD, USER, Secured, secured

pytestmark = pytest.mark.kafka


@pytest.fixture(scope="module")
def broker(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Secured]:  # in place of the embedded
    with secured(tmp_path_factory.mktemp("secrets")) as one:
        yield one


def plan(bootstrap: str, folder: Path, **options: str) -> Result:
    """`heartline topics plan` with these options, whose names have dots; status 1, as topics are
    missing or the broker is not had."""
    file = folder / "kafka.toml"
    file.write_text("".join(f'{k.replace("_", ".")} = "{v}"\n' for k, v in options.items()))
    return CliRunner().invoke(
        main, ["--kafka-config", str(file), "topics", "plan", "--bootstrap", bootstrap]
    )


def told(done: Result) -> str:
    """The one line for people."""
    assert done.exit_code == 1, done.output
    (line,) = done.stderr.splitlines()
    assert "Traceback" not in done.output
    assert "r1ght" not in line
    assert "wr0ng" not in line
    return line


def password(folder: Path, secret: str) -> dict[str, str]:
    file = folder / "password"
    file.write_text(secret)
    file.chmod(0o600)
    return {"sasl_username": USER, "sasl_password_file": str(file)}


def plain_sasl(folder: Path, secret: str) -> dict[str, str]:
    return {
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "PLAIN",
        **password(folder, secret),
    }


def scram(broker: Secured, folder: Path, secret: str) -> dict[str, str]:
    return {
        "security_protocol": "SASL_SSL",
        "ssl_ca_location": f"{broker.folder}/ca.pem",
        **password(folder, secret),
    }


def tls(broker: Secured, signed_by: str = "ca") -> dict[str, str]:
    return {"security_protocol": "SSL", "ssl_ca_location": f"{broker.folder}/{signed_by}.pem"}


def test_let_in(broker: Secured, tmp_path: Path) -> None:
    """PLAIN, SCRAM behind TLS, TLS, and TLS with a certificate of ours."""
    ours = {
        "ssl_certificate_location": f"{broker.folder}/client.pem",
        "ssl_key_location": f"{broker.folder}/client.key",
    }
    for kind, options in (
        ("PASSWORD", plain_sasl(tmp_path, PASSWORD)), ("BOTH", scram(broker, tmp_path, PASSWORD)),
        ("TLS", tls(broker)), ("MUTUAL", tls(broker) | ours), ("PLAINTEXT", {}),
    ):  # fmt: skip
        done = plan(broker.at(kind), tmp_path, **options)
        assert "+ telemetry.raw" in done.output, (kind, done.output)


def test_a_wrong_password(broker: Secured, tmp_path: Path) -> None:
    line = told(plan(broker.at("PASSWORD"), tmp_path, **plain_sasl(tmp_path, "wr0ng")))
    assert f"The broker at {broker.at('PASSWORD')} refuses user 'ops'" in line
    line = told(plan(broker.at("BOTH"), tmp_path, **scram(broker, tmp_path, "wr0ng")))
    assert f"The broker at {broker.at('BOTH')} refuses user 'ops'" in line
    assert "sasl.password.file" in line


def test_another_mechanism(broker: Secured, tmp_path: Path) -> None:
    options = plain_sasl(tmp_path, PASSWORD) | {"sasl_mechanism": "SCRAM-SHA-256"}
    assert "does not take sasl.mechanism SCRAM-SHA-256" in told(
        plan(broker.at("PASSWORD"), tmp_path, **options)
    )


def test_a_certificate_that_nobody_vouches_for(broker: Secured, tmp_path: Path) -> None:
    line = told(plan(broker.at("TLS"), tmp_path, **tls(broker, "other")))
    assert (
        f"The certificate of the broker at {broker.at('TLS')} is refused: self-signed certificate"
        in line
    )
    assert "ssl.ca.location" in line


def test_a_certificate_of_another_name(broker: Secured, tmp_path: Path) -> None:
    """By the address that is given, and by the one that the broker itself tells."""
    line = told(plan(broker.at("TLS", "127.0.0.1"), tmp_path, **tls(broker)))
    assert f"The certificate of the broker at {broker.at('TLS', '127.0.0.1')} is refused" in line
    assert "IP address mismatch" in line
    line = told(plan(broker.at("MOVED"), tmp_path, **tls(broker)))
    assert f"The certificate of the broker at {broker.at('MOVED', '127.0.0.1')} is refused" in line
    assert "advertised.listeners" in line


def test_no_certificate_of_ours(broker: Secured, tmp_path: Path) -> None:
    line = told(plan(broker.at("MUTUAL"), tmp_path, **tls(broker)))
    assert "refuses our certificate, or wants one" in line
    assert "ssl.certificate.location" in line


def test_the_wrong_protocol(broker: Secured, tmp_path: Path) -> None:
    """In the clear to TLS, TLS in the clear, a password where none is asked for, and none."""
    assert "speaks TLS, and was spoken to in the clear" in told(plan(broker.at("TLS"), tmp_path))
    line = told(plan(broker.at("BOTH"), tmp_path, **plain_sasl(tmp_path, PASSWORD)))
    assert "security.protocol of --kafka-config is 'SASL_SSL' there" in line
    assert "does not speak TLS there" in told(plan(broker.at("PLAINTEXT"), tmp_path, **tls(broker)))
    line = told(plan(broker.at("PLAINTEXT"), tmp_path, **plain_sasl(tmp_path, PASSWORD)))
    assert "does not use SASL" in line
    assert "If it wants a password" in told(plan(broker.at("PASSWORD"), tmp_path))
    line = told(plan(broker.at("BOTH"), tmp_path, **tls(broker)))
    assert "security.protocol of --kafka-config is SASL_SSL" in line


def test_of_several_the_one_that_refuses_is_told(broker: Secured, tmp_path: Path) -> None:
    both = f"localhost:{free_port()},{broker.at('PASSWORD')}"
    assert f"at {broker.at('PASSWORD')} refuses user" in told(
        plan(both, tmp_path, **plain_sasl(tmp_path, "wr0ng"))
    )
    nobody = f"localhost:{free_port()}"
    assert "No Kafka broker answers" in told(
        plan(nobody, tmp_path, **plain_sasl(tmp_path, "wr0ng"))
    )


def test_what_answers_and_is_no_broker(tmp_path: Path) -> None:
    """A line of HTTP, nothing, and an answer to another request."""
    for answer in (
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"",
        b"\0\0\0\4\0\0\0\7",
        b"\0\0\0\4\0\0\0\1",
        bytes(4),
    ):
        with socket.create_server(("127.0.0.1", 0)) as server:
            host, port = server.getsockname()
            serving = threading.Thread(target=answers, args=[server, answer])
            serving.start()
            try:
                line = told(plan(f"{host}:{port}", tmp_path))
            finally:
                server.shutdown(socket.SHUT_RDWR)
                serving.join()
        assert re.search(r"No Kafka broker|no Kafka broker|closes the connection", line), line


def answers(server: socket.socket, answer: bytes) -> None:
    """One answer to whoever asks, and an end."""
    while True:
        try:
            one, _ = server.accept()
        except OSError:
            return
        with one:
            one.recv(4096)
            one.sendall(answer)


def test_a_client_that_runs_is_let_in_again(broker: Secured, tmp_path: Path) -> None:
    """The sentence is of the moment: the right password after a wrong one is let in."""
    file = tmp_path / "kafka.toml"

    async def ask() -> int:
        async with administrator(broker.at("PASSWORD")) as admin:
            return len((await admin.describe_cluster())["brokers"])

    for secret, good in (("wr0ng", False), (PASSWORD, True)):
        options = plain_sasl(tmp_path, secret)
        file.write_text("".join(f'{k.replace("_", ".")} = "{v}"\n' for k, v in options.items()))
        use(from_file(file))
        if good:
            assert asyncio.run(ask()) == 1
        else:
            with pytest.raises(BrokerError, match="refuses user 'ops'"):
                asyncio.run(ask())
