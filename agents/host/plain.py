"""Text from outside, made fit to be shown: on a screen, in a log line, in a label.

What packets, units, keys, sentences and operators' notes hold is data. A terminal takes some
characters as commands (clear, retitle, link), and some reverse the order of the text around them.
"""

from __future__ import annotations

import unicodedata

MOST = 200


def plain(text: object, most: int = MOST) -> str:
    r"""One line of at most `most` characters, cut with '…'; unprintable ones become \xNN.

    bytes are read as UTF-8, and invalid ones are escaped too. It never raises, and looks at no more
    than `most` characters, however long the text is.
    """
    if isinstance(text, bytes | bytearray | memoryview):
        text = bytes(text[: 4 * most + 4]).decode(errors="backslashreplace")
    whole = text if isinstance(text, str) else str(text)
    if len(whole) <= most and whole.isprintable():  # nearly always
        return whole
    out, size = [], 0
    for sign in whole[: most + 1]:
        piece = sign if _is_sign(sign) else _escaped(sign)
        out.append(piece)
        size += len(piece)
        if size > most:
            return _cut(out, size, most)
    return "".join(out)


def _is_sign(sign: str) -> bool:
    """Whether it can be shown: no control (C0, DEL, C1), no format character (bidi and invisible
    ones too), no lone surrogate, no line or paragraph end, nothing unknown to Unicode."""
    return sign.isprintable() or unicodedata.category(sign) == "Zs"


def _escaped(sign: str) -> str:
    code = ord(sign)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _cut(pieces: list[str], size: int, most: int) -> str:
    """Only whole pieces, so that no escape is cut in two, and '…' for what was left out."""
    while pieces and size > most - 1:
        size -= len(pieces.pop())
    return "".join(pieces) + "…" if most > 0 else ""
