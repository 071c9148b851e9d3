"""How brokers are reached: refused in the clear, TLS and SASL by librdkafka's names."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from agents.app import faust_credentials
from agents.cli import main
from agents.kafka import BrokerError, consumer
from agents.security import Security, from_file, use
from pipeline.errors import MissionError


@pytest.fixture(autouse=True)
def plain() -> Iterator[None]:
    yield
    use(Security())


def written(folder: Path, text: str) -> Path:
    path = folder / "kafka.toml"
    path.write_text(text)
    (folder / "secret").write_text("s3cret\n")
    return path


@pytest.mark.parametrize(
    ("bootstrap", "host"),
    [
        ("127.0.0.1:9092", None), ("localhost:9092,[::1]:9092", None), ("127.8.8.8:1", None),
        (",evil.example:9092", ""), (":9092", ""),
        ("kafka:9092", "kafka"), ("127.0.0.1:1,10.0.0.7:9092", "10.0.0.7"),
        ("localhost.evil.org:9092", "localhost.evil.org"), ("0.0.0.0:9092", "0.0.0.0"),
    ],
)  # fmt: skip
def test_in_the_clear_to_loopback_alone(bootstrap: str, host: str | None) -> None:
    assert Security().refused(bootstrap) == host
    assert Security("SASL_SSL").refused(bootstrap) is None
    if host:
        assert Security(plaintext=frozenset({host})).refused(bootstrap) is None


def test_no_client_is_made_to_a_refused_host(tmp_path: Path) -> None:
    with pytest.raises(BrokerError, match=r"10\.1\.1\.1 would be spoken to"):
        consumer("10.1.1.1:9092")
    done = CliRunner().invoke(main, ["watch", "--bootstrap", "far.example:9092", "--seconds", "1"])
    assert done.exit_code == 1
    assert "far.example would be spoken to" in done.output
    use(from_file(written(tmp_path, 'allow.plaintext = ["10.1.1.1"]')))


def test_sasl_with_a_secret_from_a_file(tmp_path: Path) -> None:
    text = (
        'security.protocol = "sasl_ssl"\nsasl.mechanism = "SCRAM-SHA-256"\n'
        'sasl.username = "ops"\nsasl.password.file = "secret"\n'
    )
    found = from_file(written(tmp_path, text))
    assert found.options["sasl_plain_password"] == "s3cret"
    assert found.options["sasl_mechanism"] == "SCRAM-SHA-256"
    context = found.options["ssl_context"]
    assert context.check_hostname
    assert context.verify_mode == ssl.CERT_REQUIRED
    credentials = faust_credentials(found)
    assert (credentials.username, credentials.ssl_context) == ("ops", context)
    assert faust_credentials(Security()) is None
    assert "s3cret" not in repr(found)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('securty.protocol = "SSL"', "'securty.protocol' is unknown"),
        ('security.protocol = "TLS"', "'TLS' is none of"),
        ('security.protocol = "SASL_SSL"', "needs sasl.username"),
        ('security.protocol = "SASL_PLAINTEXT"\nsasl.username = "a"', "needs sasl.password.file"),
        ('security.protocol = "SASL_SSL"\nsasl.username = "a"\nsasl.password.file = "none"',
         "none cannot be read"),
        (('security.protocol = "SASL_SSL"\nsasl.mechanism = "GSSAPI"\nsasl.username = "a"\n'
         'sasl.password.file = "secret"'), "'GSSAPI' is none of"),
        ('security.protocol = "SSL"\nssl.ca.location = "no.pem"', "certificates cannot be used"),
        ('allow.plaintext = "kafka"', "list of host names"), ("x = [", "cannot be read"),
        ('sasl.password = "s3cret"', "'sasl.password' is unknown"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_without_the_secret(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(MissionError, match=says) as error:
        from_file(written(tmp_path, text))
    assert "s3cret" not in str(error.value)
