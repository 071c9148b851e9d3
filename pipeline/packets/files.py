"""Reads files in pieces, gzip or not, with one flight in one or several files."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from pipeline.errors import FlightError
from pipeline.packets.captures import LOOKED_AT, capture
from pipeline.packets.scanner import Scanned, Scanner

PIECE_BYTES = 1 << 18  # of a file; also the most unpacked at once, so a bomb comes in pieces
GZIP_MAGIC = b"\x1f\x8b"  # RFC 1952, 2.3.1: ID1, ID2
_GZIP = 16 + zlib.MAX_WBITS


def scans(paths: Sequence[Path], scanner: Scanner) -> Iterator[tuple[int, Scanned]]:
    """(bytes read, what they completed) piece by piece through all files, in the order given.

    No packet straddles two files: what is pending at a file's end is reported as truncated.
    FlightError names a file that cannot be read, or says what it holds instead of packets.
    """
    for path in paths:
        for i, piece in enumerate(file_pieces(path)):
            if i == 0 and (what := capture(piece[:LOOKED_AT])):
                raise FlightError(f"{path}: holds no packets as they are, but {what}.")
            yield len(piece), scanner.feed(piece)
        yield 0, scanner.feed(b"", final=True)


def joined(parts: Sequence[Scanned]) -> Scanned:
    """Consecutive scans as one; keeps only the bytes of packets and those between them."""
    data, start, at = [], [], 0
    for part in parts:
        if len(part.start):
            first, end = int(part.start[0]), int(part.start[-1] + part.length[-1])
            data.append(part.data[first:end])
            start.append(part.start - first + at)
            at += end - first
    none = np.zeros(0, np.int64)
    return Scanned(
        np.concatenate([np.zeros(0, np.uint8), *data]),
        np.concatenate([none, *start]),
        np.concatenate([none, *(p.length for p in parts)]),
        np.concatenate([none, *(p.skip_at for p in parts)]),
        [b for p in parts for b in p.skip_bytes],
        [r for p in parts for r in p.skip_reason],
        sum(p.header_bytes for p in parts),
    )


def file_pieces(path: Path) -> Iterator[bytes]:
    """Contents of a file, unpacked where it is gzip. FlightError tells why it cannot be read."""
    try:
        with path.open("rb") as file:
            yield from pieces(file, str(path))
    except OSError as error:
        raise FlightError(f"{path}: cannot be read: {error.strerror}.") from None


def pieces(file: BinaryIO, name: str) -> Iterator[bytes]:
    """Pieces of at most PIECE_BYTES as they come; gzip is known by its magic, not by its name."""
    head = b""
    while len(head) < len(GZIP_MAGIC) and (more := _read(file)):
        head += more
    if head.startswith(GZIP_MAGIC):
        yield from _unpack(file, head, name)
        return
    while head:
        yield head
        head = _read(file)


def _read(file: BinaryIO) -> bytes:
    # what a pipe holds now, without waiting for it to fill a piece
    return file.read1(PIECE_BYTES)  # type: ignore[attr-defined,no-any-return]


def _unpack(file: BinaryIO, packed: bytes, name: str) -> Iterator[bytes]:
    """Members back to back are one content (RFC 1952, 2.2); zeros behind the last are padding."""
    member = None
    try:
        while packed:
            if member is None and (packed := packed.lstrip(b"\0")):
                member = zlib.decompressobj(_GZIP)
            if member is not None:
                if piece := member.decompress(packed, PIECE_BYTES):
                    yield piece
                packed = member.unused_data if member.eof else member.unconsumed_tail
                member = None if member.eof else member
            packed = packed or _read(file)
        while member is not None and (piece := member.decompress(b"", PIECE_BYTES)):
            yield piece
            member = None if member.eof else member
    except zlib.error as error:
        raise FlightError(f"{name}: damaged gzip: {error}. Fetch it again.") from None
    if member is not None and not member.eof:
        raise FlightError(f"{name}: damaged gzip: it ends too early. Fetch it again.")
