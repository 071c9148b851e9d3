"""How brokers are reached: refused in the clear, TLS and SASL by librdkafka's names."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from agents.app import faust_credentials
from agents.broker.kafka import consumer
from agents.broker.security import Security, from_file, use
from agents.cli import main
from agents.host.errors import BrokerError
from pipeline.errors import MissionError
from pipeline.simulate import simulate
from tests.conftest import PROJECT

DEMO = str(PROJECT / "missions" / "demo")


@pytest.fixture(autouse=True)
def plain() -> Iterator[None]:
    yield
    use(Security())


def written(folder: Path, text: str) -> Path:
    path = folder / "kafka.toml"
    path.write_text(text)
    (folder / "secret").write_text("s3cret\n")
    (folder / "secret").chmod(0o600)
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


# --- files of secrets --------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o602, 0o610, 0o644])
def test_a_password_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    text = 'security.protocol = "SASL_SSL"\nsasl.username = "a"\nsasl.password.file = "secret"'
    path = written(tmp_path, text)
    (tmp_path / "secret").chmod(mode)
    with pytest.raises(MissionError, match=r"chmod 600 .*secret") as error:
        from_file(path)
    assert "s3cret" not in str(error.value)
    for private in (0o600, 0o400):
        (tmp_path / "secret").chmod(private)
        assert from_file(path).options["sasl_plain_password"] == "s3cret"


def key(folder: Path, *options: str) -> str:
    """A certificate and its key, of openssl; lines that name them."""
    done = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-subj", "/CN=x", "-days", "2", "-keyout", "key.pem", "-out", "cert.pem", *options],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return (
        f'security.protocol = "SSL"\nssl.certificate.location = "{folder}/cert.pem"\n'
        f'ssl.key.location = "{folder}/key.pem"\n'
    )


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    """Also where it is in one file with its certificate."""
    path = written(tmp_path, key(tmp_path, "-nodes"))
    (tmp_path / "key.pem").chmod(0o640)
    with pytest.raises(MissionError, match=r"ssl\.key\.location: .* chmod 600 .*key\.pem"):
        from_file(path)
    (tmp_path / "key.pem").chmod(0o600)
    assert from_file(path).protocol == "SSL"
    both = tmp_path / "both.pem"
    both.write_bytes((tmp_path / "key.pem").read_bytes() + (tmp_path / "cert.pem").read_bytes())
    both.chmod(0o644)
    path.write_text(f'security.protocol = "SSL"\nssl.certificate.location = "{both}"')
    with pytest.raises(MissionError, match=r"chmod 600 .*both\.pem"):
        from_file(path)
    both.chmod(0o600)
    assert from_file(path).protocol == "SSL"


def test_an_encrypted_key_asks_nobody_for_its_password(tmp_path: Path) -> None:
    lines = key(tmp_path, "-passout", "pass:s3cret")
    with pytest.raises(MissionError, match=r"encrypted: ssl\.key\.password\.file names"):
        from_file(written(tmp_path, lines))
    lines += 'ssl.key.password.file = "secret"\n'
    assert from_file(written(tmp_path, lines)).protocol == "SSL"
    path = written(tmp_path, lines)
    for wrong in ("other\n", ""):
        (tmp_path / "secret").write_text(wrong)
        with pytest.raises(MissionError, match=r"is ssl\.key\.password\.file this key's"):
            from_file(path)


# --- what is no address ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def moment() -> bytes:
    return simulate(2, (), -0.2, 0.2).packets


WRONG = {"127.0.0.1:19602x": "'19602x' is no port", "": "an empty address", "kafka": "has no port"}


@pytest.mark.parametrize("bootstrap", WRONG)
@pytest.mark.parametrize(
    "command",
    [
        ["watch", "--seconds", "1"], ["topics", "plan"], ["audit", "verify"],
        ["ingest", "-", "--mission", DEMO], ["worker", "--source", f"demo={DEMO}"],
        ["control", "acknowledge", "HE_P", "--mission", DEMO, "--why", "y", "--who", "z"],
        ["explain", "x"], ["replay", "packets.bin", "--mission", DEMO],
    ],
    ids=lambda c: c[0],
)  # fmt: skip
def test_a_bootstrap_that_is_none_is_one_line(
    command: list[str],
    bootstrap: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    moment: bytes,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("packets.bin").write_bytes(moment)
    done = CliRunner().invoke(main, [*command, "--bootstrap", bootstrap], input="")
    assert done.exit_code == 1, done.output
    assert WRONG[bootstrap] in done.stderr
    assert "Traceback" not in done.stderr
