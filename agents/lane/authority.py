"""Who may change what the chain does: control records are signed by people, models by the gate.

A signature (Ed25519, RFC 8032) is in the header `signature` = `NAME:BASE64`. It covers the topic,
the source and the value, so it holds for no other. A worker has only the public keys: it can check
signatures but not make them. Unsigned records are accepted only on loopback while no key is set,
and from brokers that are allowed by name.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from agents.host.keys import refuse_readable, write_secret
from pipeline.chain.control import Vouched
from pipeline.errors import MissionError
from schemas.columns import NEVER
from schemas.control import Control, GateReport
from schemas.records import RawRecord

HEADER = "signature"
NEAR_NS = 600_000_000_000  # most between signature and last tick: none can be replayed later
Keys = Mapping[str, Ed25519PublicKey]


@dataclass(frozen=True, slots=True)
class Authority:
    """topic: name of telemetry.raw on the broker. keys: of people, gates: of gates, by name.
    unsigned: whether unsigned records are accepted."""

    topic: str
    keys: Keys = field(default_factory=dict)
    gates: Keys = field(default_factory=dict)
    unsigned: bool = True

    def vouch(self, source: str, record: RawRecord, control: Control, now_ns: int) -> Vouched:
        """Whether a control record is to be believed (`pipeline.chain.control`)."""
        refused = self._person(source, record, control, now_ns) or self._gate(control)
        signed = any(key == HEADER for key, _ in record.headers)
        return Vouched(refused, control.who if signed and not refused else "")

    def _person(self, source: str, record: RawRecord, control: Control, now_ns: int) -> str:
        given = next((v for k, v in record.headers if k == HEADER), None)
        if given is None:
            return "" if self.unsigned else "nobody signed it"
        name, _, signature = given.decode("utf-8", "replace").rpartition(":")
        if name not in self.keys:
            return f"it is signed by {name!r}, whose key is not set"
        if control.who != name:
            return f"it is said by {control.who!r}, and signed by {name!r}"
        if now_ns != NEVER and abs(control.when_ns - now_ns) > NEAR_NS:
            return "it was signed at another time"
        if not _holds(self.keys[name], signature, signed_part(self.topic, source, record.value)):
            return "its signature does not hold"
        return ""

    def _gate(self, control: Control) -> str:
        """If gates are set, only a gate's report makes a model active, whoever wrote the record."""
        stage = control.model
        if stage is None or stage.stage != "active" or not self.gates:
            return ""
        report = stage.report
        if report is None or stage.artefact is None or report.sha256 != stage.artefact.sha256:
            return "no gate has reported on this model"
        key = self.gates.get(report.key)
        if key is None or not _holds(key, report.signature, report.signed):
            return "the gate's signature does not hold"
        if not report.enough and not stage.admitted:
            return "too little was heard of this model, and nobody admits it by name"
        return ""


def signed_part(topic: str, source: str, value: bytes) -> bytes:
    """The bytes that a signature covers."""
    return b"\0".join((b"heartline control 1", topic.encode(), source.encode(), value))


def _holds(key: Ed25519PublicKey, signature: str, content: bytes) -> bool:
    try:
        key.verify(base64.b64decode(signature, validate=True), content)
    except (InvalidSignature, ValueError):
        return False
    return True


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs for a person or a gate. name: the key file's name up to its first dot."""

    name: str
    key: Ed25519PrivateKey = field(repr=False)

    def sign(self, content: bytes) -> str:
        return base64.b64encode(self.key.sign(content)).decode()

    def header(self, topic: str, source: str, value: bytes) -> tuple[str, bytes]:
        """The signature header of a control record."""
        signature = self.sign(signed_part(topic, source, value))
        return HEADER, f"{self.name}:{signature}".encode()

    def report(self, sha256: str, mission_database: str, enough: bool) -> GateReport:
        """A gate's signed report that a model has passed. enough: was heard of it."""
        told = GateReport(sha256, mission_database, True, self.name, "", enough)
        return replace(told, signature=self.sign(told.signed))


def make_key(path: Path) -> Path:
    """Make a key: the private half in `path`, the public half beside it; returns the latter's path.

    MissionError where there is one already.
    """
    key = Ed25519PrivateKey.generate()
    public = path.with_name(path.name + ".pub")
    if path.exists() or public.exists():
        raise MissionError(f"{path}: there is a key already; it is left as it is.")
    plain = serialization.NoEncryption()
    write_secret(
        path,
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain
        ).decode(),
    )
    public.write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    return public


def read_signer(path: Path) -> Signer:
    """MissionError if the key is missing, is readable by others, or is not an Ed25519 key."""
    try:
        refuse_readable(path)
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise MissionError(f"{path}: the key cannot be read: {error}.") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise MissionError(f"{path}: is no Ed25519 key; `heartline control key` makes one.")
    return Signer(path.name.split(".")[0], key)


def read_keys(files: Mapping[str, str]) -> dict[str, Ed25519PublicKey]:
    """Public keys by name. MissionError if one cannot be read or is not an Ed25519 key."""
    found = {}
    for name, file in files.items():
        try:
            key = serialization.load_pem_public_key(Path(file).read_bytes())
        except (OSError, ValueError, UnsupportedAlgorithm) as error:
            raise MissionError(f"{file}: the key of {name} cannot be read: {error}.") from None
        if not isinstance(key, Ed25519PublicKey):
            raise MissionError(f"{file}: is no public Ed25519 key.")
        found[name] = key
    return found
