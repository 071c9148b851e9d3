"""Sources without a mission: their records are rejected and committed, and an alert is emitted.

A stranger with RECORDS records or more raises an alert. It is cleared when the partition's time has
advanced by QUIET_NS without it. Pure, like the chains: time is the broker's time stamp in the log.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import orjson

from agents.host.plain import plain
from pipeline.fingerprint import machine
from pipeline.outputs.alerts import alert_output, encode_alert
from pipeline.outputs.definitions import definition_output, of_fingerprint
from pipeline.outputs.evidence import input_of
from pipeline.outputs.ids import id_of
from schemas.columns import Output, State
from schemas.mission import Level
from schemas.records import RawRecord

RECORDS = 10
QUIET_NS = 60_000_000_000
MOST = 100  # strangers that are tracked one by one; all others are only counted
KIND = "unknown_source"
_MANY = 2**53


@dataclass(slots=True)
class Stranger:
    """digest: SHA-256 over its records; head: SHA-256 of its last alert (both hexadecimal)."""

    records: int = 0
    first_offset: int = 0
    first_ns: int = 0
    last_ns: int = 0
    standing: bool = False
    alerts: int = 0
    digest: str = "00" * 32
    head: str = "00" * 32


class Strangers:
    def __init__(self, partition: int) -> None:
        self._partition = partition
        self._definition = of_fingerprint(
            {"mission_database": "none", "settings": "none", **machine()}
        )
        self._now = 0  # the broker's latest time stamp; never goes back
        self._known: dict[str, Stranger] = {}

    @property
    def nobody(self) -> bool:
        """Whether it knows of none."""
        return not self._known

    def pass_by(self, stamp_ns: int) -> None:
        """Take the latest time of records of known sources, when there are no strangers."""
        self._now = max(self._now, stamp_ns)

    def heard(self, name: str, record: RawRecord, n: int) -> Iterator[Output]:
        """Take a stranger's record, yield alerts. n: number of the record's next output."""
        for output in self.passed(record, n):
            yield output
            n += 1
        one = self._known.get(name)
        if one is None:
            if len(self._known) >= MOST:
                return
            one = self._known[name] = Stranger()
        if not one.records:
            one.first_offset, one.first_ns = record.offset, self._now
        one.records, one.last_ns = min(one.records + 1, _MANY), self._now
        digest = hashlib.sha256(bytes.fromhex(one.digest) + record.value)
        one.digest = digest.hexdigest()
        if one.records >= RECORDS and not one.standing:
            one.standing = True
            yield from self._told(name, one, record, n)

    def passed(self, record: RawRecord, n: int) -> Iterator[Output]:
        """Take the time of any record, and clear the alerts of strangers that have gone quiet."""
        self._now = max(self._now, record.timestamp_ns)
        quiet = [k for k, s in self._known.items() if self._now - s.last_ns > QUIET_NS]
        for name in quiet:
            one = self._known[name]
            if one.standing:
                one.standing, one.records = False, 0
                yield from self._told(name, one, record, n)
                n += 2
            elif not one.alerts:  # one that had an alert keeps its ledger
                del self._known[name]
            else:
                one.records = 0

    def _told(self, name: str, one: Stranger, record: RawRecord, n: int) -> Iterator[Output]:
        """An alert, behind the fingerprint that it names."""
        yield definition_output(self._definition, id_of(self._partition, record.offset, n))
        yield self._alert(name, one, record, n + 1)

    def _alert(self, name: str, one: Stranger, record: RawRecord, n: int) -> Output:
        before, after = (
            (Level.NORMAL, Level.WARNING) if one.standing else (Level.WARNING, Level.NORMAL)
        )
        alert: dict[str, Any] = {
            "source": name, "parameter": "/", "name": name,
            "monitor": {"kind": KIND, "name": KIND},
            "transition": "raised" if one.standing else "cleared",
            "level_before": before.word, "level_after": after.word,
            "generation_ns": self._now, "reception_ns": self._now,
            "since_ns": one.first_ns,
            "input": input_of(
                self._partition, one.first_offset, record.offset, bytes.fromhex(one.digest)
            ),
            "observed": None, "unit": "", "quality": [], "confidence": 1.0,
            "fingerprint": self._definition.sha256,
            "ledger": {"number": one.alerts, "before_sha256": one.head},
        }  # fmt: skip
        output = alert_output(alert, sentence, id_of(self._partition, record.offset, n))
        assert output.draft
        output.value, output.draft = encode_alert(output.draft), None
        one.alerts += 1
        one.head = hashlib.sha256(output.value).hexdigest()
        return output

    def snapshot(self) -> State:
        told = {"now": self._now, "known": {name: asdict(one) for name, one in self._known.items()}}
        return {"/strangers": np.frombuffer(orjson.dumps(told), np.uint8).copy()}

    def restore(self, state: State) -> None:
        """ValueError if the state is not valid."""
        self._now, self._known = 0, {}
        if "/strangers" not in state:
            return
        try:
            told = orjson.loads(state["/strangers"].astype(np.uint8).tobytes())
            now, known = told["now"], told["known"]
            whole = type(now) is int and 0 <= now < 2**63 and len(known) <= MOST
            if not (whole and all(_is_one(name, one) for name, one in known.items())):
                raise ValueError
        except (TypeError, ValueError, AttributeError, KeyError):
            raise ValueError("snapshot with impossible values: strangers") from None
        self._now, self._known = now, {name: Stranger(**one) for name, one in known.items()}


def _is_one(name: Any, told: Any) -> bool:
    """Whether it has the form in which a stranger is stored."""
    types = {key: type(value) for key, value in asdict(Stranger()).items()}
    if not isinstance(name, str) or name != plain(name):
        return False
    if {key: type(value) for key, value in told.items()} != types:
        return False
    numbers = all(0 <= told[k] <= 2**63 - 1 for k, kind in types.items() if kind is int)
    hashes = all(len(bytes.fromhex(told[k])) == 32 for k in ("digest", "head"))
    return numbers and hashes and told["records"] <= _MANY and told["alerts"] <= _MANY


def sentence(alert: dict[str, Any], seen: str, unit: str) -> str:  # noqa: ARG001
    what = "a source without a mission, its records are refused"
    return f"{alert['name']}: {what} ({alert['level_after']})."
