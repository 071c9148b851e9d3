"""The samples around an alert: the last ones up to its own, and the first ones after it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import ipc

from agents.readers.run_files import FILES
from agents.readers.tail import follow
from pipeline.outputs.alerts import quality_words
from pipeline.outputs.samples import read_frames
from schemas import topics

SIDE = 10  # up to the alert's own, and as many after

Sample = tuple[int, float, list[str]]  # generation time ns, engineering value, quality


class Around:
    """Takes the frames of the alert's source in order, until it has what it wants."""

    def __init__(self, alert: dict[str, Any]) -> None:
        self._parameter, self._at = alert["parameter"], alert["generation_ns"]
        self._before: deque[Sample] = deque(maxlen=SIDE)
        self._after: list[Sample] = []

    @property
    def samples(self) -> list[Sample]:
        return [*self._before, *self._after]

    @property
    def place(self) -> int:
        """Index of the alert's sample in `samples`; -1: there is none."""
        return len(self._before) - 1

    def take(self, frame: pa.Table) -> bool:
        """Whether that is enough."""
        mine = frame.filter(pc.equal(frame["parameter"].cast(pa.string()), self._parameter))
        columns = (mine[n].to_pylist() for n in ("time_ns", "eng", "quality"))
        for time, value, quality in zip(*columns, strict=True):
            sample = (time, value, quality_words(quality))
            if time <= self._at:
                self._before.append(sample)
            elif len(self._after) < SIDE:
                self._after.append(sample)
        return len(self._after) >= SIDE


def around_in(folder: Path, alert: dict[str, Any]) -> Around:
    """From the folder of a `run`; nothing where it keeps no samples."""
    around, path = Around(alert), folder / FILES[topics.SAMPLES]
    frames: Iterator[pa.Table] = read_frames(path) if path.is_file() else iter(())
    any(around.take(frame) for frame in frames)
    return around


async def around_on(bootstrap: str, namespace: str, alert: dict[str, Any]) -> Around:
    """From telemetry.samples, as far as it goes back."""
    around, key = Around(alert), alert["source"].encode()
    async for _, record in follow(bootstrap, namespace, (topics.SAMPLES,), True, True):
        if record.key == key and around.take(ipc.open_stream(record.value or b"").read_all()):
            break
    return around
