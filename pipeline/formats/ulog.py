"""PX4 ULog: one container a topic and instance, times in µs since boot (docs.px4.io, ULog).

pyulog parses. What it would skip silently, or loop on for ever, is checked first.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import struct
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import FlightError
from pipeline.formats.series import Options, Series, blank_sentinels
from pipeline.mdb.circles import CircleError, innermost_first

TIME = "timestamp"
MAX_FIELDS = 100_000  # of all topics: nested formats and arrays multiply
_MOST_ELEMENTS = 65_535
_LATEST_US = 2**62 // 1000
_FILE_HEADER = 16  # bytes
_MESSAGE = struct.Struct("<HB")  # size of what follows, type
_FLAGS = ord("B")
_DEFINITIONS, _DATA = b"BFIMPQ", b"ACDILMOPQS"  # types in the definitions and in the data
_BEGINS = b"ACL"  # types that begin the data
_LONGEST_UNKNOWN = 10_000
_SYNC = bytes.fromhex("2f731320250cbb12")


def read(path: Path, options: Options) -> list[Series]:
    """FlightError where pyulog is absent, or the file is damaged or holds no data."""
    core = _parser(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise FlightError(f"{path}: cannot be read as ULog: {error}.") from None
    messages: list[tuple[int, bytes]] = []
    end = _messages(path, content, messages)
    _refuse_floods(path, messages)
    log = _load(path, core, content[:end])
    if log.file_corruption or not log.data_list:
        raise FlightError(f"{path}: a ULog that is damaged or holds no data: fetch it again.")
    found = [_series(path, topic, options) for topic in log.data_list]
    _refuse_losses(path, messages, found, log)
    notes = [
        f"{path.name}: logging dropped out for {d.duration} ms at {d.timestamp / 1e6:.3f} s"
        for d in log.dropouts
    ]
    if left := len(content) - end:
        notes.append(f"{path.name}: cut off in a message: its last {left} bytes are left out")
    found[0].notes = tuple(notes)
    return found


def _parser(path: Path) -> Any:
    try:
        return importlib.import_module("pyulog.core")
    except ImportError:
        raise FlightError(f"{path}: ULog needs pyulog: pip install 'heartline[ulog]'.") from None


def _load(path: Path, core: Any, content: bytes) -> Any:
    try:
        # the parser tells of damage on standard output; file_corruption says the same
        with contextlib.redirect_stdout(io.StringIO()):
            return core.ULog(io.BytesIO(content))
    except Exception as error:  # noqa: BLE001 - a third-party parser may raise anything
        why = (str(error) or repr(error)).splitlines()[0]
        raise FlightError(f"{path}: cannot be read as ULog: {why}.") from None


def _messages(path: Path, content: bytes, found: list[tuple[int, bytes]]) -> int:
    """Collects (type, payload) of every message; returns where the last complete one ends, since a
    recorder that loses power stops anywhere. FlightError where the parser would not look for the
    next message right after this one: it steps back and forth then, on some files for ever."""
    at, known, stops = _FILE_HEADER, _DEFINITIONS, _appended(content)
    padded = content + bytes(_MESSAGE.size)
    while at < len(content):
        size, kind = _MESSAGE.unpack_from(padded, at)
        known = _DATA if kind in _BEGINS else known
        end = at + _MESSAGE.size + size
        if stops and end > stops[0]:  # data were appended here, behind a message that may be cut
            if stops[0] < at or known is _DEFINITIONS:
                raise FlightError(
                    f"{path}: a ULog whose appended data lie nowhere: fetch it again."
                )
            at = stops.pop(0)
            continue
        payload = content[at + _MESSAGE.size : end]
        if end > len(content):
            return at
        strange = kind not in known and (size > _LONGEST_UNKNOWN or _SYNC in payload)
        if strange or not size or not kind or (kind == _FLAGS and at > _FILE_HEADER):
            raise FlightError(f"{path}: a ULog that is damaged at byte {at}: fetch it again.")
        found.append((kind, payload))
        at = end
    return at


def _appended(content: bytes) -> list[int]:
    """Where data were appended after a crash, as the flag bits say."""
    if content[18:19] != b"B" or len(content) < 59 or not content[27] & 1:
        return []
    offsets = list(struct.unpack_from("<3Q", content, 35))
    while offsets and not offsets[-1]:
        offsets.pop()
    return offsets


def _refuse_floods(path: Path, messages: list[tuple[int, bytes]]) -> None:
    """Refuses a short file that asks for endless work: formats hold formats, each many times.

    The parser uses one of several formats with the same name: here all of them count.
    """
    formats: dict[str, list[tuple[str, int]]] = {}
    for kind, payload in messages:
        if kind == ord("F"):
            name, fields = _format(payload)
            formats.setdefault(name, []).extend(fields)
    try:
        order = innermost_first({name: [of for of, _ in formats[name]] for name in formats})
    except CircleError as circle:
        raise FlightError(f"{path}: a ULog format holds itself: {circle}.") from None
    sizes: dict[str, int] = {}
    for name in order:  # a type that is no format is one field
        whole = sum(sizes.get(of, 1) * count for of, count in formats.get(name, [("", 1)]))
        sizes[name] = min(whole, MAX_FIELDS + 1)
    topics = (_text(payload[3:]) for kind, payload in messages if kind == ord("A"))
    if sum(sizes.get(name, 0) for name in topics) > MAX_FIELDS:
        raise FlightError(f"{path}: a ULog of more than {MAX_FIELDS} fields.")


def _format(payload: bytes) -> tuple[str, list[tuple[str, int]]]:
    """`name:type[n] field;type field;` as (name, [(type, count) of each field])."""
    name, _, fields = _text(payload).partition(":")
    rows = []
    for field in fields.split(":")[0].split(";"):
        of, array, many = field.split(" ")[0].partition("[")
        rows.append((of, _count(many.partition("]")[0]) if array else 1))
    return name, rows


def _count(text: str) -> int:
    """Size of an array; if the text is not a number, the largest that the parser could read."""
    try:
        return min(max(int(text), 1), _MOST_ELEMENTS)
    except ValueError:
        return _MOST_ELEMENTS


def _text(content: bytes) -> str:
    return content.decode("utf-8", "ignore")


def _refuse_losses(
    path: Path, messages: list[tuple[int, bytes]], found: list[Series], log: Any
) -> None:
    """Compares counts: the parser stops silently at a message that is too short, and drops the
    samples of a topic when another topic takes its number."""
    kinds = Counter(kind for kind, _ in messages)
    there = kinds[ord("D")] + kinds[ord("O")]
    came = sum(len(series.time_ns) for series in found) + len(log.dropouts)
    if came != there:
        raise FlightError(
            f"{path}: a ULog that is damaged: of {there} samples and dropouts {came} can be read."
        )


def _series(path: Path, topic: Any, options: Options) -> Series:
    name = f"{topic.name}_{topic.multi_id}"
    time_us = topic.data.get(TIME, np.zeros(0))
    if time_us.dtype.kind != "u" or time_us.max() > _LATEST_US:
        raise FlightError(f"{path}: topic {name} has no {TIME}, or one that is centuries away.")
    booleans = {f.field_name for f in topic.field_data if f.type_str == "bool"}
    columns = {
        field: v.astype(bool) if field in booleans else blank_sentinels(v, options.sentinels)
        for field, v in topic.data.items()
        if field != TIME
    }
    return Series(options.epoch_ns + time_us.astype(np.int64) * 1000, columns, name=name)
