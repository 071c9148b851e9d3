"""Content at the place that a raw value gives: strings, binaries, integers above 64 bits."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.mdb.criteria import codec
from schemas.columns import place_of
from schemas.mission import StringEncoding


def bytes_of(data: np.ndarray[Any, Any], place: int) -> bytes:
    """The bits at a place, left aligned; the last byte is padded with zeros."""
    first, bits = place_of(place)
    at, size = first // 8, (first % 8 + bits + 7) // 8
    whole = int.from_bytes(data[at : at + size].tobytes(), "big")
    whole = (whole >> (8 * size - first % 8 - bits)) & ((1 << bits) - 1)
    octets = (bits + 7) // 8
    return (whole << (8 * octets - bits)).to_bytes(octets, "big")


def text_of(content: bytes, encoding: StringEncoding) -> str:
    """Decode a text, without the padding after it in its box."""
    return content.decode(codec(encoding.charset), "replace").rstrip("\0 ")
