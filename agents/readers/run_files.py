"""The folder that `heartline run` writes: the records of each topic, as bytes."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import orjson

from pipeline.chain import Chain, Fed
from pipeline.errors import FlightError
from pipeline.flights.run import Recording
from pipeline.outputs.arrow import END_OF_STREAM
from pipeline.outputs.definitions import NAMED
from pipeline.outputs.refusals import Refusals
from schemas import topics
from schemas.columns import Output, Reason

FILES = {t.name: t.file for t in topics.TOPICS if t.file}
SAMPLES_FOLDER, STATISTICS = "samples", "statistics"


class Streams:
    """Records of columns as Arrow streams: a definition, its records, and the end."""

    def __init__(self, folder: Path, chain: Chain) -> None:
        self._chain, self._names = chain, dict[str, Path]()
        if chain.mission.settings.outputs.statistics == "columns":
            self._names[chain.statistics_form.form.sha256] = folder / f"{STATISTICS}.arrow"
        for i, plan in enumerate(chain.plans.plans):
            if chain.samples.columns[i]:
                path = folder / SAMPLES_FOLDER / f"{plan.file_name}.arrow"
                self._names[chain.samples.form(i).sha256] = path
        self._files: dict[str, IO[bytes]] = {}

    def define(self, name: str, value: bytes) -> None:
        """A definition; of a fingerprint there is no stream."""
        if name in self._names:
            self._names[name].parent.mkdir(exist_ok=True)
            self._files[name] = self._names[name].open("wb")
            self._files[name].write(value)

    def add(self, output: Output) -> None:
        self._files[dict(output.headers)[NAMED].decode()].write(output.value)

    def rest(self) -> None:
        """What no tick has closed when the input ends."""
        for i, record in self._chain.samples.rest():
            self._files[self._chain.samples.form(i).sha256].write(record)
        name = self._chain.statistics_form.form.sha256
        if name in self._files:
            self._files[name].write(self._chain.statistics.rest())

    def close(self) -> None:
        for file in self._files.values():
            file.write(END_OF_STREAM)
            file.close()


class RunFolder:
    """alerts and rejects as JSON lines; statistics, and the samples of each container, as Arrow
    streams (statistics as JSON lines where the mission says so)."""

    def __init__(self, folder: Path, chain: Chain, recording: Recording) -> None:
        self._folder, self._chain, self._recording = folder, chain, recording
        self._files: dict[str, IO[bytes]] = {}
        self._counts: Counter[str] = Counter()
        self._levels: Counter[str] = Counter()
        self._skipped: Counter[str] = Counter()
        self._refusals = Refusals()
        self.samples = 0
        self.told: list[str] = []

    def __enter__(self) -> RunFolder:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._files = {t: (self._folder / name).open("wb") for t, name in FILES.items()}
        if self._chain.mission.settings.outputs.statistics == "json":
            path = self._folder / f"{STATISTICS}.jsonl"
            self._files[topics.STATISTICS] = path.open("wb")
        self._streams = Streams(self._folder, self._chain)
        self._add_skipped()
        return self

    def _add_skipped(self) -> None:
        """What resynchronisation passed over, as `ingest` publishes it."""
        s = self._recording.scanned
        for at, content, reason in zip(s.skip_at, s.skip_bytes, s.skip_reason, strict=True):
            record = skipped_record(self._chain.source, int(at), content, reason)
            self._files[topics.REJECTS].write(record + b"\n")
            self._counts[topics.REJECTS] += 1
            self._skipped[reason.word] += 1

    def add(self, fed: Fed) -> None:
        self.samples += fed.samples
        self._refusals.merge(fed.refusals)
        for _, output in fed.outputs:
            self._counts[output.topic] += 1
            if output.topic == topics.DEFINITIONS:
                self._streams.define(output.key.decode(), output.value)
            elif output.topic in self._files:
                self._files[output.topic].write(output.value + b"\n")
            else:
                self._streams.add(output)
            if output.topic == topics.ALERTS and (alert := output.event):
                self._levels[f"{alert['transition']} {alert['level_after']}"] += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if kind is None:
            self._streams.rest()
        self._streams.close()
        for file in self._files.values():
            file.close()
        if kind is not None:
            return
        packets = self._chain.packets.counters
        rejected = self._skipped + Counter(
            {Reason(r).word: n for r, n in self._refusals.total().items()}
        )
        summary = {
            "source": self._chain.source,
            "bytes": self._recording.size,
            "packets": packets,
            "samples": self.samples,
            "outputs": dict(self._counts),
            "alerts": dict(self._levels),
            "rejected": dict(rejected),
            "refusals": self._refusals.records(),
            "fingerprint": self._chain.fingerprint,
        }
        told = []
        if self._recording.scanned.header_bytes:
            summary["ground_header_bytes"] = n = self._recording.scanned.header_bytes
            told.append(f"stepped over {n} bytes of ground headers")
        if n := self._chain.reassembly.pending:
            summary["pending_segment_bytes"] = n
            told.append(f"{n} bytes of segments wait for a packet's end")
        (self._folder / "summary.json").write_bytes(
            orjson.dumps(summary, option=orjson.OPT_INDENT_2)
        )
        if self._recording.flight.timeless:
            told.append(
                "no packet has a time of its own: their numbers are taken for it, by --begin and "
                "--hz (one a second from 1970 on, if not given)"
            )
        counts = ", ".join(f"{self._counts[t]} {t.split('.', 1)[1]}" for t in topics.OUTPUTS)
        self.told = [
            f"{packets['packets']} packets, {self.samples} samples",
            f"{packets['missing']} packets missing in {packets['gaps']} gaps",
            f"records: {counts}",
            *told,
            *(f"alerts {what}: {n}" for what, n in sorted(self._levels.items())),
            *(f"skipped, {what}: {n} times" for what, n in sorted(self._skipped.items())),
            *self._refusals.lines(),
        ]


def read_alerts(folder: Path) -> Iterator[dict[str, Any]]:
    """Every alert in a folder that `run` wrote. FlightError: a line is not an alert."""
    for topic, line in alerts_in(folder):
        try:
            alert = orjson.loads(line)
            alert["id"], alert["source"], alert["sentence"]
        except (ValueError, TypeError, KeyError):
            raise FlightError(f"{folder / FILES[topic]}: no alert: {line[:60]!r}.") from None
        yield alert


def alerts_in(folder: Path) -> Iterator[tuple[str, bytes]]:
    """(topic, record) of every line in a folder that `run` wrote. FlightError: it is not there."""
    for topic in topics.ALERTS_OF_ALL:
        path = folder / FILES[topic]
        try:
            lines = path.read_bytes().splitlines()
        except OSError as error:
            raise FlightError(f"{path}: cannot be read: {error.strerror}.") from None
        for line in lines:
            yield topic, line


def skipped_record(source: str, at: int, content: bytes, reason: Reason, client: int = 0) -> bytes:
    """Reject record of bytes that never became a record of telemetry.raw.

    at: their position in the input, or in what that client sent.
    """
    where = f"{client}-{at}" if client else f"{at}"
    return orjson.dumps(
        {
            "id": f"ingest-{source}-{where}",
            "source": source,
            "reason": reason.word,
            "topic": None,
            "partition": None,
            "offset": at,
            "ranges": [[0, len(content)]],
            "bytes": len(content),
            "data": base64.b64encode(content).decode(),
        }
    )
