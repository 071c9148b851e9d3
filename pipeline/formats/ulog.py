"""PX4 ULog: one container a topic and instance, times in µs since boot (docs.px4.io, ULog)."""

from __future__ import annotations

import contextlib
import importlib
import io
import struct
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import FlightError
from pipeline.formats.series import Options, Series, blank_sentinels

TIME = "timestamp"
_FILE_HEADER, _MESSAGE_HEADER = 16, 3  # bytes; a message's begins with its size, u2


def read(path: Path, options: Options) -> list[Series]:
    """FlightError where pyulog is absent, or the file is damaged or holds no data."""
    log = _load(path)
    if log.file_corruption or not log.data_list:
        raise FlightError(f"{path}: a ULog that is damaged or holds no data: fetch it again.")
    lost = tuple(
        f"{path.name}: logging dropped out for {d.duration} ms at {d.timestamp / 1e6:.3f} s"
        for d in log.dropouts
    )
    found = [_series(topic, options) for topic in log.data_list]
    found[0].notes = lost
    return found


def _load(path: Path) -> Any:
    try:
        core = importlib.import_module("pyulog.core")
    except ImportError:
        raise FlightError(f"{path}: ULog needs pyulog: pip install 'heartline[ulog]'.") from None
    try:
        content = path.read_bytes()
        # before the parser, which drops a cut message silently
        if not _appended(content) and not _ends_whole(content):
            raise FlightError(f"{path}: a ULog cut off in the middle of a message: fetch it again.")
        # the parser tells of damage on standard output; file_corruption says the same
        with contextlib.redirect_stdout(io.StringIO()):
            return core.ULog(_Bounded(content))
    except (OSError, core.ULogException, ValueError, LookupError, TypeError, struct.error) as error:
        raise FlightError(f"{path}: cannot be read as ULog: {error}.") from None


class _Bounded(io.BytesIO):
    """A file that is read a bounded number of times.

    pyulog 1.3 steps back by a whole message after a short read at the end (`core.py`,
    `_read_file_definitions`), and so never ends on some damaged files. A sound log is read in two
    pieces a message, once.
    """

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self._left = 16 * len(content) + 1_000_000

    def read(self, size: int | None = -1) -> bytes:
        """OSError once far more was asked for than there is."""
        self._left -= 64 + max(size or 0, 0)
        if self._left < 0:
            raise OSError("damaged: it leads the parser in circles")
        return super().read(size)


def _appended(content: bytes) -> bool:
    """Whether the flags say that data were appended: behind a message that may be cut."""
    return content[18:19] == b"B" and bool(content[27:28]) and bool(content[27] & 1)


def _ends_whole(content: bytes) -> bool:
    """Whether the last message is there to its end."""
    at = _FILE_HEADER
    while at + _MESSAGE_HEADER <= len(content):
        at += _MESSAGE_HEADER + int.from_bytes(content[at : at + 2], "little")
    return at == len(content)


def _series(topic: Any, options: Options) -> Series:
    booleans = {f.field_name for f in topic.field_data if f.type_str == "bool"}
    sentinels = options.sentinels
    columns = {
        name: values.astype(bool) if name in booleans else blank_sentinels(values, sentinels)
        for name, values in topic.data.items()
        if name != TIME
    }
    time_ns = options.epoch_ns + topic.data[TIME].astype(np.int64) * 1000
    return Series(time_ns, columns, name=f"{topic.name}_{topic.multi_id}")
