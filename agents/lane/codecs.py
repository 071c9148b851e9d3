"""Kafka's compressions, by the codecs that pyarrow brings (KIP-110 for zstd)."""

from __future__ import annotations

import gzip
import struct
import zlib

import pyarrow as pa

GZIP, SNAPPY, LZ4, ZSTD = 1, 2, 3, 4
_STREAMS = {LZ4: "lz4", ZSTD: "zstd"}
# Java clients put snappy blocks into a frame of their own: this, and two versions
_XERIAL, _XERIAL_BYTES = b"\x82SNAPPY\x00", 16
MOST_BYTES = 1 << 30  # of a block of snappy, which says its size beforehand


def unpack(kind: int, content: memoryview) -> bytes:
    """The records of a batch. ValueError, EOFError, OSError, ArrowException: they are damaged."""
    if kind == GZIP:
        try:
            return gzip.decompress(content)
        except zlib.error as error:
            raise ValueError(str(error)) from None
    if kind in _STREAMS:
        with pa.CompressedInputStream(pa.BufferReader(pa.py_buffer(content)), _STREAMS[kind]) as s:
            return bytes(s.read())
    if kind != SNAPPY:
        raise ValueError(f"compression {kind} is unknown")
    if bytes(content[: len(_XERIAL)]) != _XERIAL:
        return _block(content)
    parts, at = [], _XERIAL_BYTES
    while at < len(content):
        if at + 4 > len(content):
            raise ValueError("a frame that is cut")
        (size,) = struct.unpack_from(">I", content, at)
        parts.append(_block(content[at + 4 : at + 4 + size]))
        at += 4 + size
    return b"".join(parts)


def _block(content: memoryview) -> bytes:
    """A block of snappy begins with its unpacked size, a varint."""
    size = shift = 0
    for byte in content[:5]:
        size |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            break
    if size > MOST_BYTES:
        raise ValueError(f"a block of {size} bytes")
    return bytes(pa.decompress(pa.py_buffer(content), size, "snappy", asbytes=True))
