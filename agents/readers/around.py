"""The samples around an alert: the last ones up to its own, and the first ones after it."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
from pyarrow import ipc

from agents.readers.run_files import SAMPLES_FOLDER
from agents.readers.tail import follow
from pipeline.outputs.alerts import quality_words
from pipeline.outputs.arrow import read_record
from pipeline.outputs.definitions import named_by
from schemas import topics

SIDE = 10  # up to the alert's own, and as many after

Sample = tuple[int, float, list[str]]  # generation time ns, value, quality


class Around:
    """Takes the samples of the alert's source in order, until it has what it wants."""

    def __init__(self, alert: dict[str, Any]) -> None:
        self._parameter, self._at = alert["parameter"], alert["generation_ns"]
        self._container = alert.get("container")
        self._before: deque[Sample] = deque(maxlen=SIDE)
        self._after: list[Sample] = []

    @property
    def samples(self) -> list[Sample]:
        return [*self._before, *self._after]

    @property
    def place(self) -> int:
        """Index of the alert's sample in `samples`; -1: there is none."""
        return len(self._before) - 1

    def column(self, schema: pa.Schema) -> int:
        """The column of its parameter; -1: there is none."""
        about = schema.metadata or {}
        if self._container and about.get(b"container") != self._container.encode():
            return -1
        own = self._parameter.encode()
        named = (i for i, f in enumerate(schema) if (f.metadata or {}).get(b"parameter") == own)
        return next(named, -1)

    def take(self, batch: pa.RecordBatch) -> bool:
        """Whether that is enough."""
        column = self.column(batch.schema)
        if column < 0:
            return False
        place = orjson.loads(batch.schema.metadata[b"quality"]).index(self._parameter)
        columns = (batch.column(i).to_pylist() for i in (0, column, batch.num_columns - 1))
        for time, value, quality in zip(*columns, strict=True):
            if value is None:
                continue
            sample = (time, value, quality_words(quality[place] if quality else 0))
            if time <= self._at:
                self._before.append(sample)
            elif len(self._after) < SIDE:
                self._after.append(sample)
        return len(self._after) >= SIDE


def around_in(folder: Path, alert: dict[str, Any]) -> Around:
    """From the folder of a `run`; nothing where it keeps no samples."""
    around = Around(alert)
    for path in sorted((folder / SAMPLES_FOLDER).glob("*.arrow")):
        with path.open("rb") as file:
            stream = ipc.open_stream(file)
            if around.column(stream.schema) >= 0 and any(around.take(batch) for batch in stream):
                break
    return around


async def around_on(
    bootstrap: str, namespace: str, alert: dict[str, Any], definitions: Mapping[str, bytes]
) -> Around:
    """From telemetry.samples, as far as it goes back."""
    around, key = Around(alert), alert["source"].encode()
    async for _, record in follow(bootstrap, namespace, (topics.SAMPLES,), True, True):
        named = named_by(topics.SAMPLES, record.headers)
        if record.key != key or named not in definitions:
            continue
        if around.take(read_record(definitions[named], record.value or b"")):
            break
    return around
