"""How clients reach the brokers: TLS and SASL by librdkafka's names, secrets from files.

A file with a secret is refused if anyone but its owner may read it. There is one cluster per
process: `use` is called once and applies to every client of `agents.broker.kafka`. Plaintext to
anything but loopback is refused, unless the host is allowed by name.
"""

from __future__ import annotations

import os
import ssl
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agents.host.addresses import hosts_of, is_loopback
from agents.host.keys import refuse_readable
from pipeline.errors import MissionError

ENVIRONMENT = "HEARTLINE_KAFKA"  # a file, used if --kafka-config names none
KEYS = (
    "security.protocol", "sasl.mechanism", "sasl.username", "sasl.password.file",
    "ssl.ca.location", "ssl.certificate.location", "ssl.key.location", "ssl.key.password.file",
    "allow.plaintext",
)  # fmt: skip
PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


@dataclass(frozen=True, slots=True)
class Security:
    """options: of aiokafka's clients. plaintext: hosts that may be spoken to in the clear."""

    protocol: str = "PLAINTEXT"
    options: dict[str, Any] = field(default_factory=dict, repr=False)  # a password may be in it
    plaintext: frozenset[str] = frozenset()

    def refused(self, bootstrap: str) -> str | None:
        """The first host to which plaintext is not allowed, if any; an empty one is not allowed."""
        if self.protocol in ("SSL", "SASL_SSL"):
            return None
        for host in hosts_of(bootstrap):
            if not is_loopback(host) and host not in self.plaintext:
                return host
        return None


def all_loopback(bootstrap: str) -> bool:
    """Whether all brokers named are on this machine."""
    return all(map(is_loopback, hosts_of(bootstrap)))


_used = Security()


def use(security: Security) -> None:
    global _used
    _used = security


def in_use() -> Security:
    return _used


def from_file(path: str | Path | None) -> Security:
    """Read a TOML file with KEYS, or the one that HEARTLINE_KAFKA names; plaintext if neither.

    MissionError names the file and the key, but never a secret.
    """
    named = path or os.environ.get(ENVIRONMENT)
    if not named:
        return Security()
    where = Path(named)
    try:
        table = _flat(tomllib.loads(where.read_text()))
    except (OSError, ValueError) as error:
        raise MissionError(f"{where}: cannot be read: {error}.") from None
    for key in table:
        if key not in KEYS:
            raise MissionError(f"{where}: {key!r} is unknown; known are {', '.join(KEYS)}.")
    return _security(table, where)


def _flat(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Join nested keys: TOML reads `sasl.username = …` as a table in a table."""
    found: dict[str, Any] = {}
    for key, value in table.items():
        name = f"{prefix}{key}"
        found |= _flat(value, f"{name}.") if isinstance(value, dict) else {name: value}
    return found


def _security(table: dict[str, Any], where: Path) -> Security:
    def one_of(key: str, known: tuple[str, ...], default: str) -> str:
        value = str(table.get(key, default)).upper()
        if value not in known:
            raise MissionError(f"{where}: {key} = {value!r} is none of {', '.join(known)}.")
        return value

    protocol = one_of("security.protocol", PROTOCOLS, "PLAINTEXT")
    options: dict[str, Any] = {"security_protocol": protocol}
    if protocol.startswith("SASL"):
        for key in ("sasl.username", "sasl.password.file"):
            if key not in table:
                raise MissionError(f"{where}: {protocol} needs {key}.")
        options |= {
            "sasl_mechanism": one_of("sasl.mechanism", MECHANISMS, "SCRAM-SHA-512"),
            "sasl_plain_username": str(table["sasl.username"]),
            "sasl_plain_password": _secret(table, "sasl.password.file", where),
        }
    if protocol.endswith("SSL"):
        options["ssl_context"] = _context(table, where)
    return Security(protocol, options, _hosts(table.get("allow.plaintext", []), where))


def _hosts(hosts: Any, where: Path) -> frozenset[str]:
    if not isinstance(hosts, list) or not all(isinstance(h, str) for h in hosts):
        raise MissionError(f"{where}: allow.plaintext must be a list of host names.")
    return frozenset(hosts)


def _context(table: dict[str, Any], where: Path) -> ssl.SSLContext:
    """The brokers' certificate and name are always checked."""
    try:
        context = ssl.create_default_context(cafile=table.get("ssl.ca.location"))
    except (OSError, ValueError) as error:  # ssl's own errors are OSErrors
        raise MissionError(f"{where}: certificates cannot be used: {error}.") from None
    if "ssl.certificate.location" in table:
        _show(context, table, where)
    return context


def _show(context: ssl.SSLContext, table: dict[str, Any], where: Path) -> None:
    """Load our own certificate, for brokers that ask for one. Its key is secret, and may be in the
    same file."""
    certificate = Path(str(table["ssl.certificate.location"]))
    key = Path(str(table.get("ssl.key.location", certificate)))
    named = "ssl.key.location" if "ssl.key.location" in table else "ssl.certificate.location"
    _private(key, named, where)
    secret = None
    if "ssl.key.password.file" in table:
        secret = _secret(table, "ssl.key.password.file", where)
    try:
        context.load_cert_chain(certificate, key, secret if secret is not None else _no_password)
    except _NoPasswordError:
        raise MissionError(
            f"{where}: {key} is encrypted: ssl.key.password.file names the file of its password."
        ) from None
    except (OSError, ValueError) as error:
        mend = "" if secret is None else " (is ssl.key.password.file this key's?)"
        raise MissionError(f"{where}: {certificate} cannot be used: {error}{mend}.") from None


class _NoPasswordError(Exception):
    """A key is encrypted."""


def _no_password() -> str:
    """Replaces OpenSSL's own prompt, which waits for a password on the terminal."""
    raise _NoPasswordError


def _secret(table: dict[str, Any], key: str, where: Path) -> str:
    path = where.parent / str(table[key])
    _private(path, key, where)
    try:
        return path.read_text().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise MissionError(f"{where}: {key}: {path} cannot be read: {error}.") from None


def _private(path: Path, key: str, where: Path) -> None:
    """MissionError if anyone but its owner may read or change a secret."""
    try:
        refuse_readable(path)
    except (OSError, ValueError) as error:
        raise MissionError(f"{where}: {key}: {path} cannot be read: {error}.") from None
    except MissionError as error:
        raise MissionError(f"{where}: {key}: {error}") from None
