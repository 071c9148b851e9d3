"""Who may change what the chain does: signed by people whose keys are set, models by the gate."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from agents.host.keys import seal_key
from agents.lane.authority import Authority, Signer, make_key, read_keys, read_signer
from agents.lane.service import authority
from agents.settings import Settings
from pipeline.chain.control import decode_control
from pipeline.errors import MissionError
from schemas.columns import NEVER
from schemas.control import Control, ModelStage, encode_control
from schemas.records import CONTROL_HEADERS, RawRecord

SECOND = 1_000_000_000
NOW = 1_700_000_000 * SECOND
TOPIC = "telemetry.raw"
INHIBIT = Control("inhibit", "/S/P", "ada", "tested", NOW)


@pytest.fixture
def ada(tmp_path: Path) -> Signer:
    make_key(tmp_path / "ada.key")
    return read_signer(tmp_path / "ada.key")


@pytest.fixture
def known(tmp_path: Path, ada: Signer) -> Authority:  # noqa: ARG001 - it makes the file
    return Authority(TOPIC, read_keys({"ada": str(tmp_path / "ada.key.pub")}), unsigned=False)


def record(signer: Signer | None, control: Control = INHIBIT, source: str = "hl1") -> RawRecord:
    value = encode_control(control)
    signed = [signer.header(TOPIC, source, value)] if signer else []
    return RawRecord(0, value, (*CONTROL_HEADERS, *signed))


def why_not(known: Authority, given: RawRecord, source: str = "hl1", now: int = NOW) -> str:
    return known.vouch(source, given, decode_control(given.value), now).refused


def test_a_signed_record_is_believed(known: Authority, ada: Signer) -> None:
    assert why_not(known, record(ada)) == ""
    assert why_not(known, record(ada), now=NEVER) == ""


def test_what_is_not_believed(known: Authority, ada: Signer, tmp_path: Path) -> None:
    make_key(tmp_path / "eve.key")
    eve = read_signer(tmp_path / "eve.key")
    assert "nobody signed it" in why_not(known, record(None))
    assert "whose key is not set" in why_not(known, record(eve))
    assert "does not hold" in why_not(known, record(replace(eve, name="ada")))
    assert "does not hold" in why_not(known, record(ada), source="hl2")
    assert "does not hold" in why_not(replace(known, topic="replay.telemetry.raw"), record(ada))
    flight_director = replace(INHIBIT, who="flight director")
    assert "said by 'flight director'" in why_not(known, record(ada, flight_director))
    assert "at another time" in why_not(known, record(ada), now=NOW + 3600 * SECOND)
    changed = record(ada)
    changed.value = changed.value.replace(b"/S/P", b"/S/Q")
    assert "does not hold" in why_not(known, changed)


@pytest.mark.parametrize(
    "header", [b"", b":", b"ada:", b"ada:!!", b"\xff\xfe:", b"ada:" + b"A" * 88]
)
def test_any_header(known: Authority, header: bytes) -> None:
    given = RawRecord(0, encode_control(INHIBIT), (*CONTROL_HEADERS, ("signature", header)))
    assert why_not(known, given)


def test_where_unsigned_ones_are_taken(tmp_path: Path, ada: Signer) -> None:  # noqa: ARG001
    keys = {"ada": str(tmp_path / "ada.key.pub")}
    for bootstrap, control, taken in (
        ("127.0.0.1:9092", {}, True),
        ("127.0.0.1:9092,[::1]:9092", {}, True),
        ("127.0.0.1:9092", {"keys": keys}, False),
        ("kafka:9092", {}, False),
        ("kafka:9092", {"keys": keys}, False),
        ("kafka:9092", {"unsigned": ["kafka"]}, True),
        ("kafka:9092,other:9092", {"unsigned": ["kafka"]}, False),
    ):
        settings = Settings(bootstrap=bootstrap, control=control)  # type: ignore[arg-type]
        assert authority(settings).unsigned is taken, (bootstrap, control)


def test_a_model_is_active_by_the_word_of_a_gate(tmp_path: Path, ada: Signer) -> None:
    from tests.unit.gate.test_gate import noisy

    model = noisy()
    make_key(tmp_path / "gate.key")
    gate = read_signer(tmp_path / "gate.key")
    gates = read_keys({"gate": str(tmp_path / "gate.key.pub")})
    known = Authority(TOPIC, gates=gates)

    def active(**report: object) -> str:
        staged = ModelStage(model.name, "active", model, **report)  # type: ignore[arg-type]
        control = Control("model", "", "ada", "good", NOW, "", model=staged)
        given = record(None, control)
        return why_not(known, given)

    good = gate.report(model.sha256, "mdb", True)
    assert active(report=good) == ""
    assert "no gate has reported" in active()
    assert "no gate has reported" in active(report=gate.report("00" * 32, "mdb", True))
    assert "does not hold" in active(report=replace(good, mission_database="other"))
    assert "does not hold" in active(report=ada.report(model.sha256, "mdb", True))
    assert "does not hold" in active(
        report=replace(ada.report(model.sha256, "mdb", True), key="gate")
    )
    little = gate.report(model.sha256, "mdb", False)
    assert "too little was heard" in active(report=little)
    assert active(report=little, admitted=True) == ""
    assert "does not hold" in active(report=replace(little, enough=True))
    assert "does not hold" in active(report=replace(good, enough=False), admitted=True)
    shadow = Control("model", "", "a", "b", NOW, "", model=ModelStage(model.name, "shadow", model))
    assert why_not(known, record(None, shadow)) == ""


def test_a_key_is_its_owner_s(tmp_path: Path) -> None:
    path = tmp_path / "ada.key"
    make_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(MissionError, match="there is a key already"):
        make_key(path)
    path.chmod(0o644)
    with pytest.raises(MissionError, match="chmod 600"):
        read_signer(path)
    path.chmod(0o600)
    path.write_text("no key")
    with pytest.raises(MissionError, match="cannot be read"):
        read_signer(path)
    with pytest.raises(MissionError, match="cannot be read"):
        read_keys({"ada": str(path)})


def test_the_key_of_snapshots(tmp_path: Path) -> None:
    path = tmp_path / "state" / "seal.key"
    with pytest.raises(MissionError, match="cannot be read"):
        seal_key(path, make=False)
    key = seal_key(path, make=True)
    assert len(key) == 32
    assert seal_key(path, make=True) == key
    assert [p.name for p in path.parent.iterdir()] == ["seal.key"]
    path.write_text("abc")
    with pytest.raises(MissionError, match="cannot be read"):
        seal_key(path, make=True)
    path.write_text("ab" * 31)
    with pytest.raises(MissionError, match="no key of 32 bytes"):
        seal_key(path, make=True)
    if os.name == "posix":
        path.write_text(key.hex())
        path.chmod(0o640)
        with pytest.raises(MissionError, match="chmod 600"):
            seal_key(path, make=True)
