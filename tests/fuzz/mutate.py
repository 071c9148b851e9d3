"""Seeded damage: to bytes, to runs of packets, and to texts."""

from __future__ import annotations

import random
from collections.abc import Sequence

EDGES = (b"\0", b"\xff", b"\x7f", b"\x80", b"\xff\xff", b"\0\0", b"\x7f\xff\xff\xff", b"\xff" * 8)
# what texts of any format stumble on
WORDS = (
    "", "0", "-1", "1", "65535", "65536", "4294967296", "-9223372036854775809", "1e308", "1e999",
    "nan", "inf", "-inf", "0x10", "1_0", "true", "x", "..", "/", "\0", "\x01", "é", "\U0001f680",
    "\ud7ff", "9" * 400, "9" * 5000, "[", "]", "{}", "'", '"', '"""', "&amp;", "&x;", "<", ">",
    "<!--", "]]>", "1970-01-01", "9999-12-31", "0001-01-01T00:00:00+14:00", "2016-12-31T23:59:60",
)  # fmt: skip


def damage(rnd: random.Random, content: bytes, most: int = 4) -> bytes:
    """One to `most` bit flips, cuts, insertions, splices or edge values."""
    data = bytearray(content)
    for _ in range(rnd.randint(1, most)):
        if not data:
            return rnd.randbytes(rnd.randint(0, 16))
        at = rnd.randrange(len(data))
        size = min(rnd.choice((1, 1, 2, 4, 8, 50, 1000)), len(data) - at)
        how = rnd.randrange(6)
        if how == 0:
            data[at] ^= 1 << rnd.randrange(8)
        elif how == 1:
            del data[at : at + size]
        elif how == 2:
            data[at:at] = rnd.randbytes(size)
        elif how == 3:
            frm = rnd.randrange(len(data))
            data[at : at + size * rnd.randint(0, 1)] = data[frm : frm + size]
        elif how == 4:
            edge = rnd.choice(EDGES)
            data[at : at + len(edge)] = edge
        else:
            data[at : at + size] = rnd.randbytes(size)
    return bytes(data)


def damage_packet(rnd: random.Random, packet: bytes) -> bytes:
    """A lying length, another version, APID or sequence count, a body cut or changed."""
    data = bytearray(packet)
    how = rnd.randrange(6)
    if how == 0:
        data[4:6] = rnd.choice((0, 1, 0xFFFF, 0xFFFE, rnd.randrange(65536))).to_bytes(2, "big")
    elif how == 1:
        data[0] = rnd.randrange(256)
    elif how == 2:
        data[1:4] = rnd.randbytes(3)
    elif how == 3:
        body = rnd.randbytes(rnd.randint(1, len(data)))  # well framed, of another size
        data[4:] = (len(body) - 1).to_bytes(2, "big") + body
    elif how == 4:
        data[6:] = rnd.choice(EDGES)[:1] * (len(data) - 6)
    else:
        return damage(rnd, packet, 2)
    return bytes(data)


def damage_packets(rnd: random.Random, packets: Sequence[bytes], share: float) -> list[bytes]:
    """A run of which a share is changed, lost, repeated or out of order."""
    out: list[bytes] = []
    for packet in packets:
        if rnd.random() >= share:
            out.append(packet)
            continue
        how = rnd.randrange(8)
        if how == 0:
            continue
        if how == 1:
            out += [packet] * 2
        elif how == 2 and out:
            out.insert(-1, packet)
        else:
            out.append(damage_packet(rnd, packet))
    return out


def damage_text(rnd: random.Random, text: str, tokens: Sequence[str], most: int = 4) -> str:
    """Swap, drop, repeat or replace what stands between two of the text's own marks.

    tokens: pieces of other valid texts of this kind, to be put in anywhere.
    """
    for _ in range(rnd.randint(1, most)):
        at = rnd.randrange(len(text) + 1)
        marks = '"<>= ,\n[]'
        begin = next((i for i in range(at, min(at + 300, len(text))) if text[i] in marks), at)
        end = next(
            (i for i in range(begin + 1, min(begin + 300, len(text))) if text[i] in marks), begin
        )
        piece = text[begin + 1 : end]
        how = rnd.randrange(7)
        if how <= 2:
            text = text[: begin + 1] + rnd.choice(WORDS) + text[end:]
        elif how == 3:
            text = text[: begin + 1] + rnd.choice(tokens or WORDS) + text[end:]
        elif how == 4:
            text = text[:begin] + text[end:]
        elif how == 5:
            text = text[:end] + piece * rnd.randint(1, 3) + text[end:]
        else:
            text = damage(rnd, text.encode("utf-8", "surrogatepass"), 1).decode("utf-8", "replace")
    return text
